/* Shared inside npu/elf only: sizes and numbers of the file format, little-endian access. */
#ifndef NPU_ELF_FORMAT_H
#define NPU_ELF_FORMAT_H

#include "npu/elf/elf.h"

enum {
    ELF_HEADER_BYTES = 52,
    ELF_SEGMENT_BYTES = 32,
    ELF_SECTION_BYTES = 40,
    ELF_SYMBOL_BYTES = 16,
    ELF_RELA_BYTES = 12,
    ELF_LINES_BYTES = 8, // header of our lines: magic, count
    ELF_LINE_BYTES = 16, // section, offset, line, place of the file's name behind the entries
    ELF_TYPE_REL = 1,
    ELF_TYPE_EXEC = 2,
    ELF_PT_LOAD = 1,
    ELF_SHN_RESERVED = 0xff00,
    ELF_LINES_MAGIC = 0x314e4c53, // "SLN1"
};

static inline uint32_t elf_get16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static inline uint32_t elf_get32(const uint8_t *p)
{
    return elf_get16(p) | elf_get16(p + 2) << 16;
}

static inline void elf_put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void elf_put32(uint8_t *p, uint32_t v)
{
    elf_put16(p, v);
    elf_put16(p + 2, v >> 16);
}

#endif
