/* engine/dtw, wordsplit, wordtimes and words: the arithmetic against plain definitions, words of
 * text in several scripts, each drift guard on times that trigger it, and a whole run over a
 * pretended decoder whose attention says when each token is spoken. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/dtw.h"
#include "engine/words.h"
#include "engine/wordsplit.h"
#include "engine/wordtimes.h"
#include "support_vocab.h"

/* ---- arithmetic ------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float plain_median(const float *x, int n, int at)
{
    float v[7];
    for (int i = 0; i < 7; i++) {
        int j = abs(at + i - 3); // mirrored without repeating the edge
        v[i] = x[j < n ? j : 2 * (n - 1) - j];
    }
    qsort(v, 7, sizeof *v, by_value);
    return v[3];
}

static void test_median(void **state)
{
    (void)state;
    uint64_t seed = 1;
    float x[50], got[50];

    for (int n = 1; n <= 50; n++)
        for (int trial = 0; trial < 40; trial++) {
            for (int i = 0; i < n; i++) {
                x[i] = (float)(test_random(&seed) % (trial % 2 ? 5 : 1000));
                got[i] = 100;
            }
            dtw_median7_add(got, x, n);
            for (int i = 0; i < n; i++)
                assert_true(got[i] == 100 + (n > 3 ? plain_median(x, n, i) : x[i]));
        }
    // every order of seven values
    int order[7] = {0, 1, 2, 3, 4, 5, 6};
    for (int count = 0; count < 5040; count++) {
        for (int i = 0, k = count, left = 7; i < 7; i++, left--) { // the count-th permutation
            int pick = i + k % left, t = order[pick];
            k /= left;
            order[pick] = order[i];
            order[i] = t;
        }
        for (int i = 0; i < 7; i++)
            x[i] = (float)order[i];
        memset(got, 0, sizeof got);
        dtw_median7_add(got, x, 7);
        assert_true(got[3] == 3);
    }
}

static void test_normalise(void **state)
{
    (void)state;
    float w[4 * 3] = {1, 7, 0, 3, 7, 0, 5, 7, 0, 7, 7, 4}; // 4 rows, 3 columns
    double s0 = sqrt((9 + 1 + 1 + 9) / 4.0), s2 = sqrt((1 + 1 + 1 + 9) / 4.0);
    const float want[4 * 3] = {
        (float)(-3 / s0), 0, (float)(-1 / s2), (float)(-1 / s0), 0, (float)(-1 / s2),
        (float)(1 / s0),  0, (float)(-1 / s2), (float)(3 / s0),  0, (float)(3 / s2),
    };
    dtw_normalise(w, 4, 3); // a constant column, too
    assert_close_array(w, want, 12, 1e-6);

    enum { ROWS = 5, COLS = 37 };
    float x[ROWS * COLS];
    uint64_t seed = 3;
    for (int i = 0; i < ROWS * COLS; i++)
        x[i] = test_random_float(&seed, 2, 9);
    dtw_normalise(x, ROWS, COLS);
    for (int c = 0; c < COLS; c++) {
        double mean = 0, square = 0;
        for (int r = 0; r < ROWS; r++)
            mean += x[r * COLS + c], square += x[r * COLS + c] * x[r * COLS + c];
        assert_close(mean / ROWS, 0, 1e-5);
        assert_close(square / ROWS, 1, 1e-5);
    }
}

/* Largest sum of any path from (r, c) to the last element. */
static double best_sum(const float *x, int rows, int cols, int r, int c)
{
    double here = (double)x[r * cols + c], best = -INFINITY;
    if (r == rows - 1 && c == cols - 1)
        return here;
    if (r + 1 < rows)
        best = fmax(best, best_sum(x, rows, cols, r + 1, c));
    if (c + 1 < cols)
        best = fmax(best, best_sum(x, rows, cols, r, c + 1));
    if (r + 1 < rows && c + 1 < cols)
        best = fmax(best, best_sum(x, rows, cols, r + 1, c + 1));
    return here + best;
}

