// 4:2: a bundle starts at an even address, not at 0x1
// 5:11: nops cannot fill 15 bytes: the place is odd
	.byte 1
	nop
	.p2align 4
