/*
 * ELF32 little-endian files of the AIE2 core: objects and linked core images, read and written. What is
 * in a section's bytes is not known here (npu/isa, npu/asm), nor where things go in memory (npu/asm/link).
 * Sources: System V ABI, ELF chapter; machine 264 and flags 2: Xilinx/llvm-aie, BinaryFormat/ELF.h.
 *
 *     struct npu_image *image;
 *     if (npu_image_open(&image, "gemm.elf", &diag) == 0) {
 *         for (unsigned i = 0; i < image->n_segments; i++)
 *             load(image->segments[i].address, image->segments[i].data, image->segments[i].file_size);
 *         const struct npu_symbol *f = npu_image_symbol(image, "gemm");
 *         npu_image_close(&image);
 *     }
 */
#ifndef NPU_ELF_ELF_H
#define NPU_ELF_ELF_H

#include "base/error.h"

enum {
    NPU_ELF_MACHINE = 264,
    NPU_ELF_FLAGS = 2,
    NPU_PROGRAM_BYTES = 16384, // program memory, at address 0
    NPU_PROGRAM_END = 0x20000, // addresses below it are code
    NPU_DATA_OWN = 0x70000,    // the core's own 64 KiB; 0x40000 south, 0x50000 west, 0x60000 north
    NPU_DATA_END = 0x80000,
};

/* Values of the file format. */
enum { NPU_SECTION_UNDEFINED = 0, NPU_SECTION_ABSOLUTE = 0xfff1, NPU_SECTION_COMMON = 0xfff2 };
enum {
    NPU_SHT_PROGBITS = 1,
    NPU_SHT_SYMTAB = 2,
    NPU_SHT_STRTAB = 3,
    NPU_SHT_RELA = 4,
    NPU_SHT_NOBITS = 8,
    NPU_SHT_REL = 9
};
#define NPU_LINES_SECTION ".sotto.lines"
enum {
    NPU_SHF_WRITE = 1,
    NPU_SHF_ALLOC = 2,
    NPU_SHF_EXEC = 4,
    NPU_SHF_MERGE = 16,
    NPU_SHF_STRINGS = 32
};
enum { NPU_BIND_LOCAL, NPU_BIND_GLOBAL, NPU_BIND_WEAK };
enum { NPU_TYPE_NONE, NPU_TYPE_OBJECT, NPU_TYPE_FUNC, NPU_TYPE_SECTION, NPU_TYPE_FILE };
enum { NPU_SEGMENT_EXEC = 1, NPU_SEGMENT_WRITE = 2, NPU_SEGMENT_READ = 4 };

/* R_AIE_<type>: symbol + addend goes to `offset` of the section; see isa_reloc. */
struct npu_reloc {
    uint32_t offset;
    uint32_t symbol; // number in image->symbols, 0: none
    uint32_t type;
    int32_t addend;
};

struct npu_section {
    const char *name;
    uint32_t type, flags; // NPU_SHT_, NPU_SHF_
    uint32_t address;     // 0 in objects
    uint32_t size;        // bytes
    uint32_t align;       // 0 or 1: none; else a power of two
    uint32_t entry_size, link, info;
    const uint8_t *data;      // `size` bytes; NULL: all zero and not in the file (NOBITS)
    struct npu_reloc *relocs; // by offset
    uint32_t n_relocs;
};

struct npu_symbol {
    const char *name; // never NULL
    uint32_t value;   // objects: offset in the section; images: address. COMMON: alignment
    uint32_t size;
    uint32_t section;   // number in image->sections, or NPU_SECTION_UNDEFINED, _ABSOLUTE, _COMMON
    uint8_t bind, type; // NPU_BIND_, NPU_TYPE_
};

/* What a loader puts into memory (PT_LOAD): data[0..file_size), then zeros up to size. */
struct npu_segment {
    uint32_t address; // where it is loaded (p_paddr)
    uint32_t runs_at; // where its symbols say it is (p_vaddr); the same in all known files
    uint32_t size, file_size;
    uint32_t flags; // NPU_SEGMENT_
    const uint8_t *data;
};

