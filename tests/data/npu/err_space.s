// 4:9: the number of bytes is 2097152, not within [0, 1048576]
// 5:9: the number of bytes is -1, not within [0, 1048576]
	.data
	.space 0x200000
	.space -1
