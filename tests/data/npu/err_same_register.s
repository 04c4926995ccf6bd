// 2:15: the first two operands of 'vsubmac' must be the same register
	vsubmac cm0, cm1, cm2, y2, x0, r0
