/* Filling in diagnostics. The codes are in sotto.h. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <sotto.h>

/* Fills `diag` (NULL is allowed) with `code`, `file` (NULL: none) and the formatted sentence;
 * returns `code`. The text is cut at a UTF-8 boundary if too long. */
int diag_set(struct sotto_diag *diag, int code, const char *file, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The same, for text inputs with a position. */
int diag_set_at(struct sotto_diag *diag, int code, const char *file, int line, int column,
                const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* Turns an errno of an operation ("open", "read", ...) on `file` into a code and a sentence. */
int diag_errno(struct sotto_diag *diag, int err, const char *file, const char *operation);

#endif
