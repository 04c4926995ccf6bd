// 2:11: the size of 'f' is not a number
	.size f, undefined
f:	nop
