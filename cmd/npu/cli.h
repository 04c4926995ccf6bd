/*
 * The program sotto-npu: what its commands share. Each command is a file here with one function, declared
 * below, and one row in main.c. Exit statuses are those of cmd/exit.def.
 */
#ifndef CMD_NPU_CLI_H
#define CMD_NPU_CLI_H

#include <stdio.h>

#include <sotto.h>

#include "exit.h"

/* argv[0] is the command's name. Returns an exit status; prints its own errors. --help never comes here. */
int npu_cmd_asm(int argc, char **argv);
int npu_cmd_link(int argc, char **argv);
int npu_cmd_objdump(int argc, char **argv);
int npu_cmd_sched(int argc, char **argv);
int npu_cmd_check(int argc, char **argv);
int npu_cmd_run_core(int argc, char **argv);
int npu_cmd_bench_core(int argc, char **argv);
int npu_cmd_bench_kernels(int argc, char **argv);
int npu_cmd_isa(int argc, char **argv);
int npu_cmd_info(int argc, char **argv);

/* Prints "sotto-npu: message" for a failure on files, with the line of the text it concerns if there is
 * one; returns the status: INPUT for what was read, OUTPUT for what could not be written, INTERNAL. */
int npu_cli_fail(const struct sotto_diag *diag);
/* "file:line:column: message" and the line with a mark under the column. */
void npu_cli_show(const struct sotto_diag *diag);
/* Prints a complaint about the arguments and where the help is; returns USAGE. */
int npu_cli_usage(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
