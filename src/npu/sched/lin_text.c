/* See lin_text.h. Lines are walked by range; .for and .macro walk a range again with other names. */
#include "npu/sched/lin_text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { STEPS_MAX = 1000000 }; // lines walked

struct macro {
    const char *name;
    const char *params[LIN_MACRO_ARGS];
    unsigned n_params, first, end; // raw lines of the body
};

/* What a name in braces stands for: a number (.for) or a text (macro argument). */
struct binding {
    const char *name;
    const char *text; // NULL: number
    int64_t number;
    const struct binding *outer;
};

struct expander {
    struct arena *arena;
    struct lin_text *out;
    struct lin_line *raw;
    struct macro *macros;
    unsigned n_raw, cap_raw, n_macros, cap_macros;
    unsigned depth;
    long steps;
    bool verbatim; // between .asm and .endasm
    const char *file;
    struct sotto_diag *diag;
};

struct lookup {
    const struct expander *e;
    const struct binding *scope;
    int depth;
};

static int fail(const struct expander *e, int line, const char *what, const char *name)
{
    return diag_set_at(e->diag, SOTTO_ESYNTAX, e->file, line, 1, what, name);
}

bool lin_text_const(const struct lin_text *t, const char *name, size_t length, int64_t *value)
{
    for (unsigned i = 0; i < t->n_consts; i++) {
        if (strlen(t->consts[i].name) == length && !memcmp(t->consts[i].name, name, length)) {
            *value = t->consts[i].value;
            return true;
        }
    }
    return false;
}

static const struct binding *find(const struct binding *scope, const char *name, size_t length)
{
    while (scope && (strlen(scope->name) != length || memcmp(scope->name, name, length))) {
        scope = scope->outer;
    }
    return scope;
}

static int evaluate(struct lookup look, int line, const char *text, size_t length, int64_t *value);

static bool constant(void *user, const char *name, size_t length, int64_t *value)
{
    struct lookup look = *(struct lookup *)user;
    const struct binding *b = find(look.scope, name, length);
    if (b && b->text) {
        // Its own names are those outside the macro.
        look.scope = b->outer;
        look.depth++;
        return look.depth < LIN_DEPTH_MAX && !evaluate(look, 0, b->text, strlen(b->text), value);
    }
    if (b) {
        *value = b->number;
        return true;
    }
    return lin_text_const(look.e->out, name, length, value);
}

static int evaluate(struct lookup look, int line, const char *text, size_t length, int64_t *value)
{
    struct text_names names = {.user = &look, .constant = constant};
    struct scan s = {.text = text,
                     .length = length,
                     .names = &names,
                     .diag = look.e->diag,
                     .place = {look.e->file, line, 1}};
    struct expr x = {0};
    int err = expr_parse(&s, &x);
    if (err) {
        return err;
    }
    if (x.plus.length || x.minus.length) {
        struct text_name n = x.plus.length ? x.plus : x.minus;
        return diag_set_at(look.e->diag, SOTTO_ESYNTAX, look.e->file, line, 1,
                           "'%.*s' is no constant", (int)n.length, n.name);
    }
    if (scan_peek(&s)) {
        return diag_set_at(look.e->diag, SOTTO_ESYNTAX, look.e->file, line, 1,
                           "'%.*s' is not an expression", (int)length, text);
    }
    *value = x.number;
    return SOTTO_OK;
}

/* ---- raw lines ---- */

static const char *trim(const char *text, size_t *length)
{
    while (*length && isspace((unsigned char)*text)) {
        text++;
        --*length;
    }
    while (*length && isspace((unsigned char)text[*length - 1])) {
        --*length;
    }
    return text;
}

static size_t without_comment(const char *text, size_t length)
{
    for (size_t i = 0; i + 1 < length; i++) {
        if (text[i] == '/' && text[i + 1] == '/') {
            return i;
        }
    }
    return length;
}

static int split(struct expander *e, const char *text, size_t size)
{
    int line = 1;
    for (size_t at = 0; at < size; line++) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t whole = end ? (size_t)(end - text) - at : size - at;
        if (memchr(text + at, 0, whole)) {
            return fail(e, line, "a NUL character%s", "");
        }
        size_t length = without_comment(text + at, whole);
        const char *start = trim(text + at, &length);
        if (length >= LIN_LINE_MAX) {
            return fail(e, line, "the line is too long%s", "");
        }
        if (length) {
            e->raw = arena_grow(e->arena, e->raw, e->n_raw, &e->cap_raw, sizeof *e->raw);
            if (!e->raw) {
                return SOTTO_ENOMEM;
            }
            e->raw[e->n_raw] = (struct lin_line){arena_text(e->arena, start, length), line};
            if (!e->raw[e->n_raw++].text) {
                return SOTTO_ENOMEM;
            }
        }
        at += whole + 1;
    }
    return SOTTO_OK;
}

