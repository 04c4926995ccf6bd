/*
 * json with openai/whisper's fields in its order (20250625, whisper/transcribe.py): text, segments,
 * language. The whole text stands first, so segments are held until the end, serialised: memory
 * grows with the text, not with the recording. Numbers that are not finite become null, as JSON
 * has none; text is written as UTF-8.
 */
#include <math.h>
#include <stdlib.h>

#include "writer_impl.h"

static const double FRAMES_PER_SECOND = 100.0; // openai/whisper counts seek in mel frames
static const size_t DUMP_FLAGS = JSON_REAL_PRECISION(9) | JSON_ENCODE_ANY;

static json_t *real_or_null(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

/* A float by its shortest decimal that reads back the same: 0.2f is written 0.2. */
static json_t *real_of_float(float x)
{
    char text[32];
    if (!isfinite(x))
        return json_null();
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, x);
        if (strtof(text, NULL) == x)
            break;
    }
    return json_real(strtod(text, NULL));
}

static json_t *tokens_json(const struct sotto_segment *s)
{
    json_t *array = json_array();
    for (int i = 0; array && i < s->n_tokens; i++) {
        if (json_array_append_new(array, json_integer(s->tokens[i]))) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *words_json(const struct sotto_segment *s)
{
    json_t *array = json_array();
    for (int i = 0; array && i < s->n_words; i++) {
        const struct sotto_word *w = &s->words[i];
        json_t *word =
            json_pack("{s:s, s:o, s:o, s:o}", "word", w->text, "start", real_or_null(w->start_s),
                      "end", real_or_null(w->end_s), "probability", real_of_float(w->probability));
        if (!word || json_array_append_new(array, word)) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *segment_json(const struct writer *w, const struct sotto_segment *s)
{
    json_t *o = json_pack("{s:i, s:I, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "id", s->id, "seek",
                          (json_int_t)llround(s->seek_s * FRAMES_PER_SECOND), "start",
                          real_or_null(s->start_s), "end", real_or_null(s->end_s), "text", s->text,
                          "tokens", tokens_json(s), "temperature", real_of_float(s->temperature),
                          "avg_logprob", real_of_float(s->avg_logprob), "compression_ratio",
                          real_of_float(s->compression_ratio), "no_speech_prob",
                          real_of_float(s->no_speech_prob));
    if (o && w->options.words && json_object_set_new(o, "words", words_json(s))) {
        json_decref(o);
        return NULL;
    }
    return o;
}

/* Appends the serialised `value` and gives it up. */
static void append_json(struct text *t, json_t *value)
{
    char *dump = value ? json_dumps(value, DUMP_FLAGS) : NULL;
    if (dump)
        text_append_str(t, dump);
    else
        t->failed = true;
    free(dump);
    json_decref(value);
}

/* Bytes of `s` as a JSON string. */
static size_t quoted_size(const char *s)
{
    struct text quoted = {0};
    append_json(&quoted, json_string(s));
    free(quoted.data);
    return quoted.size;
}

int json_add(struct writer *w, const struct sotto_segment *s)
{
    w->before.text = w->text.size;
    w->before.segments = w->segments.size;
    w->before.n_quoted = w->n_quoted;
    w->n_quoted += quoted_size(s->text);
    text_append_str(&w->text, s->text);
    if (w->segments.size)
        text_append_str(&w->segments, ", ");
    append_json(&w->segments, segment_json(w, s));
    return w->segments.failed || w->text.failed ? SOTTO_ENOMEM : 0;
}

size_t json_held(const struct writer *w)
{
    const size_t frame = 64; // field names, language
    return w->n_quoted + w->segments.size + frame;
}

bool json_take_back(struct writer *w)
{
    w->text.size = w->before.text;
    w->segments.size = w->before.segments;
    w->n_quoted = w->before.n_quoted;
    w->text.data[w->text.size] = w->segments.data[w->segments.size] = '\0';
    return w->segments.size > 0;
}

int json_finish(struct writer *w, const char *language)
{
    struct text head = {0}, tail = {0};
    text_append_str(&head, "{\"text\": ");
    append_json(&head, json_string(w->text.data ? w->text.data : ""));
    text_append_str(&head, ", \"segments\": [");
    text_append_str(&tail, "], \"language\": ");
    append_json(&tail, language ? json_string(language) : json_null());
    text_append_str(&tail, "}\n");
    int err = writer_put(w, &head);
    if (!err)
        err = writer_put(w, &w->segments);
    if (!err)
        err = writer_put(w, &tail);
    free(head.data);
    free(tail.data);
    return err;
}
