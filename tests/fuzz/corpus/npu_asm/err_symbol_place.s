// 4:16: operand 3 of 'lda' must be a number: 'x' is none yet
// 5:4: an operand can be a symbol plus a 32-bit number, no more
// 6:14: symbols cannot be added up
	lda r0, [p1], #x
	j #(a-b)
	mova r0, #(a+b)
