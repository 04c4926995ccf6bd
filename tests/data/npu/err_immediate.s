// 9:14: the immediate 64 of 'add' is out of range [-64, 63]
// 10:15: the immediate 3 of 'lda' is not a multiple of 4 in [-128, 124]
// 11:14: the immediate 6 of 'padda' is not a multiple of 4 in [-2048, 2044]
// 12:14: the immediate 22 of 'padda' is not a multiple of 32 in [-131072, 131040]
// 13:14: the immediate 150000 of 'padda' is not a multiple of 32 in [-131072, 131040]
// 14:11: the immediate 2000 of 'mova' is out of range [-1024, 1023]
// 15:4: the immediate -2 of 'j' is out of range [0, 1048575]
// 16:12: the immediate 4294967296 of 'movxm' is out of range [-2147483648, 2147483647]
	add r0, r1, #64
	lda r0, [p0, #3]
	padda [p0], #6
	padda [sp], #22
	padda [sp], #150000
	mova r0, #2000
	j #-2
	movxm r0, #0x100000000
