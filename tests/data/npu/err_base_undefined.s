// 3:4: symbol 'nowhere' is not defined, and sections with .base are final
	.base 0
	j #nowhere
	nop