static void test_path_against_brute_force(void **state)
{
    (void)state;
    uint64_t seed = 11;
    float x[36];
    int row[12], col[12];

    for (int rows = 1; rows <= 6; rows++)
        for (int cols = 1; cols <= 6; cols++)
            for (int trial = 0; trial < 20; trial++) {
                double sum = 0;
                for (int i = 0; i < rows * cols; i++)
                    x[i] = test_random_float(&seed, -2, 2);
                int n = dtw_path(x, rows, cols, row, col);
                assert_in_range(n, rows > cols ? rows : cols, rows + cols - 1);
                assert_true(row[0] == 0 && col[0] == 0);
                assert_true(row[n - 1] == rows - 1 && col[n - 1] == cols - 1);
                for (int i = 0; i < n; i++) {
                    sum += (double)x[row[i] * cols + col[i]];
                    if (i > 0) {
                        assert_in_range(row[i] - row[i - 1], 0, 1);
                        assert_in_range(col[i] - col[i - 1], 0, 1);
                        assert_true(row[i] != row[i - 1] || col[i] != col[i - 1]);
                    }
                }
                assert_close(sum, best_sum(x, rows, cols, 0, 0), 1e-4);
            }
}

/* Of equal costs dtw_cpu goes along the columns, even where that is the dearest of the three. */
static void test_path_ties(void **state)
{
    (void)state;
    const float equal[4] = {0, 0, 0, 0}, dearest[4] = {1, 0, -1, 1};
    int row[4], col[4];

    for (int i = 0; i < 2; i++) {
        assert_int_equal(dtw_path(i ? dearest : equal, 2, 2, row, col), 3);
        assert_true(row[1] == 1 && col[1] == 0);
    }
}

static void test_path_of_nonsense_ends(void **state)
{
    (void)state;
    const float values[] = {NAN, INFINITY, -INFINITY, 0};
    float x[20];
    int row[9], col[9];

    for (int k = 0; k < 4; k++) {
        for (int i = 0; i < 20; i++)
            x[i] = values[k];
        int n = dtw_path(x, 4, 5, row, col);
        assert_in_range(n, 1, 9);
        for (int i = 0; i < n; i++) {
            assert_in_range(row[i], 0, 3);
            assert_in_range(col[i], 0, 4);
        }
    }
}

/* ---- words of tokens -------------------------------------------------------------------------- */

// clang-format off
static const char *const texts[] = {
    " Hello", ",", " wor", "ld", "!", " (", "yes", ")", " don", "'t", " \"", " \xE3\x81", // 0..11
    "\x82\xE3\x81\x84", "今日", "は", "。", " café", " .", "..", " ", "oh ",               // 12..20
};
// clang-format on
enum { N_TEXTS = sizeof texts / sizeof *texts };
#define T(i) (VOCAB_FIRST_TEXT + (i))

static struct tokenizer *tok;

static void assert_split(const int32_t *tokens, int n, bool by_character, const char *expected)
{
    struct word_split s;
    char got[500] = "";
    int n_tokens = 0;

    assert_ok(wordsplit_init(&s, tok, tokens, n, by_character), NULL);
    for (int i = 0; i < s.n_parts; i++) {
        int size = s.parts[i].end - s.parts[i].begin;
        snprintf(got + strlen(got), sizeof got - strlen(got), "%.*s/%d|", size,
                 s.text + s.parts[i].begin, s.parts[i].n_tokens);
        n_tokens += s.parts[i].n_tokens;
        if (i > 0)
            assert_int_equal(s.parts[i].begin, s.parts[i - 1].end);
    }
    assert_string_equal(got, expected);
    assert_int_equal(n_tokens, n);
    wordsplit_fini(&s);
}

#define SPLIT(by_character, expected, ...)                                                         \
    assert_split((int32_t[]){__VA_ARGS__},                                                         \
                 (int)(sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t)), by_character,          \
                 expected)

