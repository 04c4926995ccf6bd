/*
 * npu/asm: every row through its text, bundles in any order of slots, each directive's bytes, relocations
 * for every form of bundle, and wrong programs (tests/data/npu/err_*.s), whose first lines say what must be
 * reported where: "// LINE:COLUMN: message", one line per error.
 */
#include "support_npu_code.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "npu/asm/asm.h"
#include "npu/asm/link.h"
#include "npu/asm/text.h"

enum { ROUNDS = 40 };

static const struct text_place here = {"x.s", 7, 1};

/* ---- text of instructions and bundles ---- */

static void test_rows(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (unsigned id = 0; id < ISA_INSN_COUNT; id++) {
        for (int i = 0; i < ROUNDS; i++) {
            struct isa_op op;
            struct text_op back[TEXT_ROWS_MAX];
            struct sotto_diag diag = {0};
            char text[ISA_TEXT_MAX];
            npu_random_op(id, &seed, &op);
            isa_op_print(&op, text, sizeof text);
            int n = text_match_op(text, strlen(text), &here, NULL, back, TEXT_ROWS_MAX, &diag);
            if (n != 1) {
                fail_msg("'%s' is %d rows: %s", text, n, diag.text);
            }
            assert_memory_equal(&back[0].op, &op, sizeof op);
            assert_int_equal(back[0].ref.symbol.length, 0);
        }
    }
}

/* The slots' texts in a random order, with odd blanks. */
static void shuffle_text(const struct isa_bundle *b, uint64_t *seed, char *text, size_t size)
{
    unsigned order[ISA_SLOT_COUNT], n = 0;
    for (unsigned slot = 0; slot < ISA_SLOT_COUNT; slot++) {
        if (b->slots >> slot & 1) {
            unsigned at = test_random(seed) % ++n;
            order[n - 1] = order[at];
            order[at] = slot;
        }
    }
    size_t used = 0;
    for (unsigned i = 0; i < n; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s", i ? " ;\t" : " ");
        used += (size_t)isa_op_print(&b->op[order[i]], text + used, size - used);
    }
}

static void test_bundles(void **state)
{
    (void)state;
    uint64_t seed = 2;
    for (unsigned f = 0; f < ISA_FORMAT_COUNT; f++) {
        for (int i = 0; i < ROUNDS; i++) {
            struct isa_bundle b;
            struct text_bundle back;
            struct sotto_diag diag = {0};
            char text[2 * ISA_TEXT_MAX];
            npu_random_bundle(isa_format(f), &seed, &b);
            shuffle_text(&b, &seed, text, sizeof text);
            assert_ok(text_parse_bundle(text, strlen(text), &here, NULL, &back, &diag), &diag);
            assert_memory_equal(&back.bundle, &b, sizeof b);
            assert_int_equal(back.n_refs, 0);
        }
    }
}

static void test_symbols_of_operands(void **state)
{
    (void)state;
    static const char text[] = "jnz r4, #.LBB0_1; mova r0, #(table + 2*4); nopb; st r1, [p0], #4";
    struct text_bundle b;
    struct sotto_diag diag = {0};
    assert_ok(text_parse_bundle(text, strlen(text), &here, NULL, &b, &diag), &diag);
    assert_int_equal(b.n_refs, 2);
    assert_int_equal(b.refs[0].slot, ISA_SLOT_LNG);
    assert_int_equal(b.refs[0].symbol.length, 7);
    assert_memory_equal(b.refs[0].symbol.name, ".LBB0_1", 7);
    assert_int_equal(b.refs[0].column, 9);
    assert_int_equal(b.refs[1].slot, ISA_SLOT_LDA);
    assert_int_equal(b.refs[1].addend, 8);
    assert_int_equal(b.columns[ISA_SLOT_ST], 50);
}

static int virtual_reg(void *user, unsigned class_id, const char *name, size_t length)
{
    (void)user;
    assert_true(class_id < ISA_CLASS_COUNT);
    return length == 4 && memcmp(name, "vacc", 4) == 0 ? ISA_REG_COUNT + 5 : 0;
}

static bool constant(void *user, const char *name, size_t length, int64_t *value)
{
    *value = *(int *)user;
    return length == 1 && name[0] == 'N';
}

static void test_names(void **state)
{
    (void)state;
    int n = 12;
    const struct text_names names = {&n, virtual_reg, constant};
    struct text_op op;
    struct text_bundle b;
    struct sotto_diag diag = {0};
    static const char text[] = "lda vacc, [p0, #(N - 4) * 2]";
    assert_ok(text_parse_op(text, strlen(text), &here, &names, &op, &diag), &diag);
    assert_int_equal(op.op.value[0], ISA_REG_COUNT + 5);
    assert_int_equal(op.op.value[2], 16);
    // It has no encoding, so a bundle of it is none.
    assert_error(text_parse_bundle(text, strlen(text), &here, &names, &b, &diag), SOTTO_ESYNTAX,
                 &diag);
    assert_error(text_parse_op(text, strlen(text), &here, NULL, &op, &diag), SOTTO_ESYNTAX, &diag);
    assert_contains(diag.text, "'vacc'");
    assert_int_equal(diag.line, 7);
    assert_int_equal(diag.column, 5);
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int32_t value;
    } cases[] = {
        {"#0x7f", 127},
        {"#0b101", 5},
        {"#010", 8},
        {"#-1", -1},
        {"#~0", -1},
        {"#2+3*4", 14},
        {"#(2+3)*4", 20},
        {"#1<<4|3", 19},
        {"#0xffffffff", -1},
        {"#7/2", 3},
        {"#-7%4", -3},
        {"#'A'", 65},
        {"#'\\n'", 10},
        {"#6-2-1", 3},
        {"#0xf0>>4^1", 14},
        {"# 5 & 4", 4},
        {"#-2147483648", INT32_MIN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        struct text_op op;
        struct sotto_diag diag = {0};
        snprintf(text, sizeof text, "movxm r1, %s", cases[i].text);
        assert_ok(text_parse_op(text, strlen(text), &here, NULL, &op, &diag), &diag);
        assert_int_equal(op.op.value[1], cases[i].value);
    }
}

/* A text cut short anywhere is read without a byte beyond it (the sanitizer sees). */
static void test_cut_text(void **state)
{
    (void)state;
    static const char text[] = "lda r0, [p0], #4; jnz r1, #\"a b\"; nopb; vst wl0, [p1, #(0x20+1)]";
    for (size_t n = 0; n < strlen(text); n++) {
        char *copy = malloc(n ? n : 1);
        struct text_bundle b;
        struct sotto_diag diag = {0};
        memcpy(copy, text, n);
        if (text_parse_bundle(copy, n, &here, NULL, &b, &diag)) {
            assert_true(diag.text[0] != 0 && diag.column >= 1 && diag.column <= (int)n + 1);
        }
        free(copy);
    }
}

/* ---- directives ---- */

struct bytes {
    const char *text;
    unsigned n;
    uint8_t bytes[40];
};

static const struct bytes directives[] = {
    {".byte 1, -1, 'a', 0xff", 4, {1, 255, 97, 255}},
    {".short 0x1234, -2", 4, {0x34, 0x12, 0xfe, 0xff}},
    {".hword 1\n.2byte 2", 4, {1, 0, 2, 0}},
    {".word 0x12345678\n.long -1\n.int 5", 12, {0x78, 0x56, 0x34, 0x12, 255, 255, 255, 255, 5}},
    {".quad 0x0102030405060708", 8, {8, 7, 6, 5, 4, 3, 2, 1}},
    {".ascii \"a\\n\", \"\\x41\\101\\\\\\\"\"", 6, {'a', '\n', 'A', 'A', '\\', '"'}},
    {".asciz \"//\"\n.string \"/*\" // c", 6, {'/', '/', 0, '/', '*', 0}},
    {".byte 1\n.space 2\n.byte 2\n.skip 1, 7\n.zero 1", 6, {1, 0, 0, 2, 7, 0}},
    {".fill 2, 3, 0x010203", 6, {3, 2, 1, 3, 2, 1}},
    {".byte 1\n.align 4\n.byte 2", 5, {1, 0, 0, 0, 2}},
    {".byte 1\n.p2align 2, 0xee\n.byte 2", 5, {1, 0xee, 0xee, 0xee, 2}},
    {".byte 1\n.p2align 2,,2\n.byte 2\n.balign 4", 4, {1, 2, 0, 0}},
    {"a: .byte b-a\n.byte . - a\n.space 2\nb:", 4, {4, 1, 0, 0}},
    {"x = 3\n.set y, x*2\n.equ z, y+1\n.byte x, y, z", 3, {3, 6, 7}},
    {"a: .space 3\nb: n = b - a\n.byte n", 4, {0, 0, 0, 3}},
    {".byte 1 /* two\n lines */\n.byte 2 // and .byte 3", 2, {1, 2}},
    {".byte '\"' // \"\n.byte '/', '/'", 3, {'"', '/', '/'}},
};

static void test_directives(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof directives / sizeof directives[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, ".data\n%s\n", directives[i].text);
        struct npu_image *image = npu_assemble(text, "d.s");
        const struct npu_section *s = npu_section_named(image, ".data");
        if (s->size != directives[i].n) {
            fail_msg("%s: %u bytes, not %u", directives[i].text, s->size, directives[i].n);
        }
        assert_memory_equal(s->data, directives[i].bytes, s->size);
        npu_image_close(&image);
    }
}

/* Gaps in code are filled as llvm-aie fills them: its test codealign.s, and each length. */
static void test_code_alignment(void **state)
{
    (void)state;
    struct npu_image *image = npu_assemble("and r1, r2, r3\n.align 64\nor r1, r2, r3\n", "a.s");
    const struct npu_section *s = npu_section_named(image, ".text");
    static const uint8_t nop16[16] = {0xc0, 0x03}, nop12[12] = {0x37, 0x88, 0x03};
    assert_int_equal(s->size, 0x44);
    assert_int_equal(s->align, 64);
    for (unsigned i = 0; i < 3; i++) {
        assert_memory_equal(s->data + 4 + 16 * i, nop16, 16);
    }
    assert_memory_equal(s->data + 0x34, nop12, 12);
    npu_image_close(&image);
    for (unsigned n = 2; n <= 30; n += 2) {
        char text[64];
        struct isa_bundle b;
        snprintf(text, sizeof text, ".space %u\n.p2align 5\nret lr\n", 32 - n);
        image = npu_assemble(text, "a.s");
        s = npu_section_named(image, ".text");
        assert_int_equal(s->size, 36);
        for (unsigned at = 32 - n; at < 32; at += b.size) {
            assert_true(isa_decode(s->data + at, 32 - at, &b, NULL) > 0 && b.canonical);
            char printed[ISA_TEXT_MAX];
            isa_print(&b, printed, sizeof printed);
            assert_memory_equal(printed, "nop", 3);
        }
        npu_image_close(&image);
    }
}

static void test_sections_and_symbols(void **state)
{
    (void)state;
    struct npu_image *image = npu_assemble("\t.globl f, g\n\t.weak w\n\t.type f,@function\n"
                                           "f:\tret lr\n.Ldead:\tnop\n.Lend:\n\t.size f, .Lend-f\n"
                                           "\t.section .rodata.t,\"a\",@progbits\nt: .word f+4\n"
                                           "\t.bss\nz: .space 8\n\t.comm c, 16, 8\n"
                                           "\t.set k, 42\n\t.section \"odd one\",\"aw\"\n.byte 1\n",
                                           "s.s");
    const struct npu_symbol *f = npu_image_symbol(image, "f");
    assert_int_equal(f->size, 6);
    assert_int_equal(f->type, NPU_TYPE_FUNC);
    assert_int_equal(f->bind, NPU_BIND_GLOBAL);
    assert_null(npu_image_symbol(image, ".Ldead"));
    assert_null(npu_image_symbol(image, "g")); // declared only
    assert_int_equal(npu_image_symbol(image, "k")->value, 42);
    assert_int_equal(npu_image_symbol(image, "c")->section, NPU_SECTION_COMMON);
    assert_int_equal(npu_section_named(image, ".bss")->type, NPU_SHT_NOBITS);
    assert_int_equal(npu_section_named(image, ".bss")->size, 8);
    assert_int_equal(npu_section_named(image, "odd one")->flags, NPU_SHF_ALLOC | NPU_SHF_WRITE);
    const struct npu_section *t = npu_section_named(image, ".rodata.t");
    assert_int_equal(t->n_relocs, 1);
    assert_int_equal(t->relocs[0].type, 50);
    assert_int_equal(t->relocs[0].addend, 4);
    assert_string_equal(image->symbols[t->relocs[0].symbol].name, "f");
    const struct npu_line *line = npu_image_line(image, f->section, 4);
    assert_int_equal(line->line, 5);
    assert_string_equal(line->file, "s.s");
    npu_image_close(&image);
}

/* ---- relocations ---- */

/* A bundle of this format with a symbol in `slot`; the text to `text`. */
static void bundle_with_symbol(const struct isa_format *f, unsigned insn, uint64_t *seed,
                               struct isa_bundle *b, char *text, size_t size)
{
    unsigned slot = isa_insn(insn)->slot;
    int k = isa_reloc_operand(insn);
    size_t used = 0;
    npu_random_bundle(f, seed, b);
    npu_random_op(insn, seed, &b->op[slot]);
    b->op[slot].value[k] = 0;
    for (unsigned i = 0; i < f->count; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s", i ? "; " : "");
        used += (size_t)isa_op_print(&b->op[f->slots[i].slot], text + used, size - used);
        if (f->slots[i].slot == slot) {
            used = (size_t)(strrchr(text, '#') - text); // the last operand
            used += (size_t)snprintf(text + used, size - used, "#(sym%+d)", -3);
        }
    }
    snprintf(text + used, size - used, "\n");
}

static void check_reloc(const struct isa_format *f, unsigned insn, uint64_t *seed)
{
    unsigned slot = isa_insn(insn)->slot;
    int k = isa_reloc_operand(insn);
    int64_t min, max, step;
    char text[2 * ISA_TEXT_MAX];
    struct isa_bundle b, back;
    struct sotto_diag diag = {0};
    bundle_with_symbol(f, insn, seed, &b, text, sizeof text);
    struct npu_image *object = npu_assemble(text, "r.s"), *image = NULL;
    assert_int_equal(npu_section_named(object, ".text")->n_relocs, 1);
    isa_imm_range(&isa_insn(insn)->operands[k], &min, &max, &step);
    int32_t value = (int32_t)(min + (int64_t)(test_random(seed) % (uint64_t)(max - min + 1)));
    value &= ~1; // branches go to even addresses
    struct link_name sym = {"sym", (uint32_t)value + 3};
    struct link_options options;
    link_options_init(&options);
    options.defines = &sym;
    options.n_defines = 1;
    if (value < 0 && insn != ISA_INSN_MOVXM_lng_cg) {
        value &= (int32_t)max; // an address is not negative; what fits is positive
        sym.value = (uint32_t)value + 3;
    }
    const struct npu_image *objects[] = {object};
    assert_ok(link_objects(&image, objects, 1, "r.elf", &options, &diag), &diag);
    const struct npu_section *s = npu_section_named(image, ".text");
    assert_int_equal(isa_decode(s->data, s->size, &back, &diag), f->bytes);
    b.op[slot].value[k] = value;
    assert_memory_equal(&back, &b, sizeof b);
    npu_image_close(&object);
    npu_image_close(&image);
}

static void test_relocations(void **state)
{
    (void)state;
    uint64_t seed = 3;
    unsigned n = 0;
    for (unsigned insn = 0; insn < ISA_INSN_COUNT; insn++) {
        for (unsigned i = 0; i < ISA_FORMAT_COUNT && isa_reloc_operand(insn) >= 0; i++) {
            if (isa_format_slots(isa_format(i)) >> isa_insn(insn)->slot & 1) {
                check_reloc(isa_format(i), insn, &seed);
                n++;
            }
        }
    }
    print_message("%u forms of bundles with a symbol\n", n);
    assert_int_equal(n, 178);
}

/* ---- wrong programs ---- */

struct errors {
    unsigned n;
    struct sotto_diag list[ASM_ERRORS_MAX + 4];
};

static void collect(void *user, const struct sotto_diag *error)
{
    struct errors *e = user;
    assert_true(e->n < sizeof e->list / sizeof e->list[0]);
    e->list[e->n++] = *error;
}

/* Assembles, and links if that works and the file is called err_link. */
static void run_wrong(const char *path, bool link, const char *text, size_t length,
                      struct errors *e)
{
    struct npu_image *object = NULL, *image = NULL;
    const struct asm_options options = {e, collect};
    struct sotto_diag diag = {0};
    int err = asm_text(&object, text, length, path, &options, &diag);
    if (link) {
        struct link_options link_options;
        link_options_init(&link_options);
        link_options.user = e;
        link_options.on_error = collect;
        assert_ok(err, &diag);
        const struct npu_image *objects[] = {object};
        err = link_objects(&image, objects, 1, "out.elf", &link_options, &diag);
    }
    assert_error(err, SOTTO_ESYNTAX, &diag);
    assert_null(image);
    assert_string_equal(diag.text, e->list[0].text);
    npu_image_close(&object);
}

