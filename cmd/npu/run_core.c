/* sotto-npu run-core: runs one core image, or one function of it, in the emulator. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli.h"
#include "npu/emu/image.h"
#include "run_core.h"

enum { LIST_MAX = 64 };

struct request {
    const char *image, *entry, *trace;
    uint64_t cycles;
    bool profile;
    struct {
        int reg;
        uint64_t value;
    } sets[LIST_MAX];
    struct map {
        uint32_t address, size; // size: of dumps; of maps once read
        const char *file;
    } maps[LIST_MAX], dumps[LIST_MAX];
    unsigned n_sets, n_maps, n_dumps;
};

static bool read_number(const char *text, const char *ends, uint64_t *value, char **end)
{
    errno = 0;
    *value = strtoull(text, end, 0);
    return *end != text && strchr(ends, **end) && !errno;
}

/* REG=VALUE, pairs as r17:r16. */
static bool read_set(char *text, struct request *r)
{
    char *equals = strchr(text, '=');
    if (!equals || r->n_sets == LIST_MAX)
        return false;
    int reg = isa_reg_parse(text, (size_t)(equals - text));
    unsigned bits = reg ? isa_reg((unsigned)reg)->bits : 0;
    char *end;
    r->sets[r->n_sets].reg = reg;
    return bits && bits <= 64 && read_number(equals + 1, "", &r->sets[r->n_sets++].value, &end);
}

/* ADDRESS=FILE or, with sizes, ADDRESS,SIZE=FILE. */
static bool read_map(const char *text, bool sized, struct map *m)
{
    uint64_t address, size = 0;
    char *end;
    if (!read_number(text, sized ? "," : "=", &address, &end) || address >= NPU_DATA_END)
        return false;
    if (sized && (!read_number(end + 1, "=", &size, &end) || !size || size > EMU_MEMORY_BYTES))
        return false;
    *m = (struct map){(uint32_t)address, (uint32_t)size, end + 1};
    return *m->file;
}

static bool read_option(int c, struct request *r)
{
    char *end;
    switch (c) {
    case 'e':
        r->entry = optarg;
        return true;
    case 's':
        return read_set(optarg, r);
    case 'm':
        return r->n_maps < LIST_MAX && read_map(optarg, false, &r->maps[r->n_maps++]);
    case 'd':
        return r->n_dumps < LIST_MAX && read_map(optarg, true, &r->dumps[r->n_dumps++]);
    case 't':
        r->trace = optarg;
        return true;
    case 'c':
        return read_number(optarg, "", &r->cycles, &end) && r->cycles;
    default:
        r->profile = true;
        return true;
    }
}

static int read_options(int argc, char **argv, struct request *r)
{
    static const struct option options[] = {
        {"entry", required_argument, NULL, 'e'}, {"set", required_argument, NULL, 's'},
        {"mem", required_argument, NULL, 'm'},   {"dump", required_argument, NULL, 'd'},
        {"trace", required_argument, NULL, 't'}, {"cycles", required_argument, NULL, 'c'},
        {"profile", no_argument, NULL, 'p'},     {0}};
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == '?')
            return npu_cli_usage("run-core", "bad option '%s'", argv[optind - 1]);
        if (!read_option(c, r))
            return npu_cli_usage("run-core", "bad value '%s'", optarg);
    }
    if (argc != optind + 1)
        return npu_cli_usage("run-core", "one image is needed");
    r->image = argv[optind];
    return CLI_EXIT_OK;
}

/* ---- memory from and to files ---- */

static bool overlap(const struct map *a, const struct map *b)
{
    return a->address < b->address + b->size && b->address < a->address + a->size;
}

static int load_map(struct emu_core *core, struct request *r, unsigned i, struct sotto_diag *diag)
{
    static uint8_t bytes[EMU_MEMORY_BYTES + 1];
    struct map *m = &r->maps[i];
    FILE *f = fopen(m->file, "rb");
    if (!f)
        return diag_errno(diag, errno, m->file, "open");
    size_t n = fread(bytes, 1, sizeof bytes, f);
    int err = ferror(f) ? diag_errno(diag, errno, m->file, "read") : SOTTO_OK;
    fclose(f);
    if (err)
        return err;
    if (!n || n > EMU_MEMORY_BYTES)
        return diag_set(diag, SOTTO_EINVAL, m->file,
                        n ? "%s: more than 64 KiB" : "%s: an empty memory map", m->file);
    m->size = (uint32_t)n;
    for (unsigned k = 0; k < i; k++) {
        if (overlap(m, &r->maps[k]))
            return diag_set(diag, SOTTO_EINVAL, m->file, "%s overlaps %s in memory", m->file,
                            r->maps[k].file);
    }
    struct sotto_diag why = {0};
    err = emu_core_load(core, m->address, bytes, n, &why);
    return err ? diag_set(diag, err, m->file, "%s: %s", m->file, why.text) : SOTTO_OK;
}

static const uint8_t *dumped(struct emu_core *core, const struct map *m)
{
    uint32_t offset = m->address & 0xffff, quadrant = (m->address >> 16) - 4;
    const uint8_t *memory = quadrant < EMU_QUADRANTS ? emu_core_memory(core, quadrant) : NULL;
    return memory && m->size <= EMU_MEMORY_BYTES - offset ? memory + offset : NULL;
}

