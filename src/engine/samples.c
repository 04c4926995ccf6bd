/* The samples still needed of a recording. See samples.h. */
#include "engine/samples.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include <sotto.h>

#include "base/mem.h"

void samples_init(struct samples *s)
{
    *s = (struct samples){0};
}

void samples_fini(struct samples *s)
{
    mem_free(s->data);
    *s = (struct samples){0};
}

void samples_reset(struct samples *s)
{
    s->begin = s->end = 0;
    s->complete = false;
}

void samples_start(struct samples *s, int64_t position)
{
    assert(s->begin == s->end);
    s->begin = s->end = position;
}

int samples_append(struct samples *s, const float *src, size_t n, int64_t *n_bad)
{
    size_t held = (size_t)(s->end - s->begin);

    if (held + n > s->capacity) {
        size_t capacity = s->capacity ? s->capacity : 1 << 16;
        while (capacity < held + n)
            capacity *= 2;
        float *data = mem_grow(s->data, held, capacity, sizeof *data);
        if (!data)
            return SOTTO_ENOMEM;
        s->data = data;
        s->capacity = capacity;
    }
    float *dst = s->data + held;
    for (size_t i = 0; i < n; i++) {
        bool bad = !isfinite(src[i]);
        dst[i] = bad ? 0.0f : src[i];
        if (bad && n_bad)
            ++*n_bad;
    }
    s->end += (int64_t)n;
    return 0;
}

void samples_forget(struct samples *s, int64_t position)
{
    if (position > s->end)
        position = s->end;
    /* Moving costs as much as what stays: wait until that is no more than what goes. */
    if (position - s->begin <= s->end - position)
        return;
    size_t kept = (size_t)(s->end - position);
    memmove(s->data, s->data + (position - s->begin), kept * sizeof *s->data);
    s->begin = position;
}

static float sample_at(const struct samples *s, int64_t position)
{
    if (position < 0)
        position = -position;
    if (position >= s->end)
        return 0.0f;
    assert(position >= s->begin);
    return s->data[position - s->begin];
}

void samples_copy(const struct samples *s, int64_t position, size_t n, float *dst)
{
    size_t i = 0;

    for (; i < n && position + (int64_t)i < 0; i++)
        dst[i] = sample_at(s, position + (int64_t)i);
    if (i < n && position + (int64_t)i < s->end) {
        int64_t from = position + (int64_t)i;
        size_t inside = (size_t)(s->end - from);
        if (inside > n - i)
            inside = n - i;
        assert(from >= s->begin);
        memcpy(dst + i, s->data + (from - s->begin), inside * sizeof *dst);
        i += inside;
    }
    memset(dst + i, 0, (n - i) * sizeof *dst);
}
