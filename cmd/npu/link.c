/* sotto-npu link: objects to one core image. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli.h"
#include "npu/asm/link.h"

enum { NAMES_MAX = 64 };

struct request {
    struct link_options link;
    struct link_name places[NAMES_MAX], defines[NAMES_MAX];
    const char *output;
    bool map;
    unsigned n_errors;
};

static void show(void *user, const struct sotto_diag *error)
{
    ++*(unsigned *)user;
    npu_cli_show(error);
}

static bool read_number(const char *text, uint32_t *value)
{
    char *end;
    errno = 0;
    unsigned long v = strtoul(text, &end, 0);
    *value = (uint32_t)v;
    return *text >= '0' && *text <= '9' && !*end && !errno && v <= UINT32_MAX;
}

/* NAME=NUMBER; cuts the argument in two. */
static bool read_pair(char *text, struct link_name *list, unsigned *n)
{
    char *equals = strrchr(text, '=');
    if (!equals || equals == text || *n == NAMES_MAX || !read_number(equals + 1, &list[*n].value)) {
        return false;
    }
    *equals = 0;
    list[(*n)++].name = text;
    return true;
}

static int read_options(int argc, char **argv, struct request *r)
{
    static const struct option options[] = {
        {"output", required_argument, NULL, 'o'}, {"entry", required_argument, NULL, 'e'},
        {"stack", required_argument, NULL, 's'},  {"data", required_argument, NULL, 'd'},
        {"place", required_argument, NULL, 'p'},  {"define", required_argument, NULL, 'D'},
        {"map", no_argument, NULL, 'm'},          {0}};
    bool ok = true;
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "o:e:", options, NULL)) != -1) {
        switch (c) {
        case 'o':
            r->output = optarg;
            break;
        case 'e':
            r->link.entry = optarg;
            break;
        case 's':
            ok = read_number(optarg, &r->link.stack);
            break;
        case 'd':
            ok = read_number(optarg, &r->link.data) && r->link.data;
            break;
        case 'p':
            ok = read_pair(optarg, r->places, &r->link.n_places);
            break;
        case 'D':
            ok = read_pair(optarg, r->defines, &r->link.n_defines);
            break;
        case 'm':
            r->map = true;
            break;
        default:
            return npu_cli_usage("link", "bad option '%s'", argv[optind - 1]);
        }
        if (!ok) {
            return npu_cli_usage("link", "bad value '%s'", optarg);
        }
    }
    if (!r->output) {
        return npu_cli_usage("link", "-o OUT.elf is needed");
    }
    return argc > optind ? CLI_EXIT_OK : npu_cli_usage("link", "no object is named");
}

static int print_map(const struct npu_image *image)
{
    struct sotto_diag diag = {0};
    char *text;
    if (link_map(image, &text, &diag)) {
        return npu_cli_fail(&diag);
    }
    fputs(text, stdout);
    mem_free(text);
    return CLI_EXIT_OK;
}

static int link_all(const struct npu_image *const *objects, unsigned n, struct request *r)
{
    struct sotto_diag diag = {0};
    struct npu_image *image;
    if (link_objects(&image, objects, n, r->output, &r->link, &diag)) {
        return r->n_errors ? CLI_EXIT_INPUT : npu_cli_fail(&diag);
    }
    int status = CLI_EXIT_OK;
    if (npu_image_save(image, r->output, &diag)) {
        npu_cli_show(&diag);
        status = CLI_EXIT_OUTPUT;
    } else if (r->map) {
        status = print_map(image);
    }
    npu_image_close(&image);
    return status;
}

int npu_cmd_link(int argc, char **argv)
{
    struct request r = {0};
    struct sotto_diag diag = {0};
    link_options_init(&r.link);
    r.link.places = r.places;
    r.link.defines = r.defines;
    r.link.user = &r.n_errors;
    r.link.on_error = show;
    int status = read_options(argc, argv, &r);
    if (status) {
        return status;
    }
    unsigned n = (unsigned)(argc - optind);
    struct npu_image **objects = calloc(n, sizeof *objects);
    for (unsigned i = 0; objects && i < n && !status; i++) {
        if (npu_image_open(&objects[i], argv[optind + (int)i], &diag)) {
            status = npu_cli_fail(&diag);
        }
    }
    if (objects && !status) {
        status = link_all((const struct npu_image *const *)objects, n, &r);
    }
    for (unsigned i = 0; objects && i < n; i++) {
        npu_image_close(&objects[i]);
    }
    free(objects);
    return objects ? status : CLI_EXIT_INTERNAL;
}
