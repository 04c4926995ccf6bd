/* Word times for lists of segments. See timing.h; the alignment itself is in words.c. */
#include "engine/timing.h"

#include "base/mem.h"

int timing_open(struct timing *t, const struct net *net, const struct config *c, struct batch *b)
{
    struct words_params p = {
        .ops = net_ops(net),
        .prepend = c->opt.prepend_punctuations,
        .append = c->opt.append_punctuations,
        .max_rows = net_decoder_max_rows(batch_decoder(b)),
    };
    *t = (struct timing){0};
    return words_open(&t->words, net_model(net), &p);
}

void timing_fini(struct timing *t)
{
    words_close(&t->words);
    mem_free(t->segments);
    *t = (struct timing){0};
}

static int take_segments(struct timing *t, const struct segment_list *list)
{
    if (list->n > t->capacity) {
        struct words_segment *segments = mem_grow(t->segments, 0, (size_t)list->n,
                                                  sizeof *segments);
        if (!segments)
            return SOTTO_ENOMEM;
        t->segments = segments;
        t->capacity = list->n;
    }
    t->n_segments = list->n;
    for (int i = 0; i < list->n; i++)
        t->segments[i] = (struct words_segment){
            .tokens = list->items[i].tokens,
            .n_tokens = list->items[i].n_tokens,
            .start_s = list->items[i].start_s,
            .end_s = list->items[i].end_s,
        };
    return 0;
}

int timing_run(struct timing *t, struct batch *b, struct pool *pool, const struct timing_window *w,
               const struct segment_list *list)
{
    int32_t start[BATCH_MAX_START];
    struct words_window window = {
        .slot = batch_spare_slot(b),
        .start = start,
        .n_start = batch_start_sequence(b, w->language, start),
        .language = w->language,
        .n_frames = w->n_frames,
        .offset_s = w->offset_s,
        .last_speech_s = w->last_speech_s,
    };
    int err = take_segments(t, list);
    if (err)
        return err;
    window.segments = t->segments;
    window.n_segments = t->n_segments;
    net_decoder_bind(batch_decoder(b), window.slot, w->window);
    return words_run(t->words, batch_decoder(b), pool, &window);
}

static int copy_words(struct segment *dst, const struct words_segment *src)
{
    dst->words = mem_calloc((size_t)src->n_words, sizeof *dst->words);
    if (!dst->words)
        return SOTTO_ENOMEM;
    for (int i = 0; i < src->n_words; i++) {
        dst->words[i] = src->words[i];
        dst->words[i].text = mem_strdup(src->words[i].text);
        if (!dst->words[i].text)
            return SOTTO_ENOMEM;
        dst->n_words = i + 1;
    }
    return 0;
}

int timing_store(const struct timing *t, struct segment_list *list)
{
    int err = 0;

    for (int i = 0; i < t->n_segments && i < list->n && !err; i++) {
        struct segment *s = &list->items[i];
        s->start_s = t->segments[i].start_s;
        s->end_s = t->segments[i].end_s;
        if (t->segments[i].n_words > 0)
            err = copy_words(s, &t->segments[i]);
    }
    return err;
}
