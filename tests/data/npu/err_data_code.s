// 3:2: section .data holds no instructions
	.data
	nop
