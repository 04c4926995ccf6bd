// 2:0: 'buf' (459776) does not fit: the range is [-1024, 1023] (in tests/data/npu/err_link_range.s)
	mova r0, #buf
	.data
buf: .word 1