static void test_split_on_spaces(void **state)
{
    (void)state;
    SPLIT(false, " Hello/1|,/1| world/2|!/1|", T(0), T(1), T(2), T(3), T(4));
    SPLIT(false, " (yes/2|)/1|", T(5), T(6), T(7));
    SPLIT(false, " don't/2|", T(8), T(9));
    SPLIT(false, "ld/1|", T(3)); // the first piece is a word whatever it is
    SPLIT(false, " Hello/1| .../2| /1|", T(0), T(17), T(18), T(19));
    // (".." is no part of Python's list of punctuation, so it continues the word)
    SPLIT(false, " café今日/2|", T(16), T(13));
    // the bytes of é as two tokens: one piece, joined to the word
    SPLIT(false, " Helloé/3|", T(0), 0xC3, 0xA9);
}

static void test_split_on_characters(void **state)
{
    (void)state;
    SPLIT(true, "今日/1|は/1|。/1|", T(13), T(14), T(15));
    // あ cut after two of its bytes; the rest comes with い
    SPLIT(true, " あい/2|。/1|", T(11), T(12), T(15));
    SPLIT(true, " Hello/1|今日/1|", T(0), T(13));
}

static void test_split_of_broken_text(void **state)
{
    (void)state;
#define FFFD "\xEF\xBF\xBD"
    // ends inside a character: one word, broken byte or two
    SPLIT(false, " Hello" FFFD "/2|", T(0), 0xE3);
    SPLIT(true, " Hello/1|" FFFD "/1|", T(0), 0xE3);
    SPLIT(true, "は/1| " FFFD "/1|", T(14), T(11));
    // a stray byte in the middle
    SPLIT(true, "は/1|" FFFD "/1|今日/1|", T(14), 0x82, T(13));
    SPLIT(false, " Hello" FFFD "/2|,/1|", T(0), 0xFF, T(1));
    // no token is lost, whatever the bytes
    uint64_t seed = 5;
    for (int trial = 0; trial < 2000; trial++) {
        int32_t tokens[12];
        struct word_split s;
        int n_tokens = 0, n = 1 + (int)(test_random(&seed) % 12);
        for (int i = 0; i < n; i++)
            tokens[i] = test_random(&seed) % 3 ? 0x80 + (int32_t)(test_random(&seed) % 0x80)
                                               : T((int)(test_random(&seed) % N_TEXTS));
        assert_ok(wordsplit_init(&s, tok, tokens, n, trial % 2), NULL);
        for (int i = 0; i < s.n_parts; i++)
            n_tokens += s.parts[i].n_tokens;
        assert_int_equal(n_tokens, n);
        wordsplit_fini(&s);
    }
}

static void assert_merged(const int32_t *tokens, int n, const char *expected)
{
    struct word_split s;
    char got[500] = "";
    int n_tokens = 0;

    assert_ok(wordsplit_init(&s, tok, tokens, n, false), NULL);
    wordsplit_merge(&s, "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、");
    for (int i = 0; i < s.n_parts; i++) {
        int size = s.parts[i].end - s.parts[i].begin;
        n_tokens += s.parts[i].n_tokens;
        if (size > 0 || s.parts[i].n_tokens > 0)
            snprintf(got + strlen(got), sizeof got - strlen(got), "%.*s/%d|", size,
                     s.text + s.parts[i].begin, s.parts[i].n_tokens);
    }
    assert_string_equal(got, expected);
    assert_int_equal(n_tokens, n);
    wordsplit_fini(&s);
}

#define MERGE(expected, ...)                                                                       \
    assert_merged((int32_t[]){__VA_ARGS__},                                                        \
                  (int)(sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t)), expected)

static void test_merge_punctuation(void **state)
{
    (void)state;
    MERGE(" Hello,/2| world!/3|", T(0), T(1), T(2), T(3), T(4));
    MERGE(" Hello/1| (yes)/3|", T(0), T(5), T(6), T(7));
    MERGE(" Hello/1| \" (yes)/4|", T(0), T(10), T(5), T(6), T(7)); // two marks before a word
    MERGE(" Hello!),/4|", T(0), T(4), T(7), T(1));
    MERGE(" Hello/1| \"/1|", T(0), T(10)); // nothing after it to join
    MERGE(",/1| Hello/1|", T(1), T(0));
    MERGE(" Hello/1| ,/2|", T(0), T(19), T(1)); // a lone space counts as a mark before a word
    MERGE("oh /1|,/1|", T(20), T(1));           // not behind a space
}

