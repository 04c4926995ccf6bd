/*
 * Diagnostics and the names of errors. Codes, names and texts come from the one list in sotto.h;
 * nothing here decides what is an error.
 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

#define STRING_(x) #x
#define STRING(x)  STRING_(x)

const char *sotto_version(void)
{
    return STRING(SOTTO_VERSION_MAJOR) "." STRING(SOTTO_VERSION_MINOR) "." STRING(
        SOTTO_VERSION_PATCH);
}

const char *sotto_error_name(int error)
{
    switch (error) {
    case SOTTO_OK:
        return "OK";
#define X(value, name, text)                                                                       \
    case (value):                                                                                  \
        return "E" #name;
        SOTTO_ERROR_MAP(X)
#undef X
    default:
        return "EUNKNOWN";
    }
}

const char *sotto_error_text(int error)
{
    switch (error) {
    case SOTTO_OK:
        return "no error";
#define X(value, name, text)                                                                       \
    case (value):                                                                                  \
        return text;
        SOTTO_ERROR_MAP(X)
#undef X
    default:
        return "unknown error";
    }
}

// Copies at most `size` - 1 bytes of `src`, cutting before a code point that does not fit.
static void copy_text(char *dst, size_t size, const char *src)
{
    size_t n = strlen(src);
    if (n >= size) {
        n = size - 1;
        while (n > 0 && ((unsigned char)src[n] & 0xC0) == 0x80)
            n--;
    }
    memcpy(dst, src, n);
    dst[n] = '\0';
}

// File names and messages of other libraries may be any bytes; the diagnostic is valid UTF-8.
static void repair_in_place(char *text, size_t size)
{
    char copy[3 * sizeof((struct sotto_diag *)0)->text + 1];

    if (utf8_valid_prefix(text, strlen(text)) == strlen(text))
        return;
    utf8_repair(copy, text, strlen(text));
    copy_text(text, size, copy);
}

static int set(struct sotto_diag *diag, int code, const char *file, int line, int column,
               const char *fmt, va_list args)
{
    // Formatted to the side first: `file` and the arguments may point into *diag itself.
    struct sotto_diag d = {.code = code, .line = line, .column = column};
    char text[2 * sizeof d.text];

    if (!diag)
        return code;
    if (file)
        copy_text(d.file, sizeof d.file, file);
    vsnprintf(text, sizeof text, fmt, args);
    copy_text(d.text, sizeof d.text, text);
    repair_in_place(d.file, sizeof d.file);
    repair_in_place(d.text, sizeof d.text);
    *diag = d;
    return code;
}

int diag_set(struct sotto_diag *diag, int code, const char *file, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    set(diag, code, file, 0, 0, fmt, args);
    va_end(args);
    return code;
}

int diag_set_at(struct sotto_diag *diag, int code, const char *file, int line, int column,
                const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    set(diag, code, file, line, column, fmt, args);
    va_end(args);
    return code;
}

static int code_of_errno(int err)
{
    switch (err) {
    case ENOENT:
    case ENOTDIR:
        return SOTTO_ENOENT;
    case EACCES:
    case EPERM:
    case EROFS:
        return SOTTO_EACCESS;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return SOTTO_ENOSPACE;
    case ENOMEM:
        return SOTTO_ENOMEM;
    default:
        return SOTTO_EIO;
    }
}

int diag_errno(struct sotto_diag *diag, int err, const char *file, const char *operation)
{
    char buffer[128];
    const char *cause = strerror_r(err, buffer, sizeof buffer); // GNU's: the thread-safe one

    return diag_set(diag, code_of_errno(err), file, "Cannot %s %s: %s.", operation,
                    file ? file : "the file", cause);
}
