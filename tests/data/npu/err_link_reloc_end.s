// 4:0: 'x' (305419896) does not fit: the range is [0, 1048575] (in tests/data/npu/err_link_reloc_end.s)
	.reloc 0, R_AIE_50, x
	.set x, 0x12345678
	nop
	nop