static void test_sets_and_languages(void **state)
{
    (void)state;
    assert_true(wordsplit_contains(".。!", "。", 3));
    assert_true(wordsplit_contains(".。!", "", 0));
    assert_false(wordsplit_contains(".。!", "!.", 2));
    assert_true(wordsplit_by_character(sotto_language_find("ja")));
    assert_true(wordsplit_by_character(sotto_language_find("yue")));
    assert_false(wordsplit_by_character(sotto_language_find("ko")));
    assert_false(wordsplit_by_character(-1));
}

/* ---- times ------------------------------------------------------------------------------------ */

static void test_limits(void **state)
{
    (void)state;
    struct word_part p[6] = {{0}};
    struct word_limits l;

    assert_ok(wordtimes_limits(p, 0, &l), NULL);
    assert_true(!l.any && l.median_s == 0 && l.max_s == 0);
    assert_ok(wordtimes_limits(p, 3, &l), NULL); // none lasts
    assert_true(!l.any && l.median_s == 0);
    const double durations[] = {0.5, 0, 0.2, 0.3, 0.1, 0};
    for (int i = 0; i < 6; i++)
        p[i].end_s = durations[i];
    assert_ok(wordtimes_limits(p, 6, &l), NULL);
    assert_close(l.median_s, 0.25, 1e-12); // mean of the middle two, zeros left out
    assert_close(l.max_s, 0.5, 1e-12);
    assert_ok(wordtimes_limits(p, 4, &l), NULL);
    assert_close(l.median_s, 0.3, 1e-12);
    p[0].end_s = p[1].end_s = p[2].end_s = 9;
    assert_ok(wordtimes_limits(p, 6, &l), NULL);
    assert_close(l.median_s, 0.7, 1e-12);
    assert_close(l.max_s, 1.4, 1e-12);
}

static void test_cut_sentences(void **state)
{
    (void)state;
    char text[] = "one.two";
    struct word_part p[3] = {{0, 3, 1, 0, 3, 1}, {3, 4, 1, 3, 5, 1}, {4, 7, 1, 5, 8, 1}};
    struct word_split s = {.text = text, .parts = p, .n_parts = 3};
    struct word_limits l = {.median_s = 0.25, .max_s = 0.5, .any = true};

    wordtimes_cut_sentences(&s, &l);
    assert_close(p[0].start_s, 0, 0); // the first is left alone
    assert_close(p[0].end_s, 3, 0);
    assert_close(p[1].end_s, 3.5, 1e-12);   // "." is shortened at its end
    assert_close(p[2].start_s, 7.5, 1e-12); // the word after it at its beginning
    assert_close(p[2].end_s, 8, 0);
}

static struct words_segment segment(double start_s, double end_s, struct sotto_word *w, int n)
{
    return (struct words_segment){.start_s = start_s, .end_s = end_s, .words = w, .n_words = n};
}

