// 2:2: there is no instruction 'frobnicate'
	frobnicate r0, r1
