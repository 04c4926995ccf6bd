// 3:8: .base comes once, before anything else in section .text
	nop
	.base 16
