/*
 * Running the alignment: see words.h.
 *
 * The text is read in steps of up to 32 rows, whose attention goes into one matrix per head
 * (`weights`: heads x rows x positions). If a model has so many heads that these are too large,
 * heads are taken in groups and the text is read once for each.
 */
#include "engine/words.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "engine/dtw.h"

enum {
    STEP_ROWS = 32,           // few enough for a stop to be heard in time
    SMOOTH_ROWS = 256,        // rows of all heads smoothed between two questions for a stop
    STEP_SCORES = 4 << 20,    // floats of attention one step may return
    WEIGHTS_LIMIT = 16 << 20, // floats of attention kept, if one head does not need more
    FRAMES_PER_POSITION = 2,  // mel frames per encoder position
};
static const double position_s = 0.02;

// openai/whisper, whisper/timing.py, add_word_timestamps
static const char default_prepend[] = "\"'“¿([{-";
static const char default_append[] = "\"'.。,，!！?？:：”)]}、";

struct words {
    const struct model *model;
    struct ops ops;
    const char *prepend, *append;
    int step_rows;
    struct net_row rows[STEP_ROWS];
    float *scores; // heads x step_rows x T
    float *logits; // step_rows x V

    struct sotto_word *words; // results
    char *text;
};

/* One run. N rows of tokens, of which the n_text text tokens start at n_start + 1. */
struct alignment {
    struct words *w;
    struct pool *pool;
    const struct words_window *window;
    int32_t *tokens; // N: start, <|notimestamps|>, text, end of text
    int n_tokens, n_text;
    int n_cols;          // positions that are not padding
    int n_heads, group;  // heads in all, heads kept at a time
    float *weights;      // group x N x n_cols
    float *matrix;       // (n_text + 1) x n_cols: rows that predict text and its end
    double *probability; // n_text
    int *first_col;      // n_text + 1: position at which each row's token begins

    // The step or group under way, for the pool's tasks.
    int row, n_rows;   // token rows in the step; while smoothing, rows of the matrix
    int head, n_group; // heads of the group
    bool want_probability;
};

/* ---- opening ---------------------------------------------------------------------------------- */

static int clamp(int x, int low, int high)
{
    return x < low ? low : x > high ? high : x;
}

int words_open(struct words **out, const struct model *model, const struct words_params *p)
{
    struct words *w = mem_calloc(1, sizeof *w);
    if (!w)
        return SOTTO_ENOMEM;
    size_t per_row = (size_t)model->n_align_heads * (size_t)model->shape.n_audio_ctx;

    w->model = model;
    if (p->ops)
        w->ops = *p->ops;
    else
        ops_init_ref(&w->ops);
    w->prepend = p->prepend ? p->prepend : default_prepend;
    w->append = p->append ? p->append : default_append;
    int limit = per_row < STEP_SCORES ? (int)((size_t)STEP_SCORES / (per_row + 1)) : 1;
    w->step_rows = clamp(limit, 1, clamp(p->max_rows, 1, STEP_ROWS));
    w->scores = mem_alloc((size_t)w->step_rows * per_row, sizeof *w->scores);
    w->logits = mem_alloc((size_t)w->step_rows, (size_t)model->shape.n_vocab * sizeof *w->logits);
    if (!w->scores || !w->logits) {
        words_close(&w);
        return SOTTO_ENOMEM;
    }
    *out = w;
    return 0;
}

void words_close(struct words **words)
{
    struct words *w = words ? *words : NULL;
    if (!w)
        return;
    mem_free(w->scores);
    mem_free(w->logits);
    mem_free(w->words);
    mem_free(w->text);
    mem_free(w);
    *words = NULL;
}

/* ---- reading the text ------------------------------------------------------------------------- */

/* Row of the step: attention weights of each head of the group, probability of the next token. */
static void take_row(void *arg, int task, int thread)
{
    struct alignment *a = arg;
    struct words *w = a->w;
    size_t n_ctx = (size_t)w->model->shape.n_audio_ctx, n_cols = (size_t)a->n_cols;
    int row = a->row + task, text = row - a->window->n_start;

    (void)thread;
    for (int h = 0; h < a->n_group; h++) {
        const float *src =
            w->scores + ((size_t)(a->head + h) * (size_t)a->n_rows + (size_t)task) * n_ctx;
        float *dst = a->weights + ((size_t)h * (size_t)a->n_tokens + (size_t)row) * n_cols;
        memcpy(dst, src, n_cols * sizeof *dst);
        w->ops.softmax_f32(dst, n_cols, 1, a->n_cols, 1.0f);
    }
    if (a->want_probability && text >= 0 && text < a->n_text) {
        // Wanted rows are adjacent, from the first text row in this step.
        int first = a->window->n_start > a->row ? a->window->n_start : a->row, best;
        const float *logits = w->logits + (size_t)(row - first) * (size_t)w->model->shape.n_vocab;
        int32_t eot = tokenizer_special(w->model->tokenizer)->eot;
        float sum = w->ops.logsumexp_f32(logits, (size_t)eot, &best);
        float p = expf(logits[a->tokens[row + 1]] - sum);
        a->probability[text] = p > 1 ? 1 : p >= 0 ? (double)p : 0; // rounded above 1; NaN
    }
}

