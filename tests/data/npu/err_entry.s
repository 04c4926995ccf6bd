// 0:0: the entry 'start' is not at a known address
	.entry start
start:	nop
