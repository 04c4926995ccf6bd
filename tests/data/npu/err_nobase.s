// 0:0: section .data has no .base, but others have
	.base 0
	nop
	.data
	.word 1
