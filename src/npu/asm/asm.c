/*
 * Lines of assembly text: comments, labels, bundles. Directives are in directives.c, the object is made
 * in finish.c. An error ends its line; the next line is read all the same.
 */
#include "npu/asm/asm.h"

#include <string.h>

#include "base/mapfile.h"
#include "base/mem.h"
#include "npu/asm/state.h"

/* Overwrites comments with blanks; newlines and columns stay. Returns the line in which a comment is
 * never closed, 0: none. */
static int blank_comments(char *text, size_t length)
{
    int line = 1, opened = 0;
    char quote = 0;
    for (size_t i = 0; i < length; i++) {
        char c = text[i], next = i + 1 < length ? text[i + 1] : 0;
        line += c == '\n';
        if (opened) {
            bool ends = c == '*' && next == '/';
            text[i] = c == '\n' ? c : ' ';
            if (ends) {
                text[++i] = ' ';
                opened = 0;
            }
        } else if (quote) {
            i += c == '\\' && next != '\n';
            quote = c == quote || c == '\n' ? 0 : quote;
        } else if (c == '"') {
            quote = c;
        } else if (c == '\'') {
            i += next == '\\' ? 2 : 1; // one character; its closing quote is harmless
            line += i < length && text[i] == '\n';
            if (i + 1 < length && text[i + 1] == '\'') {
                i++;
            }
        } else if (c == '/' && next == '*') {
            text[i++] = ' ';
            text[i] = ' ';
            opened = line;
        } else if (c == '/' && next == '/') {
            while (i < length && text[i] != '\n') {
                text[i++] = ' ';
            }
            line += i < length;
        }
    }
    return opened;
}

static bool known_number(void *user, const char *name, size_t length, int64_t *value)
{
    const struct assembler *a = user;
    int symbol = asm_symbol_find(a, (struct text_name){name, length});
    if (symbol < 0 || a->symbols[symbol].section != ASM_NUMBER) {
        return false;
    }
    *value = a->symbols[symbol].value;
    return true;
}

/* ---- bundles ---- */

static int add_refs(struct assembler *a, const struct text_bundle *b)
{
    for (unsigned i = 0; i < b->n_refs; i++) {
        const struct text_ref *ref = &b->refs[i];
        struct asm_fixup f = {.section = a->section,
                              .offset = a->sections[a->section].size,
                              .plus = asm_symbol_use(a, ref->symbol),
                              .minus = -1,
                              .number = ref->addend,
                              .reloc = (int16_t)isa_reloc_find(&b->bundle, ref->slot),
                              .line = a->line,
                              .column = ref->column};
        if (f.reloc < 0) {
            return asm_error(
                a, ref->column,
                "a bundle of this form has no relocation for '%.*s'; choose other slots",
                (int)ref->symbol.length, ref->symbol.name);
        }
        if (f.plus < 0 || asm_add_fixup(a, &f)) {
            return SOTTO_ENOMEM;
        }
    }
    return SOTTO_OK;
}

static int do_bundle(struct assembler *a, struct scan *s)
{
    struct text_place at = {a->file, a->line, s->place.column + (int)s->at};
    struct asm_section *section = &a->sections[a->section];
    struct sotto_diag d = {0};
    struct text_bundle b;
    uint8_t bytes[ISA_BUNDLE_MAX];
    if (text_parse_bundle(s->text + s->at, s->length - s->at, &at, s->names, &b, &d)) {
        return asm_pass_error(a, &d);
    }
    if (!(section->flags & NPU_SHF_EXEC) || section->type == NPU_SHT_NOBITS) {
        return asm_error(a, at.column, "section %s holds no instructions", section->name);
    }
    if (section->size & 1) {
        return asm_error(a, at.column, "a bundle starts at an even address, not at 0x%x",
                         section->size);
    }
    int size = isa_encode(&b.bundle, bytes, NULL);
    int err = add_refs(a, &b);
    err = err ? err : asm_add_line(a);
    return err ? err : asm_emit(a, bytes, (size_t)size, at.column);
}

/* ---- statements ---- */