/* The rest of the line after the word, or NULL if the line starts otherwise. */
static const char *after(const char *text, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(text, word, n) || (text[n] && !isspace((unsigned char)text[n]))) {
        return NULL;
    }
    text += n;
    while (isspace((unsigned char)*text)) {
        text++;
    }
    return text;
}

/* The line that closes the block opened at `at`, or n_raw. *other: its .else, or n_raw. */
static unsigned closing(const struct expander *e, unsigned at, unsigned end, const char *open,
                        const char *close, unsigned *other)
{
    unsigned depth = 0;
    *other = e->n_raw;
    for (unsigned i = at; i < end; i++) {
        if (after(e->raw[i].text, open)) {
            depth++;
        } else if (after(e->raw[i].text, close) && --depth == 0) {
            return i;
        } else if (depth == 1 && after(e->raw[i].text, ".else")) {
            *other = i;
        }
    }
    return e->n_raw;
}

/* ---- substitution ---- */

/* `text` with every {...} replaced. */
static int substitute(const struct expander *e, const struct binding *scope,
                      const struct lin_line *line, char dst[LIN_LINE_MAX])
{
    size_t n = 0;
    for (const char *t = line->text; *t; t++) {
        char number[32];
        const char *insert = number;
        size_t length = 1;
        number[0] = *t;
        if (*t == '{') {
            const char *close = strchr(t, '}');
            if (!close) {
                return fail(e, line->line, "'}' is missing%s", "");
            }
            size_t inner = (size_t)(close - t) - 1;
            const char *name = trim(t + 1, &inner);
            const struct binding *b = find(scope, name, inner);
            if (b && b->text) {
                insert = b->text;
                length = strlen(insert);
            } else {
                int64_t value;
                int err = evaluate((struct lookup){e, scope, 0}, line->line, name, inner, &value);
                if (err) {
                    return err;
                }
                length = (size_t)snprintf(number, sizeof number, "%lld", (long long)value);
            }
            t = close;
        }
        if (n + length >= LIN_LINE_MAX) {
            return fail(e, line->line, "the line is too long%s", "");
        }
        memcpy(dst + n, insert, length);
        n += length;
    }
    dst[n] = '\0';
    return SOTTO_OK;
}

static int emit(struct expander *e, const char *text, int line)
{
    struct lin_text *out = e->out;
    if (out->n_lines >= LIN_LINES_MAX) {
        return fail(e, line, "more than 65536 lines after expansion%s", "");
    }
    out->lines =
        arena_grow(e->arena, out->lines, out->n_lines, &out->cap_lines, sizeof *out->lines);
    if (!out->lines) {
        return SOTTO_ENOMEM;
    }
    out->lines[out->n_lines] = (struct lin_line){arena_text(e->arena, text, strlen(text)), line};
    return out->lines[out->n_lines++].text ? SOTTO_OK : SOTTO_ENOMEM;
}

/* ---- directives ---- */

static int walk(struct expander *e, unsigned first, unsigned end, const struct binding *scope);

static size_t name_length(const char *text)
{
    size_t n = 0;
    while (isalnum((unsigned char)text[n]) || text[n] == '_') {
        n++;
    }
    return n;
}

/* "NAME = ..." or "NAME ...": the name; *rest is what follows the sign. */
static int take_name(const struct expander *e, int line, const char *text, const char **rest,
                     const char **name)
{
    size_t n = name_length(text);
    if (!n || isdigit((unsigned char)*text)) {
        return fail(e, line, "a name is missing before '%s'", text);
    }
    *name = arena_text(e->arena, text, n);
    if (!*name) {
        return SOTTO_ENOMEM;
    }
    text += n;
    while (isspace((unsigned char)*text)) {
        text++;
    }
    *rest = text;
    return SOTTO_OK;
}

