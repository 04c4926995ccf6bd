/*
 * The program sotto: which command was meant. Each command is in a file of its own; without a
 * command the arguments are those of `transcribe`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/log.h>

#include "commands.h"
#include "exit.h"
#include "help.h"

static int cmd_help(int argc, char **argv)
{
    static const struct {
        const char *topic;
        void (*print)(FILE *out);
    } topics[] = {
        {"transcribe", help_transcribe}, {"exit", help_exit}, {"languages", help_languages},
        {"language", help_languages},    {"man", help_man},   {"version", help_version},
        {"others", help_foreign},
    };
    if (argc < 2) {
        help_short(stdout);
        return CLI_EXIT_OK;
    }
    if (strcmp(argv[1], "model") == 0 || strcmp(argv[1], "bench") == 0) {
        char *help_argv[] = {argv[1], "--help", NULL};
        return argv[1][0] == 'm' ? cmd_model(2, help_argv) : cmd_bench(2, help_argv);
    }
    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
        if (strcmp(argv[1], topics[i].topic) == 0) {
            topics[i].print(stdout);
            return CLI_EXIT_OK;
        }
    }
    fprintf(stderr,
            "sotto: no help on '%s'; there is: transcribe, model, bench, languages, others, exit\n",
            argv[1]);
    return CLI_EXIT_USAGE;
}

static int cmd_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    help_version(stdout);
    return CLI_EXIT_OK;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv); // argv[0] is the command's name; returns an exit status
} commands[] = {
    {"transcribe", cmd_transcribe}, {"model", cmd_model}, {"bench", cmd_bench}, {"help", cmd_help},
    {"version", cmd_version},
};

/* What was printed may still sit in the buffer: a full disk shows only now. */
static int finish_stdout(int status)
{
    if ((fflush(stdout) == EOF || ferror(stdout)) && status == CLI_EXIT_OK) {
        perror("sotto: standard output");
        return CLI_EXIT_OUTPUT;
    }
    return status;
}

int main(int argc, char **argv)
{
    av_log_set_level(AV_LOG_QUIET); // our own words for damaged files; see src/audio/audio.c
    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return finish_stdout(commands[i].run(argc - 1, argv + 1));
    return finish_stdout(cmd_transcribe(argc, argv));
}
