	.weak w
	.reloc ., R_AIE_1, "x y"+4
	jl #64
	mova r0, #(g - 4); jl #h
	mov r1, #w
	movx r2, #.
	.comm c, 4, 64
	.data
	.reloc 0, R_AIE_51, c
	.word 0, c+1
a = 1<<4|3
	.fill a, 2, ~a
	.balign 16, 0x55, 9
	.size h, .-c0
c0:
