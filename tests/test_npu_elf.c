/*
 * npu/elf, npu/asm/link and dump: what is written is read back; cut, damaged and foreign files are
 * refused; any code, sensible or not, comes back from its disassembly byte for byte; what the linker
 * puts where.
 */
#include "support_npu_code.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "npu/asm/asm.h"
#include "npu/asm/dump.h"
#include "npu/asm/link.h"

enum { CODE_MAX = 4096 };

static const char program[] =
    "\t.globl\t_start\n\t.type\t_start,@function\n_start:\n"
    "\tjl\t#work\n\tnop\n\tnop\n\tnop\n\tmovxm p0, #table\n\tmova r0, #8\n"
    "\tdone\n\t.size _start, .-_start\n"
    "\t.p2align 4\nwork:\n\tjnz r0, #.Lback\n\tnop\n\tnop\n\tnop\n\tnop\n"
    "\tadd r0, r0, #-1\n.Lback:\n\tret lr\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n"
    "\t.rodata\n\t.p2align 5\ntable:\t.word 1, work, table+4\n"
    "\t.data\nvar:\t.short 5\n\t.bss\n\t.align 64\nbuffer:\t.space 128\n";

/* ---- helpers ---- */

static struct npu_image *reread(const struct npu_image *image)
{
    uint8_t *bytes;
    size_t size;
    struct npu_image *back = NULL;
    struct sotto_diag diag = {0};
    assert_ok(npu_image_write(image, &bytes, &size, &diag), &diag);
    assert_ok(npu_image_read(&back, bytes, size, image->file, &diag), &diag);
    mem_free(bytes);
    return back;
}

static struct npu_image *link_one(const struct npu_image *object,
                                  const struct link_options *options)
{
    struct npu_image *image = NULL;
    struct sotto_diag diag = {0};
    assert_ok(link_objects(&image, &object, 1, "out.elf", options, &diag), &diag);
    return image;
}

/* Disassembles, assembles, and demands the same bytes and addresses in every loaded section. */
static struct dump_counts check_dump(const struct npu_image *image)
{
    char *text;
    size_t length;
    struct dump_counts counts = {0};
    struct sotto_diag diag = {0};
    struct npu_image *back = NULL;
    const struct dump_options options = {.lines = true};
    assert_ok(dump_text(image, &options, &text, &length, &counts, &diag), &diag);
    assert_int_equal(length, strlen(text));
    if (asm_text(&back, text, length, "dump.s", NULL, &diag)) {
        fail_msg("line %d: %s\n%s", diag.line, diag.text, text);
    }
    assert_int_equal(back->linked, image->linked);
    for (unsigned i = 1; i < image->n_sections; i++) {
        const struct npu_section *a = &image->sections[i];
        if ((a->flags & NPU_SHF_ALLOC) && a->size) {
            const struct npu_section *b = npu_section_named(back, a->name);
            assert_int_equal(b->size, a->size);
            assert_int_equal(b->address, a->address);
            assert_int_equal(b->type, a->type);
            assert_int_equal(b->n_relocs, a->n_relocs);
            if (a->data && memcmp(a->data, b->data, a->size) != 0) {
                fail_msg("%s differs\n%s", a->name, text);
            }
        }
    }
    npu_image_close(&back);
    mem_free(text);
    return counts;
}

/* ---- files ---- */

