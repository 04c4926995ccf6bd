/* Shared inside the disassembler: text being made (dump.c), names and labels (dump_labels.c). */
#ifndef NPU_ASM_DUMP_IMPL_H
#define NPU_ASM_DUMP_IMPL_H

#include "npu/asm/dump.h"
#include "npu/isa/isa.h"

struct dump_label {
    uint32_t offset;
    const char *name; // as printed, quoted where it must be
    uint32_t symbol;  // number in the image; 0: a label of our own
};

/* A section to print: one of the file, or a segment of a file without section headers. */
struct dump_section {
    struct npu_section s;
    uint32_t index;            // in the image; 0: none
    struct dump_label *labels; // by offset
    unsigned n_labels;
    uint8_t *starts; // of code: bit per 2 bytes, set where a bundle starts; else NULL
};

struct dumper {
    const struct npu_image *image;
    struct npu_image *memory; // what is allocated on the way lives here
    struct dump_options options;
    struct dump_counts counts;
    struct dump_section *sections;
    unsigned n_sections;
    const char **names; // of the image's symbols, as printed and unique; NULL: cannot be named
    char *text;
    size_t length, capacity;
    bool no_memory;
};

/* Lists the sections, names the symbols, finds bundles and targets. */
int dump_prepare(struct dumper *d);

/* A name as the assembler reads it, quoted where it must be; one of our own with `number` if there is no
 * way. NULL: out of memory. */
const char *dump_printed_name(struct dumper *d, const char *name, uint32_t number);

/* The label at this offset of a section, or NULL. */
const struct dump_label *dump_label_at(const struct dump_section *section, uint32_t offset);
/* Images: the label at an address of code, or NULL. */
const struct dump_label *dump_label_of_code(const struct dumper *d, uint32_t address);
/* Images: a data symbol exactly at the address, or NULL. */
const char *dump_name_of_data(const struct dumper *d, uint32_t address);
/* What a relocation refers to: the name to print and what to add; NULL: cannot be said. */
const char *dump_reloc_name(const struct dumper *d, const struct npu_reloc *r, int32_t *addend);

/* How many bytes at `offset` are one bundle: 0 if they are none, or a label is in between. */
unsigned dump_bundle_at(const struct dump_section *section, uint32_t offset,
                        struct isa_bundle *bundle);
/* The operand of a slot that is an address of code in an image: *value. */
bool dump_code_operand(const struct isa_op *op, int32_t *value);

#endif
