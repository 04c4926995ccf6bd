// 3:17: 'r3' is too much for 'add'
// 4:11: 'b' is too much for .globl
	add r0, r1, r2 r3
	.globl a b
