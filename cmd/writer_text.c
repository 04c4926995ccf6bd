/*
 * Text and times as the writers need them. White space is Python's (str.isspace), because
 * openai/whisper strips with str.strip.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "writer_impl.h"

void text_append(struct text *t, const char *s, size_t size)
{
    if (t->failed)
        return;
    if (t->size + size + 1 > t->capacity) {
        size_t capacity = t->capacity ? t->capacity : 256;
        while (capacity < t->size + size + 1)
            capacity *= 2;
        char *data = realloc(t->data, capacity);
        if (!data) {
            t->failed = true;
            return;
        }
        t->data = data;
        t->capacity = capacity;
    }
    memcpy(t->data + t->size, s, size);
    t->size += size;
    t->data[t->size] = '\0';
}

void text_append_str(struct text *t, const char *s)
{
    text_append(t, s, strlen(s));
}

void text_clear(struct text *t)
{
    t->size = 0;
    t->failed = false;
    if (t->data)
        t->data[0] = '\0';
}

struct slice slice_of(const char *s)
{
    return (struct slice){s, strlen(s)};
}

/* Bytes of the white space character at s[0..size), 0 if there is none. */
static size_t space_length(const char *s, size_t size)
{
    const unsigned char *u = (const unsigned char *)s;
    if (size >= 1 && (u[0] == ' ' || (u[0] >= 9 && u[0] <= 13) || (u[0] >= 0x1c && u[0] <= 0x1f)))
        return 1;
    if (size >= 2 && u[0] == 0xc2 && (u[1] == 0x85 || u[1] == 0xa0))
        return 2; // next line, no-break space
    if (size < 3)
        return 0;
    uint32_t three = (uint32_t)u[0] << 16 | (uint32_t)u[1] << 8 | u[2];
    bool space = three == 0xe19a80                           // U+1680
                 || (three >= 0xe28080 && three <= 0xe2808a) // U+2000 .. U+200A
                 || three == 0xe280a8 || three == 0xe280a9   // U+2028, U+2029
                 || three == 0xe280af || three == 0xe2819f   // U+202F, U+205F
                 || three == 0xe38080;                       // U+3000
    return space ? 3 : 0;
}

static size_t space_length_at_end(struct slice s)
{
    for (size_t n = 1; n <= 3 && n <= s.size; n++)
        if (space_length(s.data + s.size - n, n) == n)
            return n;
    return 0;
}

struct slice slice_strip(struct slice s)
{
    size_t n;
    while ((n = space_length(s.data, s.size)) > 0) {
        s.data += n;
        s.size -= n;
    }
    while ((n = space_length_at_end(s)) > 0)
        s.size -= n;
    return s;
}

size_t slice_code_points(struct slice s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.size; i++)
        n += ((unsigned char)s.data[i] & 0xc0) != 0x80;
    return n;
}

void text_append_line(struct text *t, struct slice s, bool tabs)
{
    for (size_t i = 0; i < s.size; i++) {
        char c = s.data[i];
        bool breaks = c == '\n' || c == '\r' || c == '\v' || c == '\f' || (tabs && c == '\t');
        text_append(t, breaks ? " " : &s.data[i], 1);
    }
}

long long time_ms(double seconds)
{
    double ms = nearbyint(seconds * 1000.0); // the default rounding mode is half to even
    return ms > 0 && ms < 9e15 ? (long long)ms : 0;
}

void time_text(char dst[TIME_TEXT_SIZE], double seconds, bool hours, char decimal_mark)
{
    long long ms = time_ms(seconds);
    long long h = ms / 3600000;
    int m = (int)(ms / 60000 % 60), s = (int)(ms / 1000 % 60);
    if (hours || h > 0)
        snprintf(dst, TIME_TEXT_SIZE, "%02lld:%02d:%02d%c%03d", h, m, s, decimal_mark,
                 (int)(ms % 1000));
    else
        snprintf(dst, TIME_TEXT_SIZE, "%02d:%02d%c%03d", m, s, decimal_mark, (int)(ms % 1000));
}
