/* UTF-8 checks. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes one code point. Returns its length 1..4; 0 if the bytes are a cut-off but so far valid
 * beginning; -1 if they are invalid (skip one byte). */
int utf8_decode(const char *s, size_t size, uint32_t *code_point);

/* Length of the longest prefix of whole, valid code points. */
size_t utf8_valid_prefix(const char *s, size_t size);

/* Copies `src` to `dst`, each invalid or cut-off sequence replaced by U+FFFD, and a NUL added.
 * `dst` holds at least 3 * size + 1 bytes. Returns the length without the NUL. */
size_t utf8_repair(char *dst, const char *src, size_t size);

/* Python's str.isspace for one code point, and str.strip: returns where the text between white space
 * at both ends begins, and its length in `*size`. Bytes that are not UTF-8 are no white space. */
bool utf8_is_space(uint32_t code_point);
const char *utf8_strip(const char *s, size_t *size);

#endif
