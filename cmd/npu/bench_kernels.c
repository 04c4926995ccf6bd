/* sotto-npu bench-kernels: every kernel in the core emulator, against its C model, with cycles and errors. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "npu/kernels/kernels.h"

enum { PATH_BYTES = 4096, SEEDS = 4, PHASES = 4 };

struct request {
    char image[PATH_BYTES];
    const char *captures; // folder
    bool json;
};

/* What was found out about one kernel. */
struct figures {
    const struct kernel *kernel;
    unsigned bytes;
    unsigned checked[KERNEL_INPUTS], wrong; // runs compared with the model; runs that differ
    unsigned long cycles[KERNEL_ARBITERS][2], worst; // by slot
    double error;
};

static const char *const arbiters[] = {"alone", "core first", "round robin", "DMA first"};

/* The image that make puts beside the program. */
static void default_image(char dst[PATH_BYTES])
{
    ssize_t n = readlink("/proc/self/exe", dst, PATH_BYTES - 32);
    char *slash = n > 0 ? (dst[n] = '\0', strrchr(dst, '/')) : NULL;
    strcpy(slash ? slash + 1 : dst, "npu/kernels.elf");
}

static int read_options(int argc, char **argv, struct request *r)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"captures", required_argument, NULL, 'c'}, {0}};
    int c;
    opterr = 0;
    default_image(r->image);
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c != 'j' && c != 'c') {
            return npu_cli_usage("bench-kernels", "bad option '%s'", argv[optind - 1]);
        }
        r->json |= c == 'j';
        r->captures = c == 'c' ? optarg : r->captures;
    }
    if (argc - optind > 1) {
        return npu_cli_usage("bench-kernels", "one image at a time");
    }
    if (argc > optind) {
        if (strlen(argv[optind]) >= sizeof r->image) {
            return npu_cli_usage("bench-kernels", "the image's name is too long");
        }
        strcpy(r->image, argv[optind]);
    }
    return CLI_EXIT_OK;
}

/* One call, compared byte by byte with the model. */
static int run_once(struct figures *f, const struct npu_image *image, enum kernel_input input,
                    unsigned seed, unsigned slot, enum kernel_arbiter arbiter,
                    const struct kernel_captures *captures, struct sotto_diag *diag)
{
    static uint8_t before[EMU_MEMORY_BYTES] __attribute__((aligned(64)));
    static uint8_t after[EMU_MEMORY_BYTES] __attribute__((aligned(64)));
    static uint8_t expected[EMU_MEMORY_BYTES] __attribute__((aligned(64)));
    struct kernel_call call;
    struct emu_stats stats;
    kernel_prepare(f->kernel, before, &call, input, seed, slot, captures);
    call.phase = seed % PHASES;
    memcpy(after, before, sizeof after);
    memcpy(expected, before, sizeof expected);
    kernel_model(f->kernel, expected, &call);
    int err = kernel_run(f->kernel, image, after, &call, arbiter, &stats, diag);
    if (err) {
        return err;
    }
    f->wrong += memcmp(after, expected, sizeof after) != 0;
    f->checked[input]++;
    unsigned long cycles = (unsigned long)stats.cycles;
    if (cycles > f->cycles[arbiter][slot]) {
        f->cycles[arbiter][slot] = cycles;
    }
    f->worst = cycles > f->worst ? cycles : f->worst;
    if (input == KERNEL_RANDOM) {
        f->error = fmax(f->error, f->kernel->error(before, after, &call));
    }
    return SOTTO_OK;
}

static int measure(struct figures *f, const struct npu_image *image,
                   const struct kernel_captures *captures, struct sotto_diag *diag)
{
    const struct npu_symbol *symbol = npu_image_symbol(image, f->kernel->name);
    int err = SOTTO_OK;
    f->bytes = symbol ? symbol->size : 0;
    for (unsigned input = 0; !err && input < KERNEL_INPUTS; input++) {
        for (unsigned n = 0; !err && n < SEEDS && (input != KERNEL_CAPTURED || captures); n++) {
            err = run_once(f, image, input, 11 + n, n % 2, KERNEL_ALONE, captures, diag);
        }
    }
    for (unsigned a = KERNEL_CORE_FIRST; !err && f->kernel->macs && a < KERNEL_ARBITERS; a++) {
        for (unsigned i = 0; !err && i < 2 * PHASES; i++) {
            err = run_once(f, image, KERNEL_RANDOM, 20 + i / 2, i % 2, a, NULL, diag);
        }
    }
    return err;
}

static double cost(const struct figures *f, unsigned long cycles)
{
    return (double)cycles / (f->kernel->elements ? f->kernel->elements : 1);
}

static bool passes(const struct figures *f)
{
    return !f->wrong && cost(f, f->worst) <= f->kernel->must && f->error <= f->kernel->max_error;
}

static double mac_share(const struct figures *f, unsigned long cycles)
{
    return (double)f->kernel->macs / f->kernel->macs_per_cycle / (double)cycles;
}

/* ---- output ---- */

