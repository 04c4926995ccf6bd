// 4:10: the difference of 'a' and 'b' is not known: they are not in one section
a:	nop
	.data
b:	.word a-b
