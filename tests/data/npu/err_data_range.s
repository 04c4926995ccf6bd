// 7:8: 256 does not fit 1 byte
// 8:9: -32769 does not fit 2 bytes
// 9:8: 8589934591 does not fit 4 bytes
// 10:7: a value is missing here
// 11:10: '2' is too much for .byte
	.data
	.byte 256
	.short -32769
	.word 0x1ffffffff
	.byte
	.byte 1 2
