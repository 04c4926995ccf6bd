/* Reading names, strings, numbers and expressions. See expr.h; C's precedence. */
#include "npu/asm/expr.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 64 };

int scan_error(const struct scan *s, size_t at, const char *fmt, ...)
{
    char text[sizeof((struct sotto_diag *)0)->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return diag_set_at(s->diag, SOTTO_ESYNTAX, s->place.file, s->place.line,
                       s->place.column + (int)at, "%s", text);
}

void scan_space(struct scan *s)
{
    while (s->at < s->length && (s->text[s->at] == ' ' || s->text[s->at] == '\t' ||
                                 s->text[s->at] == '\r' || s->text[s->at] == '\f')) {
        s->at++;
    }
}

char scan_peek(struct scan *s)
{
    scan_space(s);
    return s->at < s->length ? s->text[s->at] : 0;
}

bool scan_take(struct scan *s, char c)
{
    if (scan_peek(s) != c || s->at >= s->length) {
        return false;
    }
    s->at++;
    return true;
}

int scan_rest(const struct scan *s)
{
    size_t end = s->length;
    while (end > s->at && (unsigned char)s->text[end - 1] <= ' ') {
        end--;
    }
    return (int)(end - s->at < 40 ? end - s->at : 40);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
           c == '.' || c == '$' || c == '@';
}

bool scan_name(struct scan *s, struct text_name *name)
{
    char first = scan_peek(s);
    size_t end = s->at;
    if (first == '"') {
        const char *close = memchr(s->text + end + 1, '"', s->length - end - 1);
        if (!close || close == s->text + end + 1) {
            return false;
        }
        *name = (struct text_name){s->text + end + 1, (size_t)(close - s->text) - end - 1};
        s->at = (size_t)(close - s->text) + 1;
        return true;
    }
    if (is_digit(first)) {
        return false;
    }
    while (end < s->length && is_name(s->text[end])) {
        end++;
    }
    *name = (struct text_name){s->text + s->at, end - s->at};
    s->at = end;
    return name->length > 0;
}

/* ---- strings ---- */

static int digit_value(char c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* What follows a backslash. */
static unsigned escape(struct scan *s)
{
    static const char letters[] = "abfnrtv", values[] = "\a\b\f\n\r\t\v";
    char c = s->text[s->at++];
    const char *letter = c ? strchr(letters, c) : NULL;
    unsigned value = 0;
    if (letter) {
        return (unsigned char)values[letter - letters];
    }
    if (c == 'x') {
        while (s->at < s->length && digit_value(s->text[s->at]) < 16) {
            value = value * 16 + (unsigned)digit_value(s->text[s->at++]);
        }
        return value & 255;
    }
    if (digit_value(c) < 8) {
        value = (unsigned)(c - '0');
        for (int i = 0; i < 2 && s->at < s->length && digit_value(s->text[s->at]) < 8; i++) {
            value = value * 8 + (unsigned)digit_value(s->text[s->at++]);
        }
        return value & 255;
    }
    return (unsigned char)c;
}

int scan_string(struct scan *s, uint8_t *bytes, size_t size)
{
    scan_space(s);
    size_t start = s->at, n = 0;
    if (!scan_take(s, '"')) {
        return scan_error(s, start, "a text in double quotes is missing here");
    }
    while (s->at < s->length && s->text[s->at] != '"') {
        unsigned byte = (unsigned char)s->text[s->at++];
        if (byte == '\\' && s->at < s->length) {
            byte = escape(s);
        }
        if (bytes && n < size) {
            bytes[n] = (uint8_t)byte;
        }
        n++;
    }
    if (s->at >= s->length) {
        return scan_error(s, start, "this text has no closing quote");
    }
    s->at++;
    return n > INT_MAX ? SOTTO_ENOMEM : (int)n;
}

/* ---- numbers ---- */

static int parse_digits(struct scan *s, size_t start, unsigned base, int64_t *value)
{
    uint64_t v = 0;
    size_t first = s->at;
    for (; s->at < s->length && is_name(s->text[s->at]); s->at++) {
        unsigned digit = (unsigned)digit_value(s->text[s->at]);
        if (digit >= base) {
            return scan_error(s, start, "'%.*s' is not a number", (int)(s->at - start + 1),
                              s->text + start);
        }
        if (v > (UINT64_MAX - digit) / base) {
            return scan_error(s, start, "this number has more than 64 bits");
        }
        v = v * base + digit;
    }
    if (s->at == first) {
        return scan_error(s, start, "digits are missing after '%.*s'", (int)(s->at - start),
                          s->text + start);
    }
    *value = (int64_t)v;
    return SOTTO_OK;
}

static int parse_number(struct scan *s, int64_t *value)
{
    size_t start = s->at;
    char second = start + 1 < s->length ? s->text[start + 1] | 0x20 : 0;
    unsigned base = 10;
    if (s->text[start] == '0' && (second == 'x' || second == 'b')) {
        s->at += 2;
        base = second == 'x' ? 16 : 2;
    } else if (s->text[start] == '0' && is_digit(second)) {
        base = 8;
    }
    return parse_digits(s, start, base, value);
}

static int parse_char(struct scan *s, int64_t *value)
{
    size_t start = s->at++;
    if (s->at >= s->length) {
        return scan_error(s, start, "a character is missing after the quote");
    }
    unsigned c = (unsigned char)s->text[s->at++];
    if (c == '\\' && s->at < s->length) {
        c = escape(s);
    }
    *value = (int64_t)c;
    if (s->at >= s->length || s->text[s->at] != '\'') {
        return scan_error(s, start, "a single character has no closing quote");
    }
    s->at++;
    return SOTTO_OK;
}

/* ---- expressions ---- */

static const struct binary {
    char text[3];
    uint8_t level; // higher binds stronger
} operators[] = {{"|", 1}, {"^", 2}, {"&", 3}, {"<<", 4}, {">>", 4},
                 {"+", 5}, {"-", 5}, {"*", 6}, {"/", 6},  {"%", 6}};

static const struct binary *take_operator(struct scan *s, unsigned level)
{
    scan_space(s);
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        size_t n = strlen(operators[i].text);
        if (operators[i].level >= level && s->length - s->at >= n &&
            memcmp(s->text + s->at, operators[i].text, n) == 0) {
            s->at += n;
            return &operators[i];
        }
    }
    return NULL;
}

static int parse_level(struct scan *s, unsigned level, unsigned depth, struct expr *value);

static int parse_symbol(struct scan *s, struct expr *value)
{
    size_t start = s->at;
    struct text_name name;
    if (!scan_name(s, &name)) {
        return scan_error(s, start, "a number or a symbol is missing here");
    }
    if (s->names && s->names->constant &&
        s->names->constant(s->names->user, name.name, name.length, &value->number)) {
        return SOTTO_OK;
    }
    value->plus = name;
    return SOTTO_OK;
}

static void negate(struct expr *value)
{
    struct text_name plus = value->plus;
    value->plus = value->minus;
    value->minus = plus;
    value->number = (int64_t) - (uint64_t)value->number;
}

static bool has_symbol(const struct expr *value)
{
    return value->plus.length || value->minus.length;
}

static int parse_unary(struct scan *s, unsigned depth, struct expr *value)
{
    char c = scan_peek(s);
    size_t start = s->at;
    *value = (struct expr){0};
    if (depth > DEPTH_MAX) {
        return scan_error(s, start, "this expression is nested too deep");
    }
    if (c == '-' || c == '+' || c == '~') {
        s->at++;
        int err = parse_unary(s, depth + 1, value);
        if (!err && c == '~' && has_symbol(value)) {
            return scan_error(s, start, "~ needs a number, not a symbol");
        }
        if (!err && c == '-') {
            negate(value);
        } else if (!err && c == '~') {
            value->number = ~value->number;
        }
        return err;
    }
    if (c == '(') {
        s->at++;
        int err = parse_level(s, 1, depth + 1, value);
        if (!err && !scan_take(s, ')')) {
            return scan_error(s, s->at, "')' is missing here");
        }
        return err;
    }
    if (c == '\'') {
        return parse_char(s, &value->number);
    }
    return is_digit(c) ? parse_number(s, &value->number) : parse_symbol(s, value);
}

static int add(const struct scan *s, size_t at, struct expr *a, struct expr b)
{
    if ((a->plus.length && b.plus.length) || (a->minus.length && b.minus.length)) {
        return scan_error(s, at, "symbols cannot be added up");
    }
    a->plus = b.plus.length ? b.plus : a->plus;
    a->minus = b.minus.length ? b.minus : a->minus;
    a->number = (int64_t)((uint64_t)a->number + (uint64_t)b.number);
    return SOTTO_OK;
}

static int apply(const struct scan *s, size_t at, const char *op, struct expr *a, struct expr b)
{
    if (op[0] == '+' || op[0] == '-') {
        if (op[0] == '-') {
            negate(&b);
        }
        return add(s, at, a, b);
    }
    if (has_symbol(a) || has_symbol(&b)) {
        return scan_error(s, at, "%s needs numbers on both sides, not symbols", op);
    }
    uint64_t x = (uint64_t)a->number, y = (uint64_t)b.number;
    if ((op[0] == '/' || op[0] == '%') && (y == 0 || (a->number == INT64_MIN && b.number == -1))) {
        return scan_error(s, at, "division by zero, or of the lowest number by -1");
    }
    switch (op[0]) {
    case '*':
        x *= y;
        break;
    case '/':
        x = (uint64_t)(a->number / b.number);
        break;
    case '%':
        x = (uint64_t)(a->number % b.number);
        break;
    case '<':
        x = y > 63 ? 0 : x << y;
        break;
    case '>':
        x = y > 63 ? 0 : x >> y;
        break;
    case '&':
        x &= y;
        break;
    case '|':
        x |= y;
        break;
    default:
        x ^= y;
    }
    a->number = (int64_t)x;
    return SOTTO_OK;
}

static int parse_level(struct scan *s, unsigned level, unsigned depth, struct expr *value)
{
    int err = parse_unary(s, depth, value);
    const struct binary *op;
    size_t at = s->at;
    while (!err && (op = take_operator(s, level))) {
        struct expr right;
        err = parse_level(s, op->level + 1u, depth + 1, &right);
        if (!err) {
            err = apply(s, at, op->text, value, right);
        }
        at = s->at;
    }
    return err;
}

int expr_parse(struct scan *s, struct expr *value)
{
    return parse_level(s, 1, 0, value);
}
