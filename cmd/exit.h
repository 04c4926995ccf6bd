/* Exit statuses of the programs; the list and its meanings are in exit.def. */
#ifndef CMD_EXIT_H
#define CMD_EXIT_H

enum cli_exit {
#define X(value, name, text) CLI_EXIT_##name = (value),
#include "exit.def"
#undef X
};

/* The exit status for a library error (SOTTO_E...), where the caller knows no better. */
int exit_from_error(int error);

#endif
