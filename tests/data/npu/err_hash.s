// 3:14: operand 2 of 'padda': '#' is missing before the number
// 4:14: operand 3 of 'add': '#' is missing before the number
	padda [p0], 4
	add r0, r1, 5
