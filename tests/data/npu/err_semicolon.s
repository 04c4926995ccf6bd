// 3:6: an instruction is missing here
// 4:2: an instruction is missing here
	nop;
	;nop
