// a test
	.text
	.globl	_start
	.type	_start,@function
_start:
	movxm	p0, #buf
	mova	r0, #4; jl #other
	nop
	nop
	nop
	nop
	nop
.Lend:
	j	#.Lend
	nop
	nop
	nop
	nop
	nop
	.size	_start, .-_start
	.data
	.align 32
buf:	.word 1, 2, other, buf+4
	.asciz "hi\n"
	.bss
big:	.space 64