static void check_wrong(const char *path, bool link)
{
    size_t length;
    char *text = test_read_file(path, &length), *line = text;
    struct errors *e = calloc(1, sizeof *e);
    unsigned n = 0;
    run_wrong(path, link, text, length, e);
    for (; strncmp(line, "// ", 3) == 0; line = strchr(line, '\n') + 1) {
        int number = 0, column = 0, used = 0;
        assert_true(sscanf(line, "// %d:%d: %n", &number, &column, &used) == 2 && used > 0);
        const char *expected = line + used;
        const struct sotto_diag *d = &e->list[n];
        size_t size = strcspn(expected, "\n");
        if (n >= e->n || d->line != number || d->column != column || strlen(d->text) != size ||
            memcmp(d->text, expected, size) != 0) {
            fail_msg("%s: expected %.*s\ngot %d:%d: %s", path, (int)(size + (size_t)used), line,
                     d->line, d->column, d->text);
        }
        n++;
    }
    if (n == 0 || n != e->n) {
        fail_msg("%s: %u errors stated, %u found; the last is %d:%d: %s", path, n, e->n,
                 e->list[e->n - 1].line, e->list[e->n - 1].column, e->list[e->n - 1].text);
    }
    free(e);
    free(text);
}

static void test_wrong_programs(void **state)
{
    (void)state;
    static const char folder[] = "tests/data/npu";
    DIR *d = opendir(folder);
    struct dirent *entry;
    unsigned n = 0;
    assert_non_null(d);
    while ((entry = readdir(d))) {
        size_t length = strlen(entry->d_name);
        if (strncmp(entry->d_name, "err_", 4) == 0 && length > 6 &&
            strcmp(entry->d_name + length - 2, ".s") == 0 &&
            strncmp(entry->d_name, "err_sched", 9) != 0) {
            char path[TEST_PATH];
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            check_wrong(path, strncmp(entry->d_name, "err_link", 8) == 0);
            n++;
        }
    }
    closedir(d);
    print_message("%u wrong programs\n", n);
    assert_true(n >= 25);
}

static void test_many_errors(void **state)
{
    (void)state;
    struct npu_image *image = NULL;
    struct errors *e = calloc(1, sizeof *e);
    const struct asm_options options = {e, collect};
    char *text = malloc(3 * 1000 + 1);
    for (int i = 0; i < 1000; i++) {
        memcpy(text + 3 * i, "zz\n", 4);
    }
    assert_int_equal(asm_text(&image, text, 3000, "m.s", &options, NULL), SOTTO_ESYNTAX);
    assert_int_equal(e->n, ASM_ERRORS_MAX + 1);
    assert_contains(e->list[ASM_ERRORS_MAX].text, "too many errors");
    free(text);
    free(e);
}

/* Memory may end at any allocation: an error, nothing lost, nothing half made. */
static void test_out_of_memory(void **state)
{
    (void)state;
    static const char text[] = "f: jl #g\n.data\n.word f\n.asciz \"x\"\n.size f, 2\n.comm c, 4\n";
    long n = 0;
    for (bool done = false; !done; n++) {
        struct npu_image *image = NULL, *linked = NULL;
        struct sotto_diag diag = {0};
        const struct link_name g = {"g", 16};
        struct link_options options;
        link_options_init(&options);
        options.defines = &g;
        options.n_defines = 1;
        mem_fail_at(n, 1);
        int err = asm_text(&image, text, strlen(text), "o.s", NULL, &diag);
        const struct npu_image *objects[] = {image};
        err = err ? err : link_objects(&linked, objects, 1, "o.elf", &options, &diag);
        mem_fail_at(-1, 0);
        done = err == SOTTO_OK;
        assert_true(done || err == SOTTO_ENOMEM);
        assert_true(done || diag.code == SOTTO_ENOMEM);
        npu_image_close(&image);
        npu_image_close(&linked);
        assert_true(n < 500);
    }
    assert_true(n > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_bundles),
        cmocka_unit_test(test_symbols_of_operands),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_cut_text),
        cmocka_unit_test(test_directives),
        cmocka_unit_test(test_code_alignment),
        cmocka_unit_test(test_sections_and_symbols),
        cmocka_unit_test(test_relocations),
        cmocka_unit_test(test_wrong_programs),
        cmocka_unit_test(test_many_errors),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