/* Source line of the bytes at `offset` of a section (objects) or at an address (images). Our own
 * section ".sotto.lines"; files of other tools have none. */
struct npu_line {
    uint32_t section; // number in image->sections
    uint32_t offset;  // objects: in the section; images: address
    uint32_t line;
    const char *file;
};

/* Sections and symbols keep the file's numbers: [0] is the null one. All pointers in it live until
 * npu_image_close. */
struct npu_image {
    const char *file; // name for messages
    bool linked;      // an image (ET_EXEC), not an object (ET_REL)
    uint32_t entry;
    struct npu_section *sections;
    struct npu_symbol *symbols;
    struct npu_segment *segments; // empty in objects
    struct npu_line *lines;       // by section, then offset
    unsigned n_sections, n_symbols, n_segments, n_lines;
    struct npu_block *blocks; // memory of all the above but the four arrays
};

/* Reads an object or image; `bytes` are copied. Everything in the file is checked first: offsets,
 * sizes, names, symbol and section numbers. Sections this does not know are kept as they are.
 * Errors: ESYNTAX (malformed), EUNSUPPORTED (not ELF32 little endian, not AIE2), NOMEM. */
int npu_image_read(struct npu_image **out, const uint8_t *bytes, size_t size, const char *file,
                   struct sotto_diag *diag);
/* The same from a file; also NOENT, ACCESS, IO. */
int npu_image_open(struct npu_image **out, const char *path, struct sotto_diag *diag);
void npu_image_close(struct npu_image **image); // accepts NULL and a NULL image; sets NULL

/* The symbol of that name (global before local; never an undefined one), or NULL. */
const struct npu_symbol *npu_image_symbol(const struct npu_image *image, const char *name);
/* Images: the function or object that holds `address`; if none does, the nearest named symbol at or
 * below it in its section, or NULL. *offset (may be NULL) gets the distance. */
const struct npu_symbol *npu_image_symbol_at(const struct npu_image *image, uint32_t address,
                                             uint32_t *offset);
/* The line of the bytes at `offset` of a section (images: section is ignored), or NULL. */
const struct npu_line *npu_image_line(const struct npu_image *image, unsigned section,
                                      uint32_t offset);
/* The section with bytes in the core's memory at `address` of a linked image; 0: none. */
unsigned npu_image_section_at(const struct npu_image *image, uint32_t address);

/* ---- building and writing ---- */

struct npu_image *npu_image_new(const char *file); // with the null section and symbol; NULL: NOMEM
/* Zeroed memory or a copy of a text that lives as long as the image; NULL: out of memory. */
void *npu_image_alloc(struct npu_image *image, size_t count, size_t size);
char *npu_image_text(struct npu_image *image, const char *text, size_t length);
/* Append one; return its number, or SOTTO_ENOMEM. */
int npu_image_add_section(struct npu_image *image, const struct npu_section *section);
int npu_image_add_symbol(struct npu_image *image, const struct npu_symbol *symbol);
int npu_image_add_segment(struct npu_image *image, const struct npu_segment *segment);
int npu_image_add_line(struct npu_image *image, const struct npu_line *line);

/* The file: header, program headers (images), the sections, then relocations (objects), lines, symbols
 * and names; equal images give equal bytes. Local symbols must come before global ones, and the tables
 * the writer makes itself (SYMTAB, STRTAB, RELA) must not be among the sections, as they are in an image
 * that was read. *bytes is the caller's (mem_free). Errors: INVAL, NOMEM. */
int npu_image_write(const struct npu_image *image, uint8_t **bytes, size_t *size,
                    struct sotto_diag *diag);
int npu_image_save(const struct npu_image *image, const char *path, struct sotto_diag *diag);

#endif
