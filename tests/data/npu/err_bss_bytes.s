// 4:8: section .bss holds no bytes in the file, only .space
// 5:2: section .bss holds no instructions
	.bss
	.word 5
	nop