static int read_text(struct alignment *a, struct net_decoder *d)
{
    struct words *w = a->w;
    struct net_align align = {.scores = w->scores};

    a->want_probability = a->head == 0;
    for (a->row = 0; a->row < a->n_tokens; a->row += a->n_rows) {
        int left = a->n_tokens - a->row;
        a->n_rows = left < w->step_rows ? left : w->step_rows;
        for (int i = 0; i < a->n_rows; i++) {
            int pos = a->row + i, text = pos - a->window->n_start;
            w->rows[i] = (struct net_row){
                .slot = a->window->slot,
                .token = a->tokens[pos],
                .pos = pos,
                .want_logits = a->want_probability && text >= 0 && text < a->n_text,
            };
        }
        int err = net_decoder_step(d, a->pool, w->rows, a->n_rows, w->logits, &align);
        if (err)
            return err;
        pool_run(a->pool, a->n_rows, take_row, a);
    }
    return 0;
}

static void normalise_head(void *arg, int task, int thread)
{
    struct alignment *a = arg;
    (void)thread;
    dtw_normalise(a->weights + (size_t)task * (size_t)a->n_tokens * (size_t)a->n_cols, a->n_tokens,
                  a->n_cols);
}

static void add_row(void *arg, int task, int thread)
{
    struct alignment *a = arg;
    size_t n_cols = (size_t)a->n_cols, text = (size_t)(a->row + task);
    size_t row = (size_t)a->window->n_start + text;
    (void)thread;
    for (int h = 0; h < a->n_group; h++)
        dtw_median7_add(a->matrix + text * n_cols,
                        a->weights + ((size_t)h * (size_t)a->n_tokens + row) * n_cols, a->n_cols);
}

/* Adds the group's heads to the matrix. */
static int add_heads(struct alignment *a, struct net_decoder *d)
{
    int step = 1 + SMOOTH_ROWS / a->n_group;

    if (net_decoder_stopped(d))
        return SOTTO_EABORTED;
    pool_run(a->pool, a->n_group, normalise_head, a);
    for (a->row = 0; a->row <= a->n_text; a->row += step) {
        int left = a->n_text + 1 - a->row;
        if (net_decoder_stopped(d))
            return SOTTO_EABORTED;
        pool_run(a->pool, left < step ? left : step, add_row, a);
    }
    return 0;
}

/* The mean of all heads' normalised and smoothed attention. */
static int build_matrix(struct alignment *a, struct net_decoder *d)
{
    for (a->head = 0; a->head < a->n_heads; a->head += a->group) {
        a->n_group = clamp(a->n_heads - a->head, 0, a->group);
        int err = read_text(a, d);
        if (!err)
            err = add_heads(a, d);
        if (err)
            return err;
    }
    float scale = 1.0f / (float)a->n_heads;
    for (size_t i = 0; i < (size_t)(a->n_text + 1) * (size_t)a->n_cols; i++)
        a->matrix[i] *= scale;
    return 0;
}

static int find_path(struct alignment *a)
{
    int n_rows = a->n_text + 1;
    int *path = mem_alloc(2 * (size_t)(n_rows + a->n_cols), sizeof *path);
    if (!path)
        return SOTTO_ENOMEM;
    int *path_col = path + n_rows + a->n_cols;
    int n = dtw_path(a->matrix, n_rows, a->n_cols, path, path_col);
    for (int i = n - 1; i >= 0; i--) // backwards: the first position of a row is written last
        a->first_col[path[i]] = path_col[i];
    mem_free(path);
    return n < 0 ? n : 0;
}

/* ---- one window ------------------------------------------------------------------------------- */

static int count_text(const struct words_segment *s, int32_t eot)
{
    int n = 0;
    for (int i = 0; i < s->n_tokens; i++)
        n += s->tokens[i] < eot;
    return n;
}

/* All text tokens of the window, of which as many are aligned as the decoder has positions for. */
static int lay_out_tokens(struct alignment *a, int32_t **all, int *n_all)
{
    const struct words_window *win = a->window;
    const struct token_special *s = tokenizer_special(a->w->model->tokenizer);
    int n = 0, room = a->w->model->shape.n_text_ctx - win->n_start - 2;

    for (int i = 0; i < win->n_segments; i++)
        n += count_text(&win->segments[i], s->eot);
    a->tokens = mem_alloc((size_t)(win->n_start + n + 2), sizeof *a->tokens);
    if (!a->tokens)
        return SOTTO_ENOMEM;
    memcpy(a->tokens, win->start, (size_t)win->n_start * sizeof *a->tokens);
    int32_t *text = a->tokens + win->n_start, *p = text;
    *p++ = s->no_timestamps;
    for (int i = 0; i < win->n_segments; i++)
        for (int j = 0; j < win->segments[i].n_tokens; j++)
            if (win->segments[i].tokens[j] < s->eot)
                *p++ = win->segments[i].tokens[j];
    *all = text + 1;
    *n_all = n;
    a->n_text = clamp(n, 0, room > 0 ? room : 0);
    a->n_tokens = win->n_start + a->n_text + 2;
    return 0;
}