static void test_correct(void **state)
{
    (void)state;
    struct word_limits l = {.median_s = 0.25, .max_s = 0.5, .any = true};
    double last;

    // words and segment agree: the segment takes the words' times
    struct sotto_word w[2] = {{" a", 10.1, 10.4, 1}, {" b", 10.4, 10.8, 1}};
    struct words_segment s = segment(10, 11, w, 2);
    last = 10;
    wordtimes_correct(&s, &l, &last);
    assert_close(s.start_s, 10.1, 1e-12);
    assert_close(s.end_s, 10.8, 1e-12);
    assert_close(last, 10.8, 1e-12);

    // after a pause, a first word that is too long is cut at its beginning
    struct sotto_word pause[2] = {{" a", 10, 13, 1}, {" b", 13, 13.2, 1}};
    s = segment(10, 13.2, pause, 2);
    last = 11.5; // 1.5 s before its end: more than four medians
    wordtimes_correct(&s, &l, &last);
    assert_close(pause[0].start_s, 12.5, 1e-12);
    assert_close(pause[0].end_s, 13, 1e-12);
    assert_close(s.start_s, 12.5, 1e-12);

    // the same right after speech: nothing is cut
    struct sotto_word speech[2] = {{" a", 10, 13, 1}, {" b", 13, 13.2, 1}};
    s = segment(10, 13.2, speech, 2);
    last = 12.5;
    wordtimes_correct(&s, &l, &last);
    assert_close(speech[0].start_s, 10, 1e-12);

    // first and second too long: the border between them moves as well
    struct sotto_word both[2] = {{" a", 10, 12, 1}, {" b", 12, 14, 1}};
    s = segment(12.9, 14, both, 2);
    last = 2;
    wordtimes_correct(&s, &l, &last);
    assert_close(both[0].end_s, 13.5, 1e-12); // 14 - 0.5 > 14 / 2
    assert_close(both[1].start_s, 13.5, 1e-12);
    assert_close(both[0].start_s, 13, 1e-12);

    // neither is too long for itself, but the two together are
    struct sotto_word two[2] = {{" a", 10, 10.4, 1}, {" b", 10.4, 11.5, 1}};
    s = segment(10.5, 11.5, two, 2);
    last = 5;
    wordtimes_correct(&s, &l, &last);
    assert_close(two[0].end_s, 11, 1e-12);
    assert_close(two[1].start_s, 11, 1e-12);
    assert_close(two[0].start_s, 10.5, 1e-12);

    // a first word that begins long before its segment, a last one that ends long after it
    struct sotto_word far[2] = {{" a", 9, 10.2, 1}, {" b", 10.5, 12, 1}};
    s = segment(10, 11, far, 2);
    last = 9.5;
    wordtimes_correct(&s, &l, &last);
    assert_close(far[0].start_s, 9.95, 1e-12); // 10.2 - 0.25 < 10
    assert_close(s.start_s, 10, 1e-12);
    assert_close(far[1].end_s, 11, 1e-12);
    assert_close(s.end_s, 11, 1e-12);
    assert_close(last, 11, 1e-12);

    s = segment(3, 4, NULL, 0); // no words: nothing moves
    wordtimes_correct(&s, &l, &last);
    assert_close(s.start_s, 3, 0);
    assert_close(last, 11, 0);
}

static void test_end_of_words(void **state)
{
    (void)state;
    struct sotto_word w[1] = {{" a", 1, 2, 1}};
    struct words_segment s[2] = {segment(0, 3, w, 1), segment(3, 5, NULL, 0)};
    assert_close(wordtimes_end(s, 2, -1), 2, 0); // a segment without words does not count
    assert_close(wordtimes_end(s + 1, 1, -1), 5, 0);
    assert_close(wordtimes_end(s, 0, -1), -1, 0);
}

/* ---- a whole run ------------------------------------------------------------------------------ */

enum { POSITIONS = 200, HEADS = 3, TEXT_CTX = 120 };

/* A decoder that listens where `spoken` says: token at row r attends to positions from spoken[r] to
 * spoken[r + 1]. */
struct net_decoder {
    int spoken[TEXT_CTX + 1];
    int n_read, largest_step, n_steps, stop_at; // stop_at 0: never
};

static float text_logit(int32_t token)
{
    return 0.3f * (float)(token % 7);
}

/* Mean probability of tokens under these logits. */
static double mean_probability(const int32_t *tokens, int n)
{
    double sum = 0, all = 0;
    for (int32_t v = 0; v < tokenizer_special(tok)->eot; v++)
        all += exp(text_logit(v));
    for (int i = 0; i < n; i++)
        sum += exp(text_logit(tokens[i])) / all;
    return sum / n;
}

int net_decoder_step(struct net_decoder *d, struct pool *pool, const struct net_row *rows,
                     int n_rows, float *logits, const struct net_align *align)
{
    int n_vocab = tokenizer_n_tokens(tok);
    int32_t eot = tokenizer_special(tok)->eot;
    (void)pool;
    if (++d->n_steps == d->stop_at)
        return SOTTO_EABORTED;
    if (rows[0].pos == 0)
        d->n_read = 0;
    for (int i = 0; i < n_rows; i++) {
        assert_int_equal(rows[i].pos, d->n_read++);
        assert_int_equal(rows[i].slot, 4);
        for (int h = 0; h < HEADS; h++)
            for (int t = 0; t < POSITIONS; t++) {
                int from = d->spoken[rows[i].pos], to = d->spoken[rows[i].pos + 1];
                bool heard = t >= from && t < (to > from ? to : from + 1);
                align->scores[(size_t)(h * n_rows + i) * POSITIONS + (size_t)t] =
                    heard ? 4.0f + 0.1f * (float)h : -4.0f;
            }
        if (!rows[i].want_logits)
            continue;
        // special tokens must not count
        for (int v = 0; v < n_vocab; v++)
            logits[v] = v < eot ? text_logit(v) : 20;
        logits += n_vocab;
    }
    d->largest_step = n_rows > d->largest_step ? n_rows : d->largest_step;
    return 0;
}

