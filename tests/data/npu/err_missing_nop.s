// 3:2: no bundle holds exactly the slots lda, ldb, mv, st, vec; add nopx
// 4:2: no bundle holds exactly the slots alu, lda, mv, st, vec; add nopb
	lda r0, [p0], #4; vldb wl0, [p1], #32; mov r1, r2; st r3, [p2], #4; vmac cm0, cm0, x0, x1, r0
	add r1, r2, r3; lda r0, [p0], #4; mov r1, r2; st r3, [p2], #4; vmac cm0, cm0, x0, x1, r0
