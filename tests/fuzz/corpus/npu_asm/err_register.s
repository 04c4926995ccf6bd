// 4:10: operand 2 of 'add' cannot be 'p1': it is one of r0, r1, ... r31
// 5:19: operand 3 of 'lda.3d' cannot be 'd7': it is one of d0, d1, ... d3
// 6:8: ',' is missing here
	add	r0, p1, r2
	lda.3d r0, [p0], d7
	mov r0