static void print_row(const struct figures *f)
{
    const struct kernel *k = f->kernel;
    unsigned long alone =
        f->cycles[KERNEL_ALONE][f->cycles[KERNEL_ALONE][1] > f->cycles[KERNEL_ALONE][0]];
    char rate[32], targets[32], error[48];
    if (k->macs) {
        snprintf(rate, sizeof rate, "%.1f %% MAC", mac_share(f, alone) * 100);
        snprintf(targets, sizeof targets, "%.0f / %.0f", k->must, k->aim);
    } else {
        snprintf(rate, sizeof rate, "%.3f c/el", cost(f, alone));
        snprintf(targets, sizeof targets, "%.2f / %.2f", k->must, k->aim);
    }
    snprintf(error, sizeof error, "%s %.2e", k->measure, f->error);
    printf("%-20s %-14s %7lu  %-11s %-12s %-19s %5u  %s\n", k->name, k->shape, alone, rate, targets,
           error, f->bytes,
           passes(f)  ? "ok"
           : f->wrong ? "DIFFERS"
                      : "MISSED");
}

static void print_dma(const struct figures *f, unsigned n)
{
    printf("\nWith the DMA filling the other slots at 4 bytes a cycle each, OUT leaving at 0.44;\n"
           "the worst of four phases:\n"
           "%-20s %-13s %8s %8s\n",
           "kernel", "bank goes to", "slot 0", "slot 1");
    for (unsigned i = 0; i < n; i++) {
        for (unsigned a = KERNEL_CORE_FIRST; f[i].kernel->macs && a < KERNEL_ARBITERS; a++) {
            printf("%-20s %-13s %8lu %8lu   %.1f, %.1f %% MAC\n", f[i].kernel->name, arbiters[a],
                   f[i].cycles[a][0], f[i].cycles[a][1], mac_share(&f[i], f[i].cycles[a][0]) * 100,
                   mac_share(&f[i], f[i].cycles[a][1]) * 100);
        }
    }
}

static void print_text(const struct figures *f, unsigned n, bool captured)
{
    unsigned bytes = 0, runs = 0, wrong = 0;
    printf("%-20s %-14s %7s  %-11s %-12s %-19s %5s\n", "kernel", "shape", "cycles", "rate",
           "must / aim", "error", "bytes");
    for (unsigned i = 0; i < n; i++) {
        print_row(&f[i]);
        bytes += f[i].bytes;
        wrong += f[i].wrong;
        for (unsigned input = 0; input < KERNEL_INPUTS; input++) {
            runs += f[i].checked[input];
        }
    }
    print_dma(f, n);
    printf(
        "\n%u bytes of program. Cycles are emulated. %u of %u runs equal their C model in all of "
        "memory\n(random and edge inputs, %s).\n",
        bytes, runs - wrong, runs,
        captured ? "captured ones" : "no captured ones: name their folder with --captures");
}

static void print_json(const struct figures *f, unsigned n)
{
    printf("{\"emulated\": true, \"kernels\": [");
    for (unsigned i = 0; i < n; i++) {
        const struct kernel *k = f[i].kernel;
        unsigned long alone = f[i].cycles[KERNEL_ALONE][0];
        printf("%s\n  {\"kernel\": \"%s\", \"shape\": \"%s\", \"cycles\": %lu, ", i ? "," : "",
               k->name, k->shape, alone);
        if (k->macs) {
            printf("\"mac_share\": %.4f, ", mac_share(&f[i], alone));
        } else {
            printf("\"cycles_per_element\": %.4f, ", cost(&f[i], alone));
        }
        printf(
            "\"must\": %g, \"aim\": %g, \"measure\": \"%s\", \"error\": %.4g, \"max_error\": %g, "
            "\"bytes\": %u, \"runs\": {\"random\": %u, \"edge\": %u, \"captured\": %u, "
            "\"wrong\": %u}, ",
            k->must, k->aim, k->measure, f[i].error, k->max_error, f[i].bytes,
            f[i].checked[KERNEL_RANDOM], f[i].checked[KERNEL_EDGE], f[i].checked[KERNEL_CAPTURED],
            f[i].wrong);
        for (unsigned a = KERNEL_CORE_FIRST; k->macs && a < KERNEL_ARBITERS; a++) {
            printf("\"%s\": [%lu, %lu], ", arbiters[a], f[i].cycles[a][0], f[i].cycles[a][1]);
        }
        printf("\"ok\": %s}", passes(&f[i]) ? "true" : "false");
    }
    printf("\n]}\n");
}

/* ---- the command ---- */

/* The captures in the named folder, or those of the source tree if we stand in it. */
static int open_captures(const struct request *r, struct kernel_captures **out,
                         struct sotto_diag *diag)
{
    const char *folder = r->captures ? r->captures : "tests/data/npu";
    int err = kernel_captures_open(out, folder, diag);
    return err == SOTTO_ENOENT && !r->captures ? SOTTO_OK : err;
}

int npu_cmd_bench_kernels(int argc, char **argv)
{
    struct request request = {0};
    struct figures figures[32] = {0};
    struct npu_image *image = NULL;
    struct kernel_captures *captures = NULL;
    struct sotto_diag diag = {0};
    unsigned n = kernel_count();
    int status = read_options(argc, argv, &request);
    if (status) {
        return status;
    }
    int err = npu_image_open(&image, request.image, &diag);
    err = err ? err : open_captures(&request, &captures, &diag);
    for (unsigned i = 0; !err && i < n; i++) {
        figures[i].kernel = kernel_at(i);
        err = measure(&figures[i], image, captures, &diag);
    }
    if (err) {
        status = npu_cli_fail(&diag);
    } else if (request.json) {
        print_json(figures, n);
    } else {
        print_text(figures, n, captures != NULL);
    }
    for (unsigned i = 0; !status && i < n; i++) {
        status = passes(&figures[i]) ? CLI_EXIT_OK : CLI_EXIT_SOME;
    }
    kernel_captures_close(&captures);
    npu_image_close(&image);
    return status;
}
