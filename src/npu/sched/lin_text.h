/*
 * The text level of linear assembly: comments, constants, loops over text, conditions, macros. Gives plain
 * lines, each with the line number it came from. What the lines mean is not known here.
 */
#ifndef NPU_SCHED_LIN_TEXT_H
#define NPU_SCHED_LIN_TEXT_H

#include "npu/asm/expr.h"
#include "npu/sched/arena.h"

enum {
    LIN_LINES_MAX = 1 << 16, // after expansion
    LIN_LINE_MAX = 1024,     // characters
    LIN_DEPTH_MAX = 16,      // of .for, .if and macros
    LIN_MACRO_ARGS = 16
};

struct lin_line {
    const char *text; // no comment, no blanks at the ends, not empty
    int line;
};

struct lin_const {
    const char *name;
    int64_t value;
};

struct lin_text {
    struct lin_line *lines;
    struct lin_const *consts;
    unsigned n_lines, n_consts, cap_lines, cap_consts;
};

int lin_text_expand(struct lin_text *out, struct arena *arena, const char *text, size_t size,
                    const char *name, struct sotto_diag *diag);
/* Value of a .const. */
bool lin_text_const(const struct lin_text *t, const char *name, size_t length, int64_t *value);

#endif
