// 3:18: 'add' and 'sub' both need the slot alu
// 4:32: 'lda' and 'mova' both need the slot lda
	add r0, r1, r2;	sub r3, r4, r5
	lda r0, [p0], #4; mov r1, r2; mova r3, #1
