/* How sotto-npu speaks of errors. */
#include "cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Prints line `number` of a file and a mark under a column; nothing if it cannot be read. */
static void show_line(const char *file, int number, int column)
{
    FILE *f = fopen(file, "r");
    char *line = NULL;
    size_t size = 0;
    ssize_t n = -1;
    for (int i = 0; f && i < number; i++) {
        n = getline(&line, &size, f);
        if (n < 0) {
            break;
        }
    }
    if (n >= 0) {
        line[strcspn(line, "\r\n")] = 0;
        fprintf(stderr, "    %s\n", line);
        if (column > 0 && (size_t)column <= strlen(line) + 1) {
            fputs("    ", stderr);
            for (int i = 0; i + 1 < column; i++) {
                fputc(line[i] == '\t' ? '\t' : ' ', stderr);
            }
            fputs("^\n", stderr);
        }
    }
    free(line);
    if (f) {
        fclose(f);
    }
}

void npu_cli_show(const struct sotto_diag *diag)
{
    if (diag->line > 0) {
        fprintf(stderr, "%s:%d:", diag->file, diag->line);
        if (diag->column > 0) {
            fprintf(stderr, "%d:", diag->column);
        }
        fprintf(stderr, " %s\n", diag->text);
        show_line(diag->file, diag->line, diag->column);
    } else if (diag->file[0] && !strstr(diag->text, diag->file)) {
        fprintf(stderr, "%s: %s\n", diag->file, diag->text);
    } else {
        fprintf(stderr, "sotto-npu: %s\n", diag->text);
    }
}

int npu_cli_fail(const struct sotto_diag *diag)
{
    npu_cli_show(diag);
    switch (diag->code) {
    case SOTTO_ENOMEM:
    case SOTTO_EINTERNAL:
    case SOTTO_EDEVICE:
        return CLI_EXIT_INTERNAL;
    case SOTTO_ENOSPACE:
        return CLI_EXIT_OUTPUT;
    default:
        return CLI_EXIT_INPUT;
    }
}

int npu_cli_usage(const char *command, const char *fmt, ...)
{
    va_list args;
    fprintf(stderr, "sotto-npu %s: ", command);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "; see sotto-npu %s --help\n", command);
    return CLI_EXIT_USAGE;
}
