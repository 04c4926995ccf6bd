// 0:0: tests/data/npu/err_link_entry.s: the entry '_start' is at 0x2, but a core starts at 0: it must be the first thing in its section
	.globl _start
	nop
_start:	nop
