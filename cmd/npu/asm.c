/* sotto-npu asm: one file of assembly text to an object. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "npu/asm/asm.h"

static void show(void *user, const struct sotto_diag *error)
{
    ++*(unsigned *)user;
    npu_cli_show(error);
}

/* IN.s -> IN.o; malloc. */
static char *default_output(const char *input)
{
    const char *name = strrchr(input, '/'), *dot = strrchr(name ? name : input, '.');
    size_t stem = dot && dot != (name ? name + 1 : input) ? (size_t)(dot - input) : strlen(input);
    char *path = malloc(stem + 3);
    if (path) {
        memcpy(path, input, stem);
        memcpy(path + stem, ".o", 3);
    }
    return path;
}

static int assemble(const char *input, const char *output)
{
    struct sotto_diag diag = {0};
    struct npu_image *image = NULL;
    unsigned n_errors = 0;
    const struct asm_options options = {&n_errors, show};
    int err = asm_file(&image, input, &options, &diag);
    if (err) {
        if (n_errors > 1) {
            fprintf(stderr, "%s: %u errors\n", input, n_errors);
        }
        return n_errors ? CLI_EXIT_INPUT : npu_cli_fail(&diag);
    }
    err = npu_image_save(image, output, &diag);
    npu_image_close(&image);
    if (err) {
        npu_cli_show(&diag);
        return CLI_EXIT_OUTPUT;
    }
    return CLI_EXIT_OK;
}

int npu_cmd_asm(int argc, char **argv)
{
    static const struct option options[] = {{"output", required_argument, NULL, 'o'}, {0}};
    const char *output = NULL;
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "o:", options, NULL)) != -1) {
        if (c != 'o') {
            return npu_cli_usage("asm", "bad option '%s'", argv[optind - 1]);
        }
        output = optarg;
    }
    if (argc - optind != 1) {
        return npu_cli_usage("asm", "one input file is needed, not %d", argc - optind);
    }
    char *made = output ? NULL : default_output(argv[optind]);
    int status =
        output || made ? assemble(argv[optind], output ? output : made) : CLI_EXIT_INTERNAL;
    free(made);
    return status;
}