static void compare(const struct npu_image *a, const struct npu_image *b)
{
    assert_int_equal(a->linked, b->linked);
    assert_int_equal(a->n_symbols, b->n_symbols);
    assert_int_equal(a->n_lines, b->n_lines);
    assert_int_equal(a->n_segments, b->n_segments);
    for (unsigned i = 0; i < a->n_sections; i++) {
        const struct npu_section *x = &a->sections[i], *y = &b->sections[i];
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->type, y->type);
        assert_int_equal(x->flags, y->flags);
        assert_int_equal(x->address, y->address);
        assert_int_equal(x->size, y->size);
        assert_int_equal(x->align, y->align);
        assert_int_equal(x->n_relocs, y->n_relocs);
        if (x->n_relocs) {
            assert_memory_equal(x->relocs, y->relocs, x->n_relocs * sizeof *x->relocs);
        }
        if (x->data && x->size) {
            assert_memory_equal(x->data, y->data, x->size);
        }
    }
    for (unsigned i = 0; i < a->n_symbols; i++) {
        const struct npu_symbol *x = &a->symbols[i], *y = &b->symbols[i];
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->value, y->value);
        assert_int_equal(x->size, y->size);
        assert_int_equal(x->section, y->section);
        assert_int_equal(x->bind, y->bind);
        assert_int_equal(x->type, y->type);
    }
    for (unsigned i = 0; i < a->n_lines; i++) {
        assert_int_equal(a->lines[i].offset, b->lines[i].offset);
        assert_int_equal(a->lines[i].line, b->lines[i].line);
        assert_string_equal(a->lines[i].file, b->lines[i].file);
    }
    for (unsigned i = 0; i < a->n_segments; i++) {
        const struct npu_segment *x = &a->segments[i], *y = &b->segments[i];
        assert_int_equal(x->address, y->address);
        assert_int_equal(x->size, y->size);
        assert_int_equal(x->file_size, y->file_size);
        assert_int_equal(x->flags, y->flags);
        if (x->file_size) {
            assert_memory_equal(x->data, y->data, x->file_size);
        }
    }
}

static void test_written_is_read(void **state)
{
    (void)state;
    struct npu_image *object = npu_assemble(program, "p.s");
    struct npu_image *image = link_one(object, NULL);
    struct npu_image *a = reread(object), *b = reread(image);
    compare(object, a);
    compare(image, b);
    assert_false(a->linked);
    assert_true(b->linked);
    // Code at 0, the rest from 0x70400; bss comes last and is not in the file.
    assert_int_equal(b->n_segments, 4);
    assert_int_equal(b->segments[0].address, 0);
    assert_int_equal(b->segments[0].flags, NPU_SEGMENT_READ | NPU_SEGMENT_EXEC);
    assert_int_equal(b->segments[1].address, 0x70400);
    assert_int_equal(b->segments[3].file_size, 0);
    assert_int_equal(b->segments[3].size, 128);
    npu_image_close(&object);
    npu_image_close(&image);
    npu_image_close(&a);
    npu_image_close(&b);
}

/* The file as other tools see it: fields at the places the ABI states. */
static void test_header(void **state)
{
    (void)state;
    struct npu_image *object = npu_assemble("\tnop\n", "h.s");
    uint8_t *bytes;
    size_t size;
    assert_ok(npu_image_write(object, &bytes, &size, NULL), NULL);
    static const uint8_t start[20] = {0x7f, 'E', 'L', 'F', 1, 1, 1, 0, 0, 0,
                                      0,    0,   0,   0,   0, 0, 1, 0, 8, 1};
    assert_memory_equal(bytes, start, sizeof start); // ET_REL, machine 264
    assert_int_equal(bytes[36], 2);                  // flags: AIE2
    assert_int_equal(bytes[40], 52);                 // size of the header
    assert_int_equal(bytes[46], 40);                 // size of a section header
    mem_free(bytes);
    npu_image_close(&object);
}

static void test_foreign_files(void **state)
{
    (void)state;
    static const struct {
        unsigned at;
        uint8_t byte;
        int code;
        const char *message;
    } cases[] = {
        {0, 0, SOTTO_EUNSUPPORTED, "not an ELF file"},
        {4, 2, SOTTO_EUNSUPPORTED, "32-bit little-endian"},
        {5, 2, SOTTO_EUNSUPPORTED, "32-bit little-endian"},
        {16, 3, SOTTO_EUNSUPPORTED, "neither an object nor an executable"},
        {18, 62, SOTTO_EUNSUPPORTED, "machine 318"},
        {36, 3, SOTTO_EUNSUPPORTED, "flags 0x3"},
        {35, 0x70, SOTTO_ESYNTAX, "section headers"},
        {46, 41, SOTTO_ESYNTAX, "section headers"},
        {50, 99, SOTTO_ESYNTAX, "no section 99"},
    };
    struct npu_image *object = npu_assemble(program, "f.s"), *back = NULL;
    uint8_t *bytes;
    size_t size;
    assert_ok(npu_image_write(object, &bytes, &size, NULL), NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sotto_diag diag = {0};
        uint8_t kept = bytes[cases[i].at];
        bytes[cases[i].at] = cases[i].byte;
        assert_error(npu_image_read(&back, bytes, size, "f.o", &diag), cases[i].code, &diag);
        assert_contains(diag.text, cases[i].message);
        assert_contains(diag.text, "f.o");
        bytes[cases[i].at] = kept;
    }
    assert_null(back);
    mem_free(bytes);
    npu_image_close(&object);
}

