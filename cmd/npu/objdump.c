/* sotto-npu objdump: an object or image as assembly text. */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "base/mem.h"
#include "cli.h"
#include "npu/asm/dump.h"

static int write_text(const char *path, const char *text, size_t length)
{
    FILE *f = path ? fopen(path, "w") : stdout;
    bool ok = f && fwrite(text, 1, length, f) == length;
    ok = f && (path ? fclose(f) == 0 : 1) && ok;
    if (!ok) {
        fprintf(stderr, "sotto-npu: cannot write %s: %s\n", path ? path : "standard output",
                strerror(errno));
    }
    return ok ? CLI_EXIT_OK : CLI_EXIT_OUTPUT;
}

static int dump(const char *input, const char *output, const struct dump_options *options)
{
    struct sotto_diag diag = {0};
    struct npu_image *image;
    char *text;
    size_t length;
    if (npu_image_open(&image, input, &diag)) {
        return npu_cli_fail(&diag);
    }
    int err = dump_text(image, options, &text, &length, NULL, &diag);
    npu_image_close(&image);
    if (err) {
        return npu_cli_fail(&diag);
    }
    int status = write_text(output, text, length);
    mem_free(text);
    return status;
}

int npu_cmd_objdump(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"output", required_argument, NULL, 'o'}, {"lines", no_argument, NULL, 'l'}, {0}};
    struct dump_options options = {0};
    const char *output = NULL;
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "o:", long_options, NULL)) != -1) {
        if (c == 'o') {
            output = optarg;
        } else if (c == 'l') {
            options.lines = true;
        } else {
            return npu_cli_usage("objdump", "bad option '%s'", argv[optind - 1]);
        }
    }
    if (argc - optind != 1) {
        return npu_cli_usage("objdump", "one input file is needed, not %d", argc - optind);
    }
    return dump(argv[optind], output, &options);
}