bool net_decoder_stopped(const struct net_decoder *d)
{
    return ++((struct net_decoder *)d)->n_steps == d->stop_at;
}

struct scene {
    struct model model;
    struct net_decoder d;
    struct words *w;
    struct pool *pool;
    int32_t start[3];
    struct words_segment segments[3];
    struct words_window window;
};

static void open_scene(struct scene *s, int max_rows)
{
    memset(s, 0, sizeof *s);
    s->model.tokenizer = tok;
    s->model.shape.n_audio_ctx = POSITIONS;
    s->model.shape.n_text_ctx = TEXT_CTX;
    s->model.shape.n_vocab = tokenizer_n_tokens(tok);
    s->model.n_align_heads = HEADS;
    const struct token_special *sp = tokenizer_special(tok);
    s->start[0] = sp->sot;
    s->start[1] = sp->lang_begin;
    s->start[2] = sp->transcribe;
    s->window = (struct words_window){
        .slot = 4,
        .start = s->start,
        .n_start = 3,
        .language = sotto_language_find("en"),
        .n_frames = 2 * POSITIONS,
        .offset_s = 30,
        .last_speech_s = 29.9,
        .segments = s->segments,
    };
    assert_ok(pool_open(&s->pool, 2), NULL);
    assert_ok(words_open(&s->w, &s->model, &(struct words_params){.max_rows = max_rows}), NULL);
}

static void close_scene(struct scene *s)
{
    words_close(&s->w);
    pool_close(&s->pool);
}

/* Row 3 + i predicts text token i: it is spoken from position at[i] on, the end of text from at[n]. */
static void speak(struct scene *s, const int *at, int n)
{
    for (int r = 0; r < 3; r++)
        s->d.spoken[r] = 0;
    for (int i = 0; i <= n; i++)
        s->d.spoken[3 + i] = at[i];
    s->d.spoken[4 + n] = s->d.spoken[5 + n] = POSITIONS;
}

static void assert_word(const struct sotto_word *w, const char *text, double start_s, double end_s)
{
    assert_string_equal(w->text, text);
    assert_close(w->start_s, start_s, 0.021);
    assert_close(w->end_s, end_s, 0.021);
}

static void test_run(void **state)
{
    (void)state;
    struct scene s;
    int32_t t0 = tokenizer_special(tok)->timestamp_begin;
    int32_t first[] = {t0, T(0), T(1), T(2), T(3), T(4), t0 + 60};
    int32_t second[] = {t0 + 60, T(8), T(9), T(6), t0 + 90};
    int at[] = {5, 20, 22, 32, 40, 60, 70, 75, 88}; // a path begins at 0 whatever is heard there

    for (int max_rows = 2; max_rows <= 64; max_rows += 31) { // also text read in several steps
        open_scene(&s, max_rows);
        speak(&s, at, 8);
        s.segments[0] =
            (struct words_segment){.tokens = first, .n_tokens = 7, .start_s = 30, .end_s = 31.2};
        s.segments[1] =
            (struct words_segment){.tokens = second, .n_tokens = 5, .start_s = 31.2, .end_s = 31.8};
        s.window.n_segments = 2;
        assert_ok(words_run(s.w, &s.d, s.pool, &s.window), NULL);
        assert_int_equal(s.d.n_read, 3 + 1 + 8 + 1);
        assert_true(s.d.largest_step <= max_rows);
        assert_int_equal(s.segments[0].n_words, 2);
        assert_word(&s.segments[0].words[0], " Hello,", 30.0, 30.4);
        assert_word(&s.segments[0].words[1], " world!", 30.44, 30.8);
        assert_int_equal(s.segments[1].n_words, 1);
        assert_word(&s.segments[1].words[0], " don'tyes", 31.2, 31.76);
        // joined punctuation brings no probability of its own
        assert_close(s.segments[0].words[0].probability, mean_probability(first + 1, 1), 1e-6);
        assert_close(s.segments[0].words[1].probability, mean_probability(first + 3, 2), 1e-6);
        assert_close(s.segments[1].words[0].probability, mean_probability(second + 1, 3), 1e-6);
        assert_close(s.segments[0].start_s, 30.0, 0.021);
        assert_close(s.segments[1].end_s, 31.76, 0.021);
        close_scene(&s);
    }
}