/* Every prefix of a file, and every byte changed: refused, or read without harm. */
static void check_damage(const struct npu_image *image)
{
    uint8_t *bytes;
    size_t size;
    uint64_t seed = 4;
    unsigned read = 0;
    assert_ok(npu_image_write(image, &bytes, &size, NULL), NULL);
    for (size_t n = 0; n < size; n++) {
        struct npu_image *back = NULL;
        struct sotto_diag diag = {0};
        uint8_t *copy = malloc(n ? n : 1);
        memcpy(copy, bytes, n);
        assert_true(npu_image_read(&back, copy, n, "cut.o", &diag) < 0);
        assert_true(diag.text[0] != 0);
        free(copy);
        uint8_t kept = bytes[n];
        bytes[n] ^= (uint8_t)(1 + test_random(&seed) % 255);
        if (npu_image_read(&back, bytes, size, "bad.o", &diag) == SOTTO_OK) {
            char *text;
            size_t length;
            assert_ok(dump_text(back, NULL, &text, &length, NULL, &diag), &diag);
            mem_free(text);
            npu_image_close(&back);
            read++;
        }
        bytes[n] = kept;
    }
    assert_true(read > 0 && read < size);
    mem_free(bytes);
}

static void test_damage(void **state)
{
    (void)state;
    struct npu_image *object = npu_assemble(program, "p.s");
    struct npu_image *image = link_one(object, NULL);
    check_damage(object);
    check_damage(image);
    npu_image_close(&object);
    npu_image_close(&image);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct npu_image *object = npu_assemble(program, "p.s");
    long n = 0;
    for (bool done = false; !done; n++) {
        uint8_t *bytes = NULL;
        size_t size;
        char *text = NULL;
        struct npu_image *back = NULL;
        mem_fail_at(n, 1);
        int err = npu_image_write(object, &bytes, &size, NULL);
        err = err ? err : npu_image_read(&back, bytes, size, "m.o", NULL);
        err = err ? err : dump_text(back, NULL, &text, &size, NULL, NULL);
        mem_fail_at(-1, 0);
        done = err == SOTTO_OK;
        assert_true(done || err == SOTTO_ENOMEM);
        mem_free(bytes);
        if (done) {
            mem_free(text);
        }
        npu_image_close(&back);
        assert_true(n < 500);
    }
    assert_true(n > 15);
    npu_image_close(&object);
}

static void test_files(void **state)
{
    (void)state;
    char dir[TEST_PATH], path[TEST_PATH + 16];
    struct npu_image *object = npu_assemble(program, "p.s"), *back = NULL;
    struct sotto_diag diag = {0};
    test_temp_dir(dir);
    snprintf(path, sizeof path, "%s/p.o", dir);
    assert_error(npu_image_open(&back, path, &diag), SOTTO_ENOENT, &diag);
    assert_ok(npu_image_save(object, path, &diag), &diag);
    assert_ok(npu_image_open(&back, path, &diag), &diag);
    compare(object, back);
    npu_image_close(&back);
    snprintf(path, sizeof path, "%s/no/p.o", dir);
    assert_error(npu_image_save(object, path, &diag), SOTTO_ENOENT, &diag);
    npu_image_close(&object);
    test_temp_dir_remove(dir);
}

/* ---- looking up ---- */