/* A label at the start; moves the scan behind it. */
static bool take_label(struct assembler *a, struct scan *s, int *err)
{
    struct scan ahead = *s;
    struct text_name name;
    scan_space(&ahead);
    int column = ahead.place.column + (int)ahead.at;
    if (!scan_name(&ahead, &name) || !scan_take(&ahead, ':')) {
        return false;
    }
    int symbol = asm_symbol_get(a, name);
    *err = symbol < 0
               ? SOTTO_ENOMEM
               : asm_symbol_define(a, symbol, a->section, a->sections[a->section].size, column);
    *s = ahead;
    return true;
}

static void do_line(struct assembler *a, const char *text, size_t length)
{
    const struct text_names names = {.user = a, .constant = known_number};
    struct scan s = {
        .text = text, .length = length, .place = {a->file, a->line, 1}, .names = &names};
    struct scan ahead;
    struct text_name name;
    int err = SOTTO_OK;
    while (take_label(a, &s, &err)) {
    }
    scan_space(&s);
    if (s.at >= s.length || a->no_memory) {
        return;
    }
    ahead = s;
    int column = s.place.column + (int)s.at;
    if (s.text[s.at] == '.' && scan_name(&ahead, &name) && scan_peek(&ahead) != '=') {
        asm_directive(a, name, &ahead);
        return;
    }
    ahead = s;
    if (scan_name(&ahead, &name) && scan_take(&ahead, '=')) {
        err = asm_assign(a, name, &ahead, column);
        if (!err && scan_peek(&ahead)) {
            asm_error(a, ahead.place.column + (int)ahead.at, "'%.*s' is too much",
                      scan_rest(&ahead), ahead.text + ahead.at);
        }
        return;
    }
    do_bundle(a, &s);
}

static void do_text(struct assembler *a, const char *text, size_t length)
{
    size_t start = 0;
    for (size_t i = 0; i <= length && !a->no_memory; i++) {
        if (i < length && text[i] != '\n') {
            continue;
        }
        a->line++;
        do_line(a, text + start, i - start);
        start = i + 1;
        if (a->n_errors >= ASM_ERRORS_MAX) {
            asm_error(a, 0, "too many errors; the rest is not read");
            return;
        }
    }
}

static void release(struct assembler *a)
{
    for (unsigned i = 0; i < a->n_sections; i++) {
        mem_free(a->sections[i].name);
        mem_free(a->sections[i].bytes);
    }
    for (unsigned i = 0; i < a->n_symbols; i++) {
        mem_free(a->symbols[i].name);
    }
    mem_free(a->sections);
    mem_free(a->symbols);
    mem_free(a->fixups);
    mem_free(a->sizes);
    mem_free(a->lines);
    mem_free(a->table);
}

static int assemble(struct assembler *a, char *copy, size_t length, struct npu_image **out)
{
    bool is_new;
    int text = asm_section_get(a, (struct text_name){".text", 5}, -1, &is_new);
    if (text < 0) {
        return SOTTO_ENOMEM;
    }
    a->sections[text].flags = NPU_SHF_ALLOC | NPU_SHF_EXEC;
    a->sections[text].align = 16;
    int opened = blank_comments(copy, length);
    do_text(a, copy, length);
    if (opened) {
        asm_error_at(a, opened, 1, "a comment starts in this line and never ends");
    }
    int err = a->no_memory ? SOTTO_ENOMEM : asm_finish(a, out);
    return a->n_errors && !a->no_memory ? SOTTO_ESYNTAX : err;
}

int asm_text(struct npu_image **out, const char *text, size_t length, const char *file,
             const struct asm_options *options, struct sotto_diag *diag)
{
    struct assembler a = {.file = file, .options = options, .diag = diag, .entry = -1};
    struct npu_image *image = NULL;
    char *copy = mem_alloc(length + 1, 1);
    if (!copy) {
        return asm_no_memory(&a);
    }
    if (length) {
        memcpy(copy, text, length);
    }
    copy[length] = 0;
    int err = assemble(&a, copy, length, &image);
    release(&a);
    mem_free(copy);
    if (err) {
        npu_image_close(&image);
        return err;
    }
    *out = image;
    return SOTTO_OK;
}

int asm_file(struct npu_image **out, const char *path, const struct asm_options *options,
             struct sotto_diag *diag)
{
    struct mapfile map;
    int err = mapfile_open(&map, path, diag);
    if (err) {
        return err;
    }
    err = asm_text(out, (const char *)map.data, map.size, path, options, diag);
    mapfile_close(&map);
    return err;
}
