	.entry 0
	.set	buf, 0x74000
	.section	.text,"ax",@progbits
	.base	0x0
	.p2align	4
	.globl	_start
_start:
	movxm p0, #buf
	movxm le, #.Lend; nopa
	j #_start
	nop
	.short 0xffff
.Lend:
	nopb; nopa; nops; nopxm; nopv
	.section	.data,"aw",@progbits
	.base	0x70400
v:	.word	_start, v+4, 0x12345678
	.asciz	"a\x41\n\"b"
	.section	"odd name","aw",@nobits,unique,3
	.base	0x70800
	.space 70
