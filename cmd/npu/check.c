/* sotto-npu check: the core's rules on any code, and the source's meaning on scheduled code. */
#include <getopt.h>
#include <string.h>

#include "cli.h"
#include "npu/asm/asm.h"
#include "npu/sched/check.h"
#include "npu/sched/flow.h"

struct request {
    const char *input, *source;
    bool notes;
};

static void show_error(void *user, const struct sotto_diag *error)
{
    ++*(unsigned *)user;
    npu_cli_show(error);
}

static void show_fault(void *user, const struct check_fault *f)
{
    (void)user;
    printf("%s:%d: %s: %s\n", f->file ? f->file : "?", f->line, f->note ? "note" : "fault",
           f->text);
    printf("    rule %s; bundle at 0x%x", check_rule_name(f->rule), f->address);
    if (f->other_address != f->address) {
        printf(", with the one at 0x%x (line %d)", f->other_address, f->other_line);
    }
    printf("\n");
}

static bool is_elf(const char *path)
{
    char magic[4] = {0};
    FILE *f = fopen(path, "rb");
    bool elf = f && fread(magic, 1, 4, f) == 4 && memcmp(magic, "\177ELF", 4) == 0;
    if (f) {
        fclose(f);
    }
    return elf;
}

static int read_options(int argc, char **argv, struct request *r)
{
    static const struct option options[] = {
        {"notes", no_argument, NULL, 'n'}, {"source", required_argument, NULL, 's'}, {0}};
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c != 'n' && c != 's') {
            return npu_cli_usage("check", "bad option '%s'", argv[optind - 1]);
        }
        r->notes |= c == 'n';
        r->source = c == 's' ? optarg : r->source;
    }
    if (argc - optind != 1) {
        return npu_cli_usage("check", "one file is needed, not %d", argc - optind);
    }
    r->input = argv[optind];
    return CLI_EXIT_OK;
}

/* Every function of the source against the code of that name. */
static int compare(const struct npu_image *image, const char *source)
{
    struct sotto_diag diag = {0};
    struct lin_file *file;
    if (lin_open(&file, source, &diag)) {
        return npu_cli_fail(&diag);
    }
    int status = CLI_EXIT_OK;
    for (unsigned i = 0; i < file->n_funcs && status != CLI_EXIT_INPUT; i++) {
        struct arena arena = {0};
        struct code code;
        int err = check_function_code(image, file->funcs[i]->name, &code, &arena, &diag);
        if (err) {
            status = npu_cli_fail(&diag);
        } else if (flow_compare(file, file->funcs[i], &code, &diag)) {
            npu_cli_show(&diag);
            status = CLI_EXIT_SOME;
        } else {
            printf("%s: computes what %s says\n", file->funcs[i]->name, source);
        }
        arena_free(&arena);
    }
    lin_close(&file);
    return status;
}

int npu_cmd_check(int argc, char **argv)
{
    struct request r = {0};
    struct sotto_diag diag = {0};
    struct npu_image *image = NULL;
    unsigned n_errors = 0;
    const struct asm_options options = {&n_errors, show_error};
    int status = read_options(argc, argv, &r);
    if (status) {
        return status;
    }
    int err = is_elf(r.input) ? npu_image_open(&image, r.input, &diag)
                              : asm_file(&image, r.input, &options, &diag);
    if (err) {
        return n_errors ? CLI_EXIT_INPUT : npu_cli_fail(&diag);
    }
    int faults = check_image(image, r.notes, show_fault, NULL);
    if (faults < 0) {
        fprintf(stderr, "sotto-npu: out of memory\n");
        status = CLI_EXIT_INTERNAL;
    } else {
        printf("%s: %d fault%s\n", r.input, faults, faults == 1 ? "" : "s");
        status = faults ? CLI_EXIT_SOME : CLI_EXIT_OK;
    }
    if (r.source && status != CLI_EXIT_INTERNAL) {
        int compared = compare(image, r.source);
        status = compared ? compared : status;
    }
    npu_image_close(&image);
    return status;
}
