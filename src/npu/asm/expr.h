/*
 * Expressions of assembly text: numbers, symbols, + - * / % << >> & | ^ ~ and parentheses. A value is a
 * number plus at most one symbol minus at most one other; what they stand for is decided by the caller.
 */
#ifndef NPU_ASM_EXPR_H
#define NPU_ASM_EXPR_H

#include "base/error.h"

/* Where a text stands, for messages. */
struct text_place {
    const char *file; // NULL: none
    int line;         // 1-based, 0: none
    int column;       // of the text's first character, 1-based
};

/* What names mean beyond the instruction set. Each function may be NULL. */
struct text_names {
    void *user;
    /* A register that the instruction set lacks, where one of `class_id` may stand: a positive number
     * that becomes the operand's value (use numbers from ISA_REG_COUNT on), or 0: no such name. */
    int (*reg)(void *user, unsigned class_id, const char *name, size_t length);
    /* A symbol that is a known number (.set). */
    bool (*constant)(void *user, const char *name, size_t length, int64_t *value);
};

/* A piece of the text; length 0: none. */
struct text_name {
    const char *name;
    size_t length;
};

struct expr {
    int64_t number;
    struct text_name plus, minus; // "." is the current place
};

/* A text being read. */
struct scan {
    const char *text;
    size_t length, at;
    struct text_place place;
    const struct text_names *names; // NULL: none
    struct sotto_diag *diag;
};

void scan_space(struct scan *s); // skips blanks
char scan_peek(struct scan *s);  // next character after blanks, 0: end
bool scan_take(struct scan *s, char c);
/* A symbol's name: letters, digits and _ . $ @ (not first a digit), or anything in double quotes. */
bool scan_name(struct scan *s, struct text_name *name);
/* A text in double quotes with C's escapes; *bytes (NULL: only the length) gets it. Returns the
 * number of bytes, or SOTTO_ESYNTAX. */
int scan_string(struct scan *s, uint8_t *bytes, size_t size);
/* Reports `code` at column `at` of the text. */
int scan_error(const struct scan *s, size_t at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* What is left, without blanks at its end and not beyond 40 characters: for messages ("%.*s"). */
int scan_rest(const struct scan *s);

int expr_parse(struct scan *s, struct expr *value);

#endif
