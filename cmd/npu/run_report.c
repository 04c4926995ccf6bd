/* What sotto-npu run-core tells of a run: figures, profile, trace. */
#include <stdlib.h>
#include <string.h>

#include "npu/emu/core.h"
#include "run_core.h"

static const char *const causes[] = {"bank conflicts", "memory", "locks", "streams", "cascade"};

static double share(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static uint64_t count_macs(const struct emu_core *core)
{
    struct emu_profile p;
    uint64_t macs = 0;
    for (unsigned i = 0; emu_core_profile(core, i, &p); i++)
        macs += p.count * p.macs;
    return macs;
}

void npu_print_stats(const struct emu_core *core, FILE *out)
{
    const struct emu_stats *s = emu_core_stats(core);
    uint64_t stalls = 0, macs = count_macs(core);
    for (unsigned i = 0; i < EMU_STALL_COUNT; i++)
        stalls += s->stalls[i];
    fprintf(out, "emulated cycles %12llu\n", (unsigned long long)s->cycles);
    fprintf(out, "bundles         %12llu\n", (unsigned long long)s->bundles);
    fprintf(out, "stall cycles    %12llu\n", (unsigned long long)stalls);
    for (unsigned i = 0; i < EMU_STALL_COUNT; i++) {
        if (s->stalls[i])
            fprintf(out, "  %-14s%12llu\n", causes[i], (unsigned long long)s->stalls[i]);
    }
    fprintf(out, "mac             %12llu  %5.1f %% of the cycles\n", (unsigned long long)macs,
            share(macs, s->cycles));
}

/* ---- profile ---- */

struct line {
    const char *name;
    uint64_t cycles, stalls, macs;
};

static int by_cycles(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    return x->cycles < y->cycles ? 1 : x->cycles > y->cycles ? -1 : 0;
}

static int by_name(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* One line per bundle becomes one per symbol. */
static unsigned merge(struct line *lines, unsigned n)
{
    unsigned kept = 0;
    qsort(lines, n, sizeof *lines, by_name);
    for (unsigned i = 0; i < n; i++) {
        if (kept && strcmp(lines[kept - 1].name, lines[i].name) == 0) {
            lines[kept - 1].cycles += lines[i].cycles;
            lines[kept - 1].stalls += lines[i].stalls;
            lines[kept - 1].macs += lines[i].macs;
        } else {
            lines[kept++] = lines[i];
        }
    }
    qsort(lines, kept, sizeof *lines, by_cycles);
    return kept;
}

static int by_address(const void *a, const void *b)
{
    const struct emu_profile *x = a, *y = b;
    return x->address < y->address ? -1 : x->address > y->address;
}

/* Runs of bundles issued equally often, more than once: what went round in loops. */
static void print_loops(struct emu_profile *bundles, unsigned n, const struct npu_image *image,
                        uint64_t cycles, FILE *out)
{
    qsort(bundles, n, sizeof *bundles, by_address);
    fprintf(out, "\nloops: from, to                     times  bundles   stalls     share   mac\n");
    for (unsigned i = 0, end; i < n; i = end) {
        uint64_t stalls = 0, macs = 0;
        for (end = i; end < n && bundles[end].count == bundles[i].count &&
                      (end == i || bundles[end].address == bundles[end - 1].next);
             end++) {
            stalls += bundles[end].stalls;
            macs += bundles[end].macs;
        }
        uint64_t spent = bundles[i].count * (end - i) + stalls;
        if (bundles[i].count < 2 || spent * 200 < cycles)
            continue;
        const struct npu_symbol *s = npu_image_symbol_at(image, bundles[i].address, NULL);
        fprintf(out, "  %-14.14s 0x%05x 0x%05x %10llu %8u %8llu %7.1f %% %4.0f %%\n",
                s ? s->name : "?", bundles[i].address, bundles[end - 1].address,
                (unsigned long long)bundles[i].count, end - i, (unsigned long long)stalls,
                share(spent, cycles), share(macs * bundles[i].count, spent));
    }
}

void npu_print_profile(const struct emu_core *core, const struct npu_image *image, FILE *out)
{
    unsigned n = 0;
    struct emu_profile p;
    while (emu_core_profile(core, n, &p))
        n++;
    struct line *lines = calloc(n + 1, sizeof *lines);
    struct emu_profile *bundles = calloc(n + 1, sizeof *bundles);
    uint64_t cycles = emu_core_stats(core)->cycles;
    for (unsigned i = 0; lines && bundles && emu_core_profile(core, i, &p); i++) {
        const struct npu_symbol *s = npu_image_symbol_at(image, p.address, NULL);
        lines[i] = (struct line){s ? s->name : "?", p.count + p.stalls, p.stalls, p.count * p.macs};
        bundles[i] = p;
    }
    if (lines && bundles) {
        unsigned symbols = merge(lines, n);
        fprintf(out, "\nemulated cycles by symbol      cycles   share    stalls   mac\n");
        for (unsigned i = 0; i < symbols && lines[i].cycles; i++)
            fprintf(out, "  %-24.24s %10llu %5.1f %% %9llu %4.0f %%\n", lines[i].name,
                    (unsigned long long)lines[i].cycles, share(lines[i].cycles, cycles),
                    (unsigned long long)lines[i].stalls, share(lines[i].macs, lines[i].cycles));
        print_loops(bundles, n, image, cycles, out);
    }
    free(lines);
    free(bundles);
}

/* ---- trace ---- */

enum track { TRACK_FUNCTION = 1, TRACK_LOOP, TRACK_STALL };

struct span {
    const char *name; // NULL: nothing is open
    uint64_t since;
};

static void string(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        if ((unsigned char)*text >= ' ')
            fputc(*text, out);
    }
    fputc('"', out);
}

/* Ends the span that is open on a track, if another begins. */
static void change(FILE *out, enum track track, struct span *span, const char *name, uint64_t now)
{
    if (span->name == name)
        return;
    if (span->name) {
        fputs(",\n{\"name\": ", out);
        string(out, span->name);
        fprintf(out, ", \"ph\": \"X\", \"ts\": %llu, \"dur\": %llu, \"pid\": 1, \"tid\": %d}",
                (unsigned long long)span->since, (unsigned long long)(now - span->since), track);
    }
    span->name = name;
    span->since = now;
}

static void begin(FILE *out)
{
    static const char *const names[] = {"functions", "hardware loops", "stalls"};
    fputs("{\"displayTimeUnit\": \"ns\", \"traceEvents\": [\n"
          "{\"name\": \"process_name\", \"ph\": \"M\", \"pid\": 1, "
          "\"args\": {\"name\": \"AIE2 core, emulated; 1 us is 1 cycle\"}}",
          out);
    for (int i = 0; i < 3; i++)
        fprintf(out,
                ",\n{\"name\": \"thread_name\", \"ph\": \"M\", \"pid\": 1, \"tid\": %d, \"args\": "
                "{\"name\": \"%s\"}}",
                i + 1, names[i]);
}

/* The name of the hardware loop an address is in, while it goes round. */
static const char *loop_at(const struct emu_core *core, uint32_t pc)
{
    uint32_t first = 0, last = 0, count = 0;
    emu_core_get(core, ISA_REG_ls, &first);
    emu_core_get(core, ISA_REG_le, &last);
    emu_core_get(core, ISA_REG_lc, &count);
    return count && pc >= first && pc <= last ? "loop" : NULL;
}

enum emu_state npu_run_traced(struct emu_core *core, const struct npu_image *image, uint64_t cycles,
                              FILE *out)
{
    struct span function = {0}, loop = {0}, stall = {0};
    const struct emu_stats *stats = emu_core_stats(core);
    uint64_t end = stats->cycles + cycles;
    begin(out);
    while (emu_core_state(core) == EMU_RUNNING && stats->cycles < end) {
        uint32_t pc = emu_core_pc(core);
        uint64_t now = stats->cycles;
        const struct npu_symbol *s = npu_image_symbol_at(image, pc, NULL);
        change(out, TRACK_FUNCTION, &function, s ? s->name : "?", now);
        change(out, TRACK_LOOP, &loop, loop_at(core, pc), now);
        emu_core_step(core, false);
        int cause = emu_core_stalled(core);
        change(out, TRACK_STALL, &stall, cause < 0 ? NULL : causes[cause], now);
        if (stats->cycles == now)
            break; // a fault: no cycle has passed
    }
    change(out, TRACK_FUNCTION, &function, NULL, stats->cycles);
    change(out, TRACK_LOOP, &loop, NULL, stats->cycles);
    change(out, TRACK_STALL, &stall, NULL, stats->cycles);
    fputs("\n]}\n", out);
    return emu_core_state(core);
}