static int do_const(struct expander *e, const char *text, int line, const struct binding *scope)
{
    struct lin_text *out = e->out;
    const char *name, *rest;
    int64_t value;
    int err = take_name(e, line, text, &rest, &name);
    if (!err && *rest != '=') {
        err = fail(e, line, "'=' is missing in .const %s", name);
    }
    if (!err && lin_text_const(out, name, strlen(name), &value)) {
        err = fail(e, line, "'%s' has a value already", name);
    }
    if (!err) {
        err = evaluate((struct lookup){e, scope, 0}, line, rest + 1, strlen(rest + 1), &value);
    }
    if (err) {
        return err;
    }
    out->consts =
        arena_grow(e->arena, out->consts, out->n_consts, &out->cap_consts, sizeof *out->consts);
    if (!out->consts) {
        return SOTTO_ENOMEM;
    }
    out->consts[out->n_consts++] = (struct lin_const){name, value};
    return SOTTO_OK;
}

/* ".for NAME = FROM, BELOW[, STEP]" */
static int do_for(struct expander *e, const char *text, unsigned first, unsigned end, int line,
                  const struct binding *scope)
{
    const char *rest;
    struct binding b = {.outer = scope};
    int64_t bounds[3] = {0, 0, 1};
    int err = take_name(e, line, text, &rest, &b.name);
    if (!err && *rest != '=') {
        err = fail(e, line, "'=' is missing in .for %s", b.name);
    }
    rest += !err;
    unsigned n = 0;
    while (!err && n < 3) {
        size_t length = strcspn(rest, ",");
        err = evaluate((struct lookup){e, scope, 0}, line, rest, length, &bounds[n++]);
        rest += length;
        if (!*rest) {
            break;
        }
        rest++;
    }
    if (!err && (n < 2 || *rest || bounds[2] == 0)) {
        err = fail(e, line, ".for needs NAME = FROM, BELOW and perhaps a STEP that is not 0%s", "");
    }
    int64_t i = bounds[0];
    for (long rounds = 0; !err && (bounds[2] > 0 ? i < bounds[1] : i > bounds[1]); rounds++) {
        b.number = i;
        err = rounds > LIN_LINES_MAX ? fail(e, line, "this .for has too many rounds%s", "")
                                     : walk(e, first, end, &b);
        i += bounds[2];
    }
    return err;
}

/* An expression, or two with a comparison between them. */
static int condition(struct expander *e, const char *text, int line, const struct binding *scope,
                     bool *truth)
{
    static const char *const signs[] = {"==", "!=", "<=", ">=", "<", ">"};
    struct lookup look = {e, scope, 0};
    int64_t a, b;
    for (int i = 0; i < 6; i++) {
        const char *at = strstr(text, signs[i]);
        if (!at || (i >= 4 && (at[1] == at[0] || (at > text && at[-1] == at[0])))) {
            continue;
        }
        const char *right = at + strlen(signs[i]);
        int err = evaluate(look, line, text, (size_t)(at - text), &a);
        err = err ? err : evaluate(look, line, right, strlen(right), &b);
        if (!err) {
            *truth = i == 0   ? a == b
                     : i == 1 ? a != b
                     : i == 2 ? a <= b
                     : i == 3 ? a >= b
                     : i == 4 ? a < b
                              : a > b;
        }
        return err;
    }
    int err = evaluate(look, line, text, strlen(text), &a);
    *truth = !err && a != 0;
    return err;
}

static int do_macro(struct expander *e, const char *text, unsigned first, unsigned end, int line)
{
    struct macro m = {.first = first, .end = end};
    const char *rest;
    int err = take_name(e, line, text, &rest, &m.name);
    while (!err && *rest) {
        if (m.n_params == LIN_MACRO_ARGS) {
            return fail(e, line, "macro '%s' has too many parameters", m.name);
        }
        err = take_name(e, line, rest, &rest, &m.params[m.n_params++]);
        if (!err && *rest == ',') {
            rest++;
            rest += strspn(rest, " \t");
        }
    }
    if (err) {
        return err;
    }
    e->macros = arena_grow(e->arena, e->macros, e->n_macros, &e->cap_macros, sizeof *e->macros);
    if (!e->macros) {
        return SOTTO_ENOMEM;
    }
    e->macros[e->n_macros++] = m;
    return SOTTO_OK;
}

