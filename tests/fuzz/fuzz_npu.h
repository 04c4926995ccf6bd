/* What must hold of every image that the assembler made or the reader took: its disassembly assembles, and
 * to the same bytes. */
#ifndef TESTS_FUZZ_FUZZ_NPU_H
#define TESTS_FUZZ_FUZZ_NPU_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "npu/asm/asm.h"
#include "npu/asm/dump.h"

static inline void check(bool ok)
{
    if (!ok)
        abort();
}

static inline bool is_loaded(const struct npu_section *s)
{
    return (s->flags & NPU_SHF_ALLOC) && s->type && s->size;
}

/* The section of `b` that is to be the k-th of this name among the loaded ones of `a`. */
static inline const struct npu_section *counterpart(const struct npu_image *a, unsigned k,
                                                    const struct npu_image *b)
{
    const char *name = a->sections[k].name;
    unsigned skip = 0;
    for (unsigned i = 1; i < k; i++)
        skip += is_loaded(&a->sections[i]) && strcmp(a->sections[i].name, name) == 0;
    for (unsigned i = 1; i < b->n_sections; i++)
        if (is_loaded(&b->sections[i]) && strcmp(b->sections[i].name, name) == 0 && skip-- == 0)
            return &b->sections[i];
    return NULL;
}

/* Names that the text cannot hold are changed in it: such sections are not looked for. */
static inline bool has_plain_name(const struct npu_section *s)
{
    return s->name[0] && !strpbrk(s->name, "\"\\\x7f") && strcmp(s->name, ".") != 0 &&
           strcspn(s->name,
                   "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22\23\24\25\26\27\30\31\32"
                   "\33\34\35\36\37") == strlen(s->name);
}

static inline void check_dump(const struct npu_image *image)
{
    struct npu_image *back = NULL;
    struct sotto_diag diag = {0};
    char *text;
    size_t length;
    check(dump_text(image, NULL, &text, &length, NULL, &diag) == SOTTO_OK);
    for (unsigned i = 1; i < image->n_sections; i++)
        if (image->sections[i].size > 1u << 20) { // more than the assembler takes
            mem_free(text);
            return;
        }
    for (unsigned i = 0; i < image->n_segments; i++)
        if (image->segments[i].size > 1u << 20) {
            mem_free(text);
            return;
        }
    if (asm_text(&back, text, length, "dump.s", NULL, &diag)) {
        fprintf(stderr, "%d:%d: %s\n%s\n", diag.line, diag.column, diag.text, text);
        abort();
    }
    for (unsigned i = 1; i < image->n_sections; i++) {
        const struct npu_section *a = &image->sections[i];
        if (!is_loaded(a) || !has_plain_name(a))
            continue;
        const struct npu_section *b = counterpart(image, i, back);
        check(b && b->size == a->size && (!image->linked || b->address == a->address));
        check(!a->data || (b->data && memcmp(a->data, b->data, a->size) == 0));
    }
    npu_image_close(&back);
    mem_free(text);
}

#endif
