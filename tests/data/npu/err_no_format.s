// 3:2: no bundle holds exactly the slots alu, lng: lng stands in place of alu and mv
// 4:2: no bundle holds exactly the slots alu, nop
	movxm p0, #4; add r0, r1, r2
	nop; add r0, r1, r2