static int call_macro(struct expander *e, const struct macro *m, const char *text, int line,
                      const struct binding *scope)
{
    struct binding args[LIN_MACRO_ARGS];
    unsigned n = 0;
    int deep = 0;
    while (*text) {
        size_t length = 0;
        for (deep = 0; text[length] && (text[length] != ',' || deep); length++) {
            deep += (text[length] == '[' || text[length] == '(') -
                    (text[length] == ']' || text[length] == ')');
        }
        size_t inner = length;
        const char *arg = trim(text, &inner);
        if (n == m->n_params) {
            return fail(e, line, "too many arguments for macro '%s'", m->name);
        }
        const char *copy = arena_text(e->arena, arg, inner);
        if (!copy) {
            return SOTTO_ENOMEM;
        }
        args[n] = (struct binding){m->params[n], copy, 0, n ? &args[n - 1] : scope};
        n++;
        text += length + (text[length] == ',');
    }
    if (n < m->n_params) {
        return fail(e, line, "too few arguments for macro '%s'", m->name);
    }
    return walk(e, m->first, m->end, n ? &args[n - 1] : scope);
}

static const struct macro *find_macro(const struct expander *e, const char *text, size_t length)
{
    for (unsigned i = e->n_macros; i-- > 0;) {
        if (strlen(e->macros[i].name) == length && !memcmp(e->macros[i].name, text, length)) {
            return &e->macros[i];
        }
    }
    return NULL;
}

/* A block's opening line: does it, and moves *at to its closing line. 1: not a block. */
static int block(struct expander *e, unsigned *at, unsigned end, const struct binding *scope,
                 const char *text, int line)
{
    const char *rest;
    unsigned other, close;
    if ((rest = after(text, ".for"))) {
        close = closing(e, *at, end, ".for", ".endfor", &other);
        if (close == e->n_raw) {
            return fail(e, line, ".endfor is missing%s", "");
        }
        int err = do_for(e, rest, *at + 1, close, line, scope);
        *at = close;
        return err;
    }
    if ((rest = after(text, ".macro"))) {
        close = closing(e, *at, end, ".macro", ".endmacro", &other);
        if (close == e->n_raw) {
            return fail(e, line, ".endmacro is missing%s", "");
        }
        int err = do_macro(e, rest, *at + 1, close, line);
        *at = close;
        return err;
    }
    if ((rest = after(text, ".if"))) {
        bool truth;
        close = closing(e, *at, end, ".if", ".endif", &other);
        if (close == e->n_raw) {
            return fail(e, line, ".endif is missing%s", "");
        }
        int err = condition(e, rest, line, scope, &truth);
        if (!err && truth) {
            err = walk(e, *at + 1, other < close ? other : close, scope);
        } else if (!err && other < close) {
            err = walk(e, other + 1, close, scope);
        }
        *at = close;
        return err;
    }
    return 1;
}

static int walk(struct expander *e, unsigned first, unsigned end, const struct binding *scope)
{
    int err = SOTTO_OK;
    if (++e->depth > LIN_DEPTH_MAX) {
        return fail(e, e->raw[first < e->n_raw ? first : 0].line, "nested too deeply%s", "");
    }
    for (unsigned i = first; !err && i < end; i++) {
        int line = e->raw[i].line;
        char text[LIN_LINE_MAX];
        e->verbatim =
            (e->verbatim || after(e->raw[i].text, ".asm")) && !after(e->raw[i].text, ".endasm");
        if (e->verbatim) {
            err = emit(e, e->raw[i].text, line);
            continue;
        }
        if (++e->steps > STEPS_MAX) {
            return fail(e, line, "the text expands without end%s", "");
        }
        bool macro = after(e->raw[i].text, ".macro") != NULL;
        err = macro ? SOTTO_OK : substitute(e, scope, &e->raw[i], text);
        err = err ? err : block(e, &i, end, scope, macro ? e->raw[i].text : text, line);
        if (err != 1) {
            continue;
        }
        err = SOTTO_OK;
        size_t word = name_length(text);
        const struct macro *m = word ? find_macro(e, text, word) : NULL;
        const char *rest;
        if ((rest = after(text, ".const"))) {
            err = do_const(e, rest, line, scope);
        } else if (m && (!text[word] || isspace((unsigned char)text[word]))) {
            err = call_macro(e, m, text + word + strspn(text + word, " \t"), line, scope);
        } else {
            err = emit(e, text, line);
        }
    }
    e->depth--;
    return err;
}

int lin_text_expand(struct lin_text *out, struct arena *arena, const char *text, size_t size,
                    const char *name, struct sotto_diag *diag)
{
    struct expander e = {.arena = arena, .out = out, .file = name, .diag = diag};
    int err = split(&e, text, size);
    return err ? err : walk(&e, 0, e.n_raw, NULL);
}
