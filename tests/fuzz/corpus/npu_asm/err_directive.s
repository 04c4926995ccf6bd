// 7:2: there is no directive '.frob'
// 8:11: the power of two is 99, not within [0, 16]
// 9:9: an alignment is a power of two, not 3
// 10:10: a symbol's type is @function, @object or @notype, not '@thing'
// 11:14: a section cannot have the flag 'z'; there are a w x M S
// 12:18: a section is @progbits or @nobits, not 'note'
	.frob 1
	.p2align 99
	.align 3
	.type f,@thing
	.section .x,"az"
	.section .y,"a",@note
