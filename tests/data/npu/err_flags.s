// 4:11: section .data has other flags or another type above
	.data
	.byte 1
	.section .data,"a"