static int write_dump(struct emu_core *core, const struct map *m, struct sotto_diag *diag)
{
    FILE *f = fopen(m->file, "wb");
    bool ok = f && fwrite(dumped(core, m), 1, m->size, f) == m->size;
    int err = errno;
    if (f && fclose(f) != 0)
        ok = false;
    return ok ? SOTTO_OK : diag_errno(diag, err, m->file, "write");
}

/* ---- the run ---- */

static int prepare(struct emu_core *core, const struct npu_image *image, struct request *r,
                   struct sotto_diag *diag)
{
    int err = emu_load_image(core, image, diag);
    for (unsigned i = 0; !err && i < r->n_maps; i++)
        err = load_map(core, r, i, diag);
    for (unsigned i = 0; !err && i < r->n_dumps; i++) {
        if (!dumped(core, &r->dumps[i]))
            err = diag_set(diag, SOTTO_EINVAL, r->dumps[i].file,
                           "no data memory for %u bytes at 0x%x", r->dumps[i].size,
                           r->dumps[i].address);
    }
    if (err)
        return err;
    if (r->entry) {
        const struct npu_symbol *symbol = npu_image_symbol(image, r->entry);
        if (!symbol)
            return diag_set(diag, SOTTO_EINVAL, r->image, "no symbol %s", r->entry);
        emu_core_call(core, symbol->value);
    }
    for (unsigned i = 0; i < r->n_sets; i++)
        emu_core_set(core, r->sets[i].reg, &r->sets[i].value);
    return SOTTO_OK;
}

static int run(struct emu_core *core, const struct npu_image *image, const struct request *r)
{
    if (!r->trace) {
        emu_core_run(core, r->cycles);
        return CLI_EXIT_OK;
    }
    FILE *out = fopen(r->trace, "w");
    bool ok = out;
    if (out) {
        npu_run_traced(core, image, r->cycles, out);
        ok = !ferror(out);
        ok = fclose(out) == 0 && ok;
    }
    if (ok)
        return CLI_EXIT_OK;
    fprintf(stderr, "sotto-npu: %s: cannot be written: %s\n", r->trace, strerror(errno));
    return CLI_EXIT_OUTPUT;
}

/* What the end of the run means. */
static int verdict(const struct emu_core *core, const struct npu_image *image,
                   const struct request *r)
{
    static const char *const waits[] = {"a memory bank", "memory", "a lock", "a stream",
                                        "the cascade"};
    char text[ISA_TEXT_MAX + 256];
    uint32_t offset = 0, pc = emu_core_pc(core);
    int stalled = emu_core_stalled(core);
    const struct npu_symbol *where;
    switch (emu_core_state(core)) {
    case EMU_DONE:
        printf("done (emulated)\n");
        return CLI_EXIT_OK;
    case EMU_RETURNED:
        printf("returned (emulated)\n");
        return CLI_EXIT_OK;
    case EMU_FAULTED:
        emu_core_fault_text(core, text, sizeof text);
        where = npu_image_symbol_at(image, emu_core_fault(core)->address, &offset);
        fprintf(stderr, "sotto-npu: %s: stopped %s", r->image, text);
        if (where)
            fprintf(stderr, ", %s + 0x%x", where->name, offset);
        fprintf(stderr, "\n");
        return CLI_EXIT_INPUT;
    default:
        where = npu_image_symbol_at(image, pc, &offset);
        fprintf(stderr, "sotto-npu: %s: still running after %llu cycles, at 0x%05x", r->image,
                (unsigned long long)r->cycles, pc);
        if (where)
            fprintf(stderr, " (%s + 0x%x)", where->name, offset);
        fprintf(stderr, "%s%s\n", stalled >= 0 ? ", waiting for " : "",
                stalled >= 0 ? waits[stalled] : "");
        return CLI_EXIT_INPUT;
    }
}

static int run_image(const struct npu_image *image, struct request *r)
{
    struct sotto_diag diag = {0};
    struct emu_core *core = NULL;
    int err = emu_core_open(&core, NULL, NULL, &diag);
    if (!err)
        err = prepare(core, image, r, &diag);
    int status = err ? npu_cli_fail(&diag) : run(core, image, r);
    if (!status) {
        status = verdict(core, image, r);
        npu_print_stats(core, stdout);
        if (r->profile)
            npu_print_profile(core, image, stdout);
        for (unsigned i = 0; i < r->n_dumps; i++) {
            if (write_dump(core, &r->dumps[i], &diag)) {
                npu_cli_show(&diag);
                status = CLI_EXIT_OUTPUT;
            }
        }
    }
    emu_core_close(&core);
    return status;
}

int npu_cmd_run_core(int argc, char **argv)
{
    struct request r = {.cycles = 100000000};
    struct sotto_diag diag = {0};
    struct npu_image *image;
    int status = read_options(argc, argv, &r);
    if (status)
        return status;
    if (npu_image_open(&image, r.image, &diag))
        return npu_cli_fail(&diag);
    status = run_image(image, &r);
    npu_image_close(&image);
    return status;
}
