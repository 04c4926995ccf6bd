/*
 * UTF-8 checks, by the table of well-formed byte sequences in the Unicode Standard (section 3.9,
 * table 3-7): no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#include "base/utf8.h"

#include <string.h>

// Length by the lead byte (0: not a lead byte) and the range its second byte must lie in.
static int lead(uint8_t c, uint8_t *lo, uint8_t *hi)
{
    *lo = 0x80;
    *hi = 0xBF;
    if (c < 0x80)
        return 1;
    if (c < 0xC2 || c > 0xF4)
        return 0;
    if (c < 0xE0)
        return 2;
    if (c < 0xF0) {
        if (c == 0xE0)
            *lo = 0xA0;
        if (c == 0xED)
            *hi = 0x9F;
        return 3;
    }
    if (c == 0xF0)
        *lo = 0x90;
    if (c == 0xF4)
        *hi = 0x8F;
    return 4;
}

int utf8_decode(const char *s, size_t size, uint32_t *code_point)
{
    static const uint8_t lead_bits[5] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    const uint8_t *p = (const uint8_t *)s;
    uint8_t lo, hi;

    if (size == 0)
        return 0;
    int n = lead(p[0], &lo, &hi);
    if (n == 0)
        return -1;
    uint32_t value = p[0] & lead_bits[n];
    for (int i = 1; i < n; i++) {
        if ((size_t)i == size)
            return 0;
        if (p[i] < lo || p[i] > hi)
            return -1;
        value = value << 6 | (p[i] & 0x3F);
        lo = 0x80;
        hi = 0xBF;
    }
    if (code_point)
        *code_point = value;
    return n;
}

size_t utf8_valid_prefix(const char *s, size_t size)
{
    size_t at = 0;
    int n;

    while (at < size && (n = utf8_decode(s + at, size - at, NULL)) > 0)
        at += (size_t)n;
    return at;
}

// Bytes of the bad sequence at s that one U+FFFD stands for: the longest beginning of a
// well-formed sequence ("maximal subpart", Unicode section 3.9, which Python and browsers follow).
static size_t bad_length(const uint8_t *s, size_t size)
{
    uint8_t lo, hi;
    size_t n = (size_t)lead(s[0], &lo, &hi), i = 1;

    while (i < n && i < size && s[i] >= lo && s[i] <= hi) {
        lo = 0x80;
        hi = 0xBF;
        i++;
    }
    return i;
}

size_t utf8_repair(char *dst, const char *src, size_t size)
{
    size_t out = 0, at = 0;

    while (at < size) {
        int n = utf8_decode(src + at, size - at, NULL);
        if (n > 0) {
            memmove(dst + out, src + at, (size_t)n);
            out += (size_t)n;
            at += (size_t)n;
        } else {
            memcpy(dst + out, "\xEF\xBF\xBD", 3);
            out += 3;
            at += bad_length((const uint8_t *)src + at, size - at);
        }
    }
    dst[out] = '\0';
    return out;
}

/* Characters of bidirectional class WS, B or S, or of category Zs (Python's documentation of
 * str.isspace), in the Unicode Character Database. */
bool utf8_is_space(uint32_t c)
{
    if (c < 0x80)
        return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20);
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

const char *utf8_strip(const char *s, size_t *size)
{
    const char *end = s + *size, *last = s; // behind what is not white space
    bool begun = false;
    uint32_t c;

    for (const char *p = s; p < end;) {
        int n = utf8_decode(p, (size_t)(end - p), &c);
        bool space = n > 0 && utf8_is_space(c);
        p += n > 0 ? n : 1;
        if (space && !begun)
            s = last = p;
        begun |= !space;
        last = space ? last : p;
    }
    *size = (size_t)(last - s);
    return s;
}
