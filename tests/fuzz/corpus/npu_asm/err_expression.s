// 9:11: a number or a symbol is missing here
// 10:10: ')' is missing here
// 11:9: division by zero, or of the lowest number by -1
// 12:8: '09' is not a number
// 13:8: '12a' is not a number
// 14:8: ~ needs a number, not a symbol
// 15:9: * needs numbers on both sides, not symbols
// 16:9: symbols cannot be added up
	.word 1 +
	.word (1
	.word 1/0
	.word 09
	.word 12ab
	.word ~a
	.word a*2
	.word a+b
