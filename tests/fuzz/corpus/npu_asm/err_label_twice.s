// 4:1: symbol 'a' is already defined in line 3
// 5:8: symbol 'a' is already defined in line 3
a:
a:	nop
	.comm a, 4
