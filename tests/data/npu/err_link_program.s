// 4:0: section .text (16388 bytes at 0x0) passes the end of program memory at 0x4000 (in tests/data/npu/err_link_program.s)
	nop
	.space 16380
	add r0, r1, r2
	nop