static void test_lookup(void **state)
{
    (void)state;
    struct npu_image *object = npu_assemble(program, "p.s");
    struct npu_image *image = link_one(object, NULL);
    uint32_t offset = 99;
    assert_int_equal(npu_image_symbol(image, "work")->value % 16, 0);
    assert_null(npu_image_symbol(image, "nothing"));
    const struct npu_symbol *s = npu_image_symbol_at(image, 6, &offset);
    assert_string_equal(s->name, "_start");
    assert_int_equal(offset, 6);
    s = npu_image_symbol_at(image, npu_image_symbol(image, "table")->value + 5, &offset);
    assert_string_equal(s->name, "table");
    assert_int_equal(offset, 5);
    assert_null(npu_image_symbol_at(image, 0x9000, NULL));
    assert_int_equal(npu_image_line(image, 0, 0)->line, 4);
    assert_int_equal(npu_image_line(image, 0, npu_image_symbol(image, "work")->value)->line, 14);
    assert_null(npu_image_line(image, 0, 0x3000));
    npu_image_close(&object);
    npu_image_close(&image);
}

/* ---- disassembly ---- */

static struct npu_image *image_of_code(const uint8_t *code, size_t size, bool linked)
{
    struct npu_image *image = npu_image_new("code");
    struct npu_section s = {.name = ".text",
                            .type = NPU_SHT_PROGBITS,
                            .flags = NPU_SHF_ALLOC | NPU_SHF_EXEC,
                            .size = (uint32_t)size,
                            .align = 16,
                            .data = code};
    image->linked = linked;
    assert_int_equal(npu_image_add_section(image, &s), 1);
    return image;
}

static void add_label(struct npu_image *image, const char *name, uint32_t value)
{
    struct npu_symbol s = {.name = name, .value = value, .section = 1, .bind = NPU_BIND_GLOBAL};
    assert_true(npu_image_add_symbol(image, &s) > 0);
}

/* Random bundles; in images half the branches are made to point into the code. */
static void test_random_bundles_come_back(void **state)
{
    (void)state;
    uint64_t seed = 5;
    unsigned bundles = 0;
    for (int round = 0; round < 20; round++) {
        uint8_t code[CODE_MAX];
        size_t size = npu_random_code(code, sizeof code, &seed);
        for (int linked = 0; linked < 2; linked++) {
            struct npu_image *image = image_of_code(code, size, linked);
            add_label(image, "a", 0);
            add_label(image, "b", (uint32_t)size);
            struct npu_image *back = reread(image);
            struct dump_counts counts = check_dump(back);
            assert_int_equal(counts.data_bytes, 0);
            bundles += counts.bundles;
            npu_image_close(&back);
            npu_image_close(&image);
        }
    }
    print_message("%u random bundles\n", bundles);
    assert_true(bundles > 15000);
}

/* Any bytes, labels anywhere, also between the bytes of a bundle; odd sizes. */
static void test_random_bytes_come_back(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b b", "c", "a", "r0", ".L1", "7", "\xff\"\\", "a.4"};
    uint64_t seed = 6;
    unsigned bundles = 0, data = 0;
    for (int round = 0; round < 300; round++) {
        uint8_t code[512];
        size_t size = npu_random_code(code, sizeof code - test_random(&seed) % 300, &seed);
        for (unsigned i = 0; i < 1 + size / 100; i++) {
            code[test_random(&seed) % (size ? size : 1)] ^= (uint8_t)test_random(&seed);
        }
        size -= size && round % 3 == 0;
        struct npu_image *image = image_of_code(code, size, round & 1);
        for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
            add_label(image, names[i], test_random(&seed) % ((uint32_t)size + 3));
        }
        struct dump_counts counts = check_dump(image);
        bundles += counts.bundles;
        data += counts.data_bytes;
        npu_image_close(&image);
    }
    print_message("%u bundles, %u bytes of data\n", bundles, data);
    assert_true(bundles > 3000 && data > 3000);
}

static void test_programs_come_back(void **state)
{
    (void)state;
    struct npu_image *object = npu_assemble(program, "p.s");
    struct npu_image *image = link_one(object, NULL);
    assert_int_equal(check_dump(object).data_bytes, 0);
    assert_int_equal(check_dump(image).data_bytes, 0);
    char *text;
    size_t length;
    assert_ok(dump_text(image, NULL, &text, &length, NULL, NULL), NULL);
    assert_contains(text, "jl #work");
    assert_contains(text, "movxm p0, #table");
    assert_contains(text, "jnz r0, #.Ldump0_"); // .Lback is not in the image: a new label
    mem_free(text);
    assert_ok(dump_text(object, NULL, &text, &length, NULL, NULL), NULL);
    assert_contains(text, "jnz r0, #.Lback");
    assert_contains(text, ".word\ttable+4");
    mem_free(text);
    npu_image_close(&object);
    npu_image_close(&image);
}

