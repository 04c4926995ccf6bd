// 3:0: section .data (65536 bytes at 0x70400) passes the end of data memory at 0x80000 (in tests/data/npu/err_link_data.s)
	.data
	.space 0x10000
