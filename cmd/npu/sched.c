/* sotto-npu sched: linear assembly to scheduled assembly. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "cli.h"
#include "npu/sched/sched.h"

struct request {
    const char *input, *output;
    bool report;
    struct sched_options sched;
};

static int read_options(int argc, char **argv, struct request *r)
{
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {"report", no_argument, NULL, 'r'},
                                            {"unscheduled", no_argument, NULL, 'u'},
                                            {"unchecked", no_argument, NULL, 'U'},
                                            {0}};
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "o:", options, NULL)) != -1) {
        switch (c) {
        case 'o':
            r->output = optarg;
            break;
        case 'r':
            r->report = true;
            break;
        case 'u':
            r->sched.unscheduled = true;
            break;
        case 'U':
            r->sched.unchecked = true;
            break;
        default:
            return npu_cli_usage("sched", "'%s' is no option or lacks its value", argv[optind - 1]);
        }
    }
    if (argc - optind != 1) {
        return npu_cli_usage("sched", argc == optind ? "no file named" : "one file at a time");
    }
    r->input = argv[optind];
    return CLI_EXIT_OK;
}

static int write_text(const struct request *r, const struct sched_result *result)
{
    struct sotto_diag diag = {0};
    FILE *f = r->output ? fopen(r->output, "wb") : stdout;
    bool ok = f && fwrite(result->text, 1, result->text_size, f) == result->text_size;
    ok = f && (r->output ? fclose(f) : fflush(f)) == 0 && ok;
    if (!ok) {
        diag_errno(&diag, errno, r->output ? r->output : "standard output", "write");
        npu_cli_fail(&diag);
        return CLI_EXIT_OUTPUT;
    }
    return CLI_EXIT_OK;
}

/* The report goes to standard output, unless the assembly goes there. */
static int print_report(const struct request *r, const struct sched_result *result)
{
    char *text = sched_report(result);
    if (!text) {
        fprintf(stderr, "sotto-npu: out of memory\n");
        return CLI_EXIT_INTERNAL;
    }
    fputs(text, r->output ? stdout : stderr);
    mem_free(text);
    return CLI_EXIT_OK;
}

int npu_cmd_sched(int argc, char **argv)
{
    struct request r = {0};
    struct sotto_diag diag = {0};
    struct lin_file *file = NULL;
    struct sched_result *result = NULL;
    int status = read_options(argc, argv, &r);
    if (status) {
        return status;
    }
    int err = lin_open(&file, r.input, &diag);
    err = err ? err : sched_file(&result, file, &r.sched, &diag);
    status = err ? npu_cli_fail(&diag) : write_text(&r, result);
    if (!status && r.report) {
        status = print_report(&r, result);
    }
    sched_close(&result);
    lin_close(&file);
    return status;
}
