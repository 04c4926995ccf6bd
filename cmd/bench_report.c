/* The figures of sotto bench as a table and as JSON. */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "bench.h"

static const char *precision_name(const struct bench *b)
{
    static const char *const names[] = {"auto", "fp32", "bf16", "int8"};
    return names[net_precision(bench_net(b))];
}

static const char *bound_name(const char *bound)
{
    return strcmp(bound, "compute") == 0 ? "multiply-add" : "reading memory";
}

/* ---- table ----------------------------------------------------------------------------------- */

static void print_number(FILE *out, double x)
{
    if (isnan(x))
        fprintf(out, " %9s", "");
    else
        fprintf(out, " %9.*f", fabs(x) < 99.995 ? 2 : 1, x);
}

static void print_row(const struct bench *b, int id, FILE *out)
{
    const struct bench_row *row = &b->rows[id];
    fprintf(out, "%-54s", bench_row_what(id));
    if (!row->n) {
        fprintf(out, " not measured: %s\n", row->skipped);
        return;
    }
    print_number(out, bench_wall(b, id));
    print_number(out, bench_best(b, id));
    print_number(out, bench_cpu(b, id));
    fprintf(out, " %-5s", bench_row_unit(id));
    if (!isnan(row->fraction))
        fprintf(out, " %5.1f %% of %s", 100 * row->fraction, bound_name(row->bound));
    if (id == BENCH_FILE)
        fprintf(out, " %.1fx realtime", b->file_s * 1e3 / bench_wall(b, id));
    fputc('\n', out);
}

static void print_machine(const struct bench *b, FILE *out)
{
    const struct model *m = net_model(bench_net(b));
    char kernel[BENCH_TEXT];
    fprintf(out, "sotto %s on %s, %d of %d cores (%s)\n", sotto_version(), b->processor,
            b->n_threads, b->n_cores, b->features);
    fprintf(out, "%s: %s, %s weights, computed in %s; %s kernels, %s for the weights\n", b->model,
            m->format, tensor_type_name(m->weight_type), precision_name(b),
            net_kernels(bench_net(b)), bench_kernel(b, bench_weights_format(b), kernel));
    if (*b->file)
        fprintf(out, "%s: %.1f s, %.1f s of it speech, %d windows, %d tokens\n",
                b->recording ? b->recording : "sentences of pocketsphinx-testdata", b->file_s,
                b->speech_s, b->n_windows, b->n_tokens);
}

void bench_table(const struct bench *b, FILE *out)
{
    double disturbed = bench_disturbance(b);
    print_machine(b, out);
    fprintf(out, "\n%-54s %9s %9s %9s\n", "", "median", "best", "CPU time");
    for (int id = 0; id < BENCH_COUNT; id++)
        print_row(b, id, out);
    fprintf(out, "\nMedians of %d run%s of everything in turn.", b->n_repeats,
            b->n_repeats == 1 ? "" : "s");
    if (disturbed > 1.05)
        fprintf(out,
                " The machine was disturbed: single-threaded parts took %.2f times as long as "
                "they computed.",
                disturbed);
    fputc('\n', out);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *row_json(const struct bench *b, int id)
{
    const struct bench_row *row = &b->rows[id];
    if (!row->n)
        return json_pack("{ss ss ss ss}", "name", bench_row_name(id), "unit", bench_row_unit(id),
                         "what", bench_row_what(id), "skipped", row->skipped);
    return json_pack("{ss ss ss so so so so ss?}", "name", bench_row_name(id), "unit",
                     bench_row_unit(id), "what", bench_row_what(id), "median",
                     number(bench_wall(b, id)), "best", number(bench_best(b, id)), "cpu",
                     number(bench_cpu(b, id)), "fraction", number(row->fraction), "bound",
                     row->bound);
}

static json_t *kernels_json(const struct bench *b)
{
    static const char *const names[] = {"f32", "f16", "bf16", "i8"};
    const struct ops *ops = net_ops(bench_net(b));
    char kernel[BENCH_TEXT];
    json_t *kernels = json_pack("{ss ss}", "level", net_kernels(bench_net(b)), "weights",
                                bench_kernel(b, bench_weights_format(b), kernel));
    for (int f = 0; f < GEMM_FORMAT_COUNT; f++)
        if (ops->gemm[f].available)
            json_object_set_new(kernels, names[f],
                                json_string(bench_kernel(b, (enum gemm_format)f, kernel)));
    return kernels;
}

bool bench_json(const struct bench *b, FILE *out)
{
    const struct model *m = net_model(bench_net(b));
    json_t *rows = json_array();
    for (int id = 0; id < BENCH_COUNT; id++)
        json_array_append_new(rows, row_json(b, id));
    json_t *all = json_pack(
        "{ss s{ss ss si} s{ss ss ss ss} so si si so s{ss? so so si si so} so}", "sotto",
        sotto_version(), "machine", "processor", b->processor, "features", b->features, "cores",
        b->n_cores, "model", "name", b->model, "format", m->format, "weights",
        tensor_type_name(m->weight_type), "precision", precision_name(b), "kernels",
        kernels_json(b), "threads", b->n_threads, "repeats", b->n_repeats, "disturbance",
        number(bench_disturbance(b)), "recording", "file", b->recording, "seconds",
        number(b->file_s), "speech_seconds", number(b->speech_s), "windows", b->n_windows, "tokens",
        b->n_tokens, "realtime", number(b->file_s * 1e3 / bench_wall(b, BENCH_FILE)), "rows", rows);
    bool ok = all && json_dumpf(all, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) == 0 &&
              fputc('\n', out) != EOF;
    json_decref(all);
    return ok;
}