/* Relocations that no operand can say come back through `.reloc`. */
static void test_odd_relocations_come_back(void **state)
{
    (void)state;
    struct npu_image *image =
        npu_assemble("f:\tjl #64\n\t.reloc f, R_AIE_1, g+4\n\t.reloc 2, R_AIE_50, f\n\tnop\n"
                     "\t.data\nd:\t.word 7\n\t.reloc d, R_AIE_51, d\n\t.word 0\n"
                     "\t.reloc .-4, R_AIE_53, f+2\n",
                     "odd.s");
    assert_int_equal(npu_section_named(image, ".text")->n_relocs, 2);
    assert_int_equal(npu_section_named(image, ".data")->n_relocs, 2);
    check_dump(image);
    npu_image_close(&image);
}

/* Files without section headers are printed by their segments. */
static void test_segments_only(void **state)
{
    (void)state;
    struct npu_image *object = npu_assemble(program, "p.s");
    struct npu_image *image = link_one(object, NULL), *bare = NULL, *back = NULL;
    uint8_t *bytes;
    size_t size, length;
    char *text;
    struct sotto_diag diag = {0};
    assert_ok(npu_image_write(image, &bytes, &size, NULL), NULL);
    bytes[48] = bytes[49] = 0; // no section headers
    assert_ok(npu_image_read(&bare, bytes, size, "bare.elf", &diag), &diag);
    assert_ok(dump_text(bare, NULL, &text, &length, NULL, &diag), &diag);
    assert_ok(asm_text(&back, text, length, "bare.s", NULL, &diag), &diag);
    const struct npu_section *a = npu_section_named(image, ".text");
    const struct npu_section *b = npu_section_named(back, ".text");
    assert_int_equal(b->size, a->size);
    assert_memory_equal(b->data, a->data, a->size);
    mem_free(text);
    mem_free(bytes);
    npu_image_close(&object);
    npu_image_close(&image);
    npu_image_close(&bare);
    npu_image_close(&back);
}

/* ---- linking ---- */

static uint32_t value_of(const struct npu_image *image, const char *name)
{
    const struct npu_symbol *s = npu_image_symbol(image, name);
    if (!s) {
        fail_msg("no symbol %s", name);
    }
    return s->value;
}

static int link_two(struct npu_image **out, const char *a, const char *b,
                    const struct link_options *options, struct sotto_diag *diag)
{
    struct npu_image *objects[2] = {npu_assemble(a, "a.s"), npu_assemble(b, "b.s")};
    *out = NULL;
    int err =
        link_objects(out, (const struct npu_image *const *)objects, 2, "out.elf", options, diag);
    npu_image_close(&objects[0]);
    npu_image_close(&objects[1]);
    return err;
}

static void test_layout(void **state)
{
    (void)state;
    struct npu_image *image;
    struct sotto_diag diag = {0};
    const struct link_name places[] = {{".bank2", 0x78000}}, defines[] = {{"input", 0x74000}};
    struct link_options options;
    link_options_init(&options);
    options.places = places;
    options.n_places = 1;
    options.defines = defines;
    options.n_defines = 1;
    options.stack = 0x800;
    options.entry = "go";
    assert_ok(link_two(&image, "one:\tnop\n\t.data\nx: .byte 1\n\t.bss\nz: .space 5\n",
                       "\t.globl go\ngo:\tmovxm p0, #input\n\t.data\n\t.align 32\ny: .byte 2\n"
                       "\t.section .bank2,\"aw\"\nw: .word 3\n\t.comm c, 8, 64\n",
                       &options, &diag),
              &diag);
    assert_int_equal(value_of(image, "go"), 0); // first, although its object is second
    assert_int_equal(value_of(image, "one"), 16);
    assert_int_equal(value_of(image, "x"), 0x70800);
    assert_int_equal(value_of(image, "y"), 0x70820);
    assert_int_equal(value_of(image, "z"), 0x70824);
    assert_int_equal(value_of(image, "w"), 0x78000);
    assert_int_equal(value_of(image, "c"), 0x70840);
    assert_int_equal(value_of(image, "input"), 0x74000);
    assert_int_equal(value_of(image, "__stack_end"), 0x70800);
    assert_int_equal(value_of(image, "__data_end"), 0x70848);
    assert_int_equal(value_of(image, "__text_end"), 18);
    char *map;
    assert_ok(link_map(image, &map, &diag), &diag);
    assert_contains(map, "program 18 of 16384 bytes");
    assert_contains(map, "0x78000         4  .bank2");
    mem_free(map);
    check_dump(image);
    npu_image_close(&image);
}

