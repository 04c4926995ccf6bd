// 3:9: this text has no closing quote
// 4:9: a text in double quotes is missing here
	.ascii "abc
	.ascii abc