/* The word after the end of a sentence is cut to twice the median duration; what lies beyond the
 * window's frames is not looked at. */
static void test_run_guards(void **state)
{
    (void)state;
    struct scene s;
    int32_t text[] = {T(0), T(4), T(2), T(3)};
    int at[] = {0, 20, 25, 60, 120};

    open_scene(&s, 64);
    speak(&s, at, 4);
    s.window.n_segments = 1;
    s.segments[0] =
        (struct words_segment){.tokens = text, .n_tokens = 4, .start_s = 30, .end_s = 32.4};
    assert_ok(words_run(s.w, &s.d, s.pool, &s.window), NULL);
    assert_int_equal(s.segments[0].n_words, 2);
    assert_word(&s.segments[0].words[0], " Hello!", 30, 30.4);
    // durations 0.4, 0.1, 1.9: at most 0.8
    assert_word(&s.segments[0].words[1], " world", 31.6, 32.4);
    assert_close(s.segments[0].words[1].end_s - s.segments[0].words[1].start_s, 0.8, 0.041);

    s.segments[0] =
        (struct words_segment){.tokens = text, .n_tokens = 4, .start_s = 30, .end_s = 32.4};
    s.window.n_frames = 101;
    assert_ok(words_run(s.w, &s.d, s.pool, &s.window), NULL);
    assert_true(s.segments[0].words[1].end_s <= 30 + 1.0);
    close_scene(&s);
}

static void test_run_without_text(void **state)
{
    (void)state;
    struct scene s;
    int32_t only[] = {tokenizer_special(tok)->timestamp_begin};

    open_scene(&s, 64);
    assert_ok(words_run(s.w, &s.d, s.pool, &s.window), NULL); // no segments
    s.segments[0] = (struct words_segment){
        .tokens = only, .n_tokens = 1, .start_s = 30, .end_s = 31, .n_words = 9};
    s.window.n_segments = 1;
    assert_ok(words_run(s.w, &s.d, s.pool, &s.window), NULL);
    assert_int_equal(s.segments[0].n_words, 0);
    assert_close(s.segments[0].end_s, 31, 0);

    // no audio to look at: words all the same, at the window's beginning
    int32_t text[] = {T(0), T(6)};
    s.segments[0] =
        (struct words_segment){.tokens = text, .n_tokens = 2, .start_s = 30, .end_s = 31};
    for (s.window.n_frames = 0; s.window.n_frames < 2; s.window.n_frames++) {
        assert_ok(words_run(s.w, &s.d, s.pool, &s.window), NULL);
        assert_int_equal(s.segments[0].n_words, 1);
        assert_string_equal(s.segments[0].words[0].text, " Helloyes");
        assert_close(s.segments[0].words[0].start_s, 30, 0);
    }
    close_scene(&s);
}

