// 3:9: the number of bytes must be a number that is known here
// 5:10: 'm' must be a number or a place that is known here
	.space n
n = 4
	.set m, later
