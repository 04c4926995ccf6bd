/* The commands main.c chooses from. Each gets its own name as argv[0], prints its own errors and
 * returns an exit status of exit.def. */
#ifndef CMD_COMMANDS_H
#define CMD_COMMANDS_H

int cmd_transcribe(int argc, char **argv);
int cmd_model(int argc, char **argv);
int cmd_bench(int argc, char **argv);

#endif