static void test_definitions(void **state)
{
    (void)state;
    struct npu_image *image;
    struct sotto_diag diag = {0};
    // weak gives way; undefined weak is 0; common gives way; local symbols do not clash
    assert_ok(
        link_two(&image,
                 "\t.weak f\nf:\tnop\nl:\tnop\n\t.weak none\n\tmova r0, #none\n\t.comm c, 4\n",
                 "\t.globl f\nf:\tnop\nl:\tnop\n\t.data\n\t.globl c\nc: .word 1\n", NULL, &diag),
        &diag);
    assert_int_equal(value_of(image, "f"), 16);
    assert_int_equal(value_of(image, "c"), 0x70400);
    npu_image_close(&image);
    assert_error(
        link_two(&image, "\t.globl f\nf:\tnop\n", "\tnop\n\t.globl f\nf:\tnop\n", NULL, &diag),
        SOTTO_ESYNTAX, &diag);
    assert_string_equal(diag.text, "symbol 'f' is defined twice: also in a.s (in b.s)");
    assert_string_equal(diag.file, "b.s");
    assert_int_equal(diag.line, 3);
    assert_null(image);
}

static void expect_refusal(const char *text, const struct link_options *options, int code,
                           const char *message)
{
    struct npu_image *object = npu_assemble(text, "t.s"), *image = NULL;
    const struct npu_image *objects[] = {object};
    struct sotto_diag diag = {0};
    assert_error(link_objects(&image, objects, 1, "out.elf", options, &diag), code, &diag);
    assert_contains(diag.text, message);
    assert_null(image);
    npu_image_close(&object);
}

static void test_refusals(void **state)
{
    (void)state;
    struct link_options options;
    struct link_name place = {".text", 8};
    link_options_init(&options);
    options.places = &place;
    options.n_places = 1;
    expect_refusal("\tnop\n", &options, SOTTO_ESYNTAX,
                   "section .text cannot be at 0x8: it needs a multiple of 16");
    place = (struct link_name){".text", 0x70000};
    expect_refusal("\tnop\n", &options, SOTTO_ESYNTAX, "that is data memory");
    place = (struct link_name){".data", 0x70000};
    expect_refusal("\t.data\n\t.word 1\n", &options, SOTTO_ESYNTAX, "lies in the stack");
    place = (struct link_name){".other", 0x70400};
    expect_refusal("\t.data\n\t.word 1\n\t.section .other,\"aw\"\n\t.word 1\n", &options,
                   SOTTO_ESYNTAX, "overlaps");
    options.n_places = 0;
    options.entry = "nowhere";
    expect_refusal("\tnop\n", &options, SOTTO_ESYNTAX, "entry 'nowhere' is not defined");
    options.entry = NULL;
    options.data = 0x60000;
    expect_refusal("\tnop\n", &options, SOTTO_EINVAL, "must lie within");
    struct npu_image *object = npu_assemble("\tnop\n", "t.s");
    struct npu_image *image = link_one(object, NULL), *again = NULL;
    const struct npu_image *objects[] = {image};
    struct sotto_diag diag = {0};
    assert_error(link_objects(&again, objects, 1, "x", NULL, &diag), SOTTO_EINVAL, &diag);
    assert_contains(diag.text, "linked image");
    npu_image_close(&object);
    npu_image_close(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_is_read),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_foreign_files),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_random_bundles_come_back),
        cmocka_unit_test(test_random_bytes_come_back),
        cmocka_unit_test(test_programs_come_back),
        cmocka_unit_test(test_odd_relocations_come_back),
        cmocka_unit_test(test_segments_only),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_definitions),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
