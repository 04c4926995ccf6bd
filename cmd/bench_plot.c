/*
 * The figures of sotto bench as a picture: a bar for each time, on a logarithmic scale, and how much
 * of the machine's limit it reaches. SVG of rectangles and text, which needs no library.
 */
#include <math.h>
#include <string.h>

#include "bench.h"

enum {
    WIDTH = 960,
    MARGIN = 20,
    LABEL = 360,
    BAR_X = MARGIN + LABEL,
    BAR_WIDTH = 340,
    SHARE_X = BAR_X + BAR_WIDTH + 90,
    SHARE_WIDTH = 100,
    STEP = 26,
    TOP = 84,
};

static void print_escaped(FILE *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '&')
            fputs("&amp;", out);
        else if (c == '<')
            fputs("&lt;", out);
        else if (c == '>')
            fputs("&gt;", out);
        else
            fputc(c < 32 || c > 126 ? '?' : c, out);
    }
}

static void print_text(FILE *out, int x, int y, const char *attributes, const char *text)
{
    fprintf(out, "<text x=\"%d\" y=\"%d\"%s>", x, y, attributes);
    print_escaped(out, text);
    fputs("</text>\n", out);
}

static void print_bar(FILE *out, int x, int y, double width, const char *colour)
{
    fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"16\" fill=\"%s\"/>\n", x, y - 13,
            fmax(width, 1), colour);
}

static bool is_time(int id)
{
    return strcmp(bench_row_unit(id), "ms") == 0;
}

/* The scale of times: powers of ten around all that was measured. */
static void find_scale(const struct bench *b, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (int id = 0; id < BENCH_COUNT; id++)
        if (is_time(id) && b->rows[id].n) {
            double x = log10(fmax(bench_wall(b, id), 1e-3));
            *low = fmin(*low, floor(x - 0.05));
            *high = fmax(*high, ceil(x + 0.05));
        }
}

static void print_scale(FILE *out, double low, double high, int bottom)
{
    for (int i = (int)low; i <= (int)high; i++) {
        char text[32];
        int x = BAR_X + (int)(BAR_WIDTH * (i - low) / (high - low));
        fprintf(out, "<path d=\"M%d %dV%d\" stroke=\"#ddd\"/>\n", x, TOP - 14, bottom);
        snprintf(text, sizeof(text), "%g", pow(10, i));
        print_text(out, x, TOP - 20, " text-anchor=\"middle\" fill=\"#777\"", text);
    }
}

static void print_row(const struct bench *b, int id, FILE *out, double low, double high, int y)
{
    const struct bench_row *row = &b->rows[id];
    double ms = bench_wall(b, id);
    char value[64];

    print_text(out, MARGIN, y, "", bench_row_what(id));
    print_bar(out, BAR_X, y, BAR_WIDTH * (log10(fmax(ms, 1e-3)) - low) / (high - low), "#3b75af");
    snprintf(value, sizeof(value), ms < 100 ? "%.2f ms" : "%.0f ms", ms);
    print_text(out, BAR_X + BAR_WIDTH + 8, y, "", value);
    if (isnan(row->fraction))
        return;
    print_bar(out, SHARE_X, y, SHARE_WIDTH, "#eee");
    print_bar(out, SHARE_X, y, SHARE_WIDTH * fmin(row->fraction, 1),
              strcmp(row->bound, "compute") == 0 ? "#c05a2e" : "#519e3e");
    snprintf(value, sizeof(value), "%.0f %%", 100 * row->fraction);
    print_text(out, SHARE_X + SHARE_WIDTH + 6, y, "", value);
}

bool bench_svg(const struct bench *b, FILE *out)
{
    double low, high;
    int n = 0, y = TOP;
    char title[2 * BENCH_TEXT + 64];

    find_scale(b, &low, &high);
    for (int id = 0; id < BENCH_COUNT; id++)
        n += is_time(id) && b->rows[id].n;
    int bottom = TOP + n * STEP;
    fprintf(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "font-family=\"sans-serif\" font-size=\"12\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
            WIDTH, bottom + 50);
    snprintf(title, sizeof(title), "sotto %s, %s, %s, %d threads, %s", sotto_version(), b->model,
             b->processor, b->n_threads, net_kernels(bench_net(b)));
    print_text(out, MARGIN, 28, " font-size=\"15\"", title);
    print_text(out, BAR_X, 48, " fill=\"#777\"", "milliseconds, median");
    print_text(out, SHARE_X, 48, " fill=\"#777\"", "of the limit here");
    print_scale(out, low, high, bottom - 14);
    for (int id = 0; id < BENCH_COUNT; id++)
        if (is_time(id) && b->rows[id].n) {
            print_row(b, id, out, low, high, y);
            y += STEP;
        }
    int used = snprintf(title, sizeof(title), "Limits: ");
    if (b->rows[BENCH_PEAK].n)
        used += snprintf(title + used, sizeof(title) - (size_t)used,
                         "multiply-add %.0f Gop/s (orange), ", bench_best(b, BENCH_PEAK));
    used += snprintf(title + used, sizeof(title) - (size_t)used, "reading memory %.1f GB/s (green)",
                     bench_best(b, BENCH_READ));
    if (b->file_s > 0)
        snprintf(title + used, sizeof(title) - (size_t)used,
                 "; recording of %.1f s: %.1fx realtime", b->file_s,
                 b->file_s * 1e3 / bench_wall(b, BENCH_FILE));
    print_text(out, MARGIN, bottom + 20, " fill=\"#555\"", title);
    fputs("</svg>\n", out);
    return !ferror(out);
}
