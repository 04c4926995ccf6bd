// 5:9: the address of 'a' needs 4 bytes (.word), not 2
// 6:8: the address of 'a' needs 4 bytes (.word), not 1
a:	nop
	.data
	.short a
	.byte a
