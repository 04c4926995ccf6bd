// 3:1: a comment starts in this line and never ends
	nop
/* never closed
	frob