static int allocate(struct alignment *a)
{
    size_t per_head = (size_t)a->n_tokens * (size_t)a->n_cols;

    a->n_heads = a->w->model->n_align_heads;
    a->group = per_head < WEIGHTS_LIMIT ? (int)(WEIGHTS_LIMIT / (per_head + 1)) : 1;
    a->group = clamp(a->group, 1, a->n_heads);
    a->weights = mem_alloc((size_t)a->group * per_head, sizeof *a->weights);
    a->matrix = mem_calloc((size_t)(a->n_text + 1) * (size_t)a->n_cols, sizeof *a->matrix);
    a->probability = mem_calloc((size_t)a->n_text + 1, sizeof *a->probability);
    a->first_col = mem_calloc((size_t)a->n_text + 1, sizeof *a->first_col);
    return a->weights && a->matrix && a->probability && a->first_col ? 0 : SOTTO_ENOMEM;
}

/* Times and probabilities of the words from those of their tokens. */
static void time_parts(const struct alignment *a, struct word_split *split)
{
    for (int i = 0, token = 0; i < split->n_parts; i++) {
        struct word_part *p = &split->parts[i];
        int next = token + p->n_tokens, n = 0;
        double sum = 0;
        for (int t = token; t < next && t < a->n_text; t++, n++)
            sum += a->probability[t];
        p->probability = n > 0 ? sum / n : 0;
        p->start_s = a->first_col[clamp(token, 0, a->n_text)] * position_s;
        p->end_s = a->first_col[clamp(next, 0, a->n_text)] * position_s;
        token = next;
    }
}

static int reserve_results(struct words *w, const struct word_split *split)
{
    const struct word_part *last = &split->parts[split->n_parts - 1];
    struct sotto_word *words = mem_alloc((size_t)split->n_parts, sizeof *words);
    char *text = mem_alloc((size_t)(last->end + split->n_parts), 1);

    if (!words || !text) {
        mem_free(words);
        mem_free(text);
        return SOTTO_ENOMEM;
    }
    mem_free(w->words);
    mem_free(w->text);
    w->words = words;
    w->text = text;
    return 0;
}

static int fill_segments(struct words *w, const struct words_window *win, struct word_split *split)
{
    struct word_limits limits;
    int32_t eot = tokenizer_special(w->model->tokenizer)->eot;
    int err = reserve_results(w, split);
    if (!err)
        err = wordtimes_limits(split->parts, split->n_parts, &limits);
    if (err)
        return err;
    wordtimes_cut_sentences(split, &limits);
    wordsplit_merge(split, w->prepend, w->append);

    struct sotto_word *words = w->words;
    char *text = w->text;
    double last_speech_s = win->last_speech_s;
    for (int i = 0, next = 0; i < win->n_segments; i++) {
        struct words_segment *s = &win->segments[i];
        s->words = words;
        text = wordtimes_collect(split, &next, count_text(s, eot), win->offset_s, words,
                                 &s->n_words, text);
        words += s->n_words;
        wordtimes_correct(s, &limits, &last_speech_s);
    }
    return 0;
}

static void forget_words(const struct words_window *win)
{
    for (int i = 0; i < win->n_segments; i++) {
        win->segments[i].words = NULL;
        win->segments[i].n_words = 0;
    }
}

static int run(struct alignment *a, struct net_decoder *d)
{
    const struct words_window *win = a->window;
    const struct tokenizer *tok = a->w->model->tokenizer;
    struct word_split split = {0};
    int32_t *all;
    int n_all;

    int err = lay_out_tokens(a, &all, &n_all);
    if (err)
        return err;
    if (n_all == 0) {
        forget_words(win);
        return 0;
    }
    err = wordsplit_init(&split, tok, all, n_all, wordsplit_by_character(win->language));
    if (!err)
        err = allocate(a);
    if (!err && a->n_cols > 0 && a->n_text > 0) {
        all[a->n_text] = tokenizer_special(tok)->eot; // split already: the rest is not aligned
        err = build_matrix(a, d);
        if (!err)
            err = find_path(a);
    }
    if (!err) {
        time_parts(a, &split);
        err = fill_segments(a->w, win, &split);
    }
    wordsplit_fini(&split);
    return err;
}

int words_run(struct words *w, struct net_decoder *d, struct pool *pool,
              const struct words_window *window)
{
    struct alignment a = {
        .w = w,
        .pool = pool,
        .window = window,
        .n_cols = clamp(window->n_frames / FRAMES_PER_POSITION, 0, w->model->shape.n_audio_ctx),
    };
    assert(window->n_start >= 1);
    int err = run(&a, d);
    mem_free(a.tokens);
    mem_free(a.weights);
    mem_free(a.matrix);
    mem_free(a.probability);
    mem_free(a.first_col);
    return err;
}
