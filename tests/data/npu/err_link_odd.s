// 3:0: a branch to 'f' at the odd address 0x9 (in tests/data/npu/err_link_odd.s)
	nop
	j #(f+1)
f:	nop
