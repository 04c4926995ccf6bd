// 4:0: symbol 'nowhere' is not defined (in tests/data/npu/err_link_undefined.s)
// 6:0: symbol 'gone' is not defined (in tests/data/npu/err_link_undefined.s)
	nop
	jl #nowhere
	.data
	.word gone
