// 3:9: there is no relocation 'R_AIE_54'
// 4:9: the 6 bytes to relocate are not all there
	.reloc 0, R_AIE_54, x
	.reloc 8, R_AIE_1, x
	nop