/* More text than the decoder has positions for: what fits is aligned, nothing is lost. */
static void test_run_with_too_much_text(void **state)
{
    (void)state;
    struct scene s;
    int32_t text[TEXT_CTX + 30];
    int at[TEXT_CTX + 1];

    open_scene(&s, 64);
    for (int i = 0; i < TEXT_CTX + 30; i++)
        text[i] = T(0);
    for (int i = 0; i <= TEXT_CTX - 5; i++)
        at[i] = i;
    speak(&s, at, TEXT_CTX - 5);
    s.segments[0] = (struct words_segment){
        .tokens = text, .n_tokens = TEXT_CTX + 30, .start_s = 30, .end_s = 34};
    s.window.n_segments = 1;
    assert_ok(words_run(s.w, &s.d, s.pool, &s.window), NULL);
    assert_int_equal(s.d.n_read, TEXT_CTX);
    assert_int_equal(s.d.largest_step, 32); // so that a stop is heard in time
    assert_int_equal(s.segments[0].n_words, TEXT_CTX + 30);
    for (int i = 1; i < TEXT_CTX + 30; i++)
        assert_true(s.segments[0].words[i].start_s >= s.segments[0].words[i - 1].start_s);
    close_scene(&s);
}

/* Stopped whenever it asks, the segments are as they were; it asks in every step and between. */
static void test_run_stopped(void **state)
{
    (void)state;
    struct scene s;
    int32_t text[] = {T(0), T(6)};
    int at[] = {1, 5, 9}, n_steps = 0;

    open_scene(&s, 2);
    speak(&s, at, 2);
    s.window.n_segments = 1;
    for (int stop = 0; stop <= n_steps; stop++) { // first without one, to count the steps
        s.segments[0] =
            (struct words_segment){.tokens = text, .n_tokens = 2, .start_s = 1, .end_s = 2};
        s.d.n_steps = 0;
        s.d.stop_at = stop;
        int err = words_run(s.w, &s.d, s.pool, &s.window);
        assert_error(err, stop ? SOTTO_EABORTED : 0, NULL);
        assert_int_equal(s.segments[0].n_words, stop ? 0 : 1);
        if (stop)
            assert_close(s.segments[0].start_s, 1, 0);
        n_steps = stop ? n_steps : s.d.n_steps;
    }
    assert_true(n_steps >= 3 + 2);
    close_scene(&s);
}

static void test_run_out_of_memory(void **state)
{
    (void)state;
    struct scene s;
    int32_t text[] = {T(0), T(6)};
    int at[] = {1, 5, 9}, n = 0;

    open_scene(&s, 64);
    speak(&s, at, 2);
    s.window.n_segments = 1;
    for (int err = SOTTO_ENOMEM; err; n++) {
        s.segments[0] =
            (struct words_segment){.tokens = text, .n_tokens = 2, .start_s = 1, .end_s = 2};
        mem_fail_at(n, 0);
        err = words_run(s.w, &s.d, s.pool, &s.window);
        mem_fail_at(-1, 0);
        assert_true(err == 0 || err == SOTTO_ENOMEM);
        assert_int_equal(s.segments[0].n_words, err ? 0 : 1);
        if (err)
            assert_close(s.segments[0].start_s, 1, 0);
    }
    assert_true(n > 10);
    close_scene(&s);
    struct words *w = NULL;
    for (int err = SOTTO_ENOMEM, k = 0; err; k++) {
        mem_fail_at(k, 0);
        err = words_open(&w, &s.model, &(struct words_params){.max_rows = 8});
        mem_fail_at(-1, 0);
        assert_true(err == 0 || (err == SOTTO_ENOMEM && !w));
    }
    words_close(&w);
    words_close(&w);
}

static int setup(void **state)
{
    (void)state;
    tok = vocab_open(texts, N_TEXTS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tokenizer_close(&tok);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_median),
        cmocka_unit_test(test_normalise),
        cmocka_unit_test(test_path_against_brute_force),
        cmocka_unit_test(test_path_ties),
        cmocka_unit_test(test_path_of_nonsense_ends),
        cmocka_unit_test(test_split_on_spaces),
        cmocka_unit_test(test_split_on_characters),
        cmocka_unit_test(test_split_of_broken_text),
        cmocka_unit_test(test_merge_punctuation),
        cmocka_unit_test(test_sets_and_languages),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_cut_sentences),
        cmocka_unit_test(test_correct),
        cmocka_unit_test(test_end_of_words),
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_run_guards),
        cmocka_unit_test(test_run_without_text),
        cmocka_unit_test(test_run_with_too_much_text),
        cmocka_unit_test(test_run_stopped),
        cmocka_unit_test(test_run_out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
