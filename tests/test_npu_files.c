/* Files of the array: what is written is byte for byte what the rules say, what is read comes back, and
 * damaged files are refused with the offset and the cause. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "npu/files/load.h"
#include "npu/files/pdi.h"
#include "npu/files/txn.h"
#include "npu/files/xclbin.h"
#include "npu/regs/regs.h"
#include "support.h"

static uint32_t word(const uint8_t *bytes, size_t offset)
{
    const uint8_t *p = bytes + offset;
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void set_word(uint8_t *bytes, size_t offset, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        bytes[offset + (size_t)i] = (uint8_t)(v >> 8 * i);
    }
}

/* ---- instruction streams ---- */

/* The transfer pattern of a real stream (attention_iron insts.txt), one column. */
static struct npu_txn *make_txn(void)
{
    static const uint32_t bd[8] = {0xC00, 0, 0, 0, 0x80000000, 0x02000000, 0, 0x02000000};
    const struct npu_txn_op ops[] = {
        {.code = NPU_TXN_BLOCKWRITE, .address = 0x1D000, .words = bd, .n_words = 8},
        {.code = NPU_TXN_PATCH, .address = 0x1D004, .argument = 2, .plus = 64},
        {.code = NPU_TXN_WRITE32, .address = 0x1D214, .value = 0},
        {.code = NPU_TXN_MASKWRITE, .address = 0x1D200, .value = 0xF00, .mask = 0x1F00},
        {.code = NPU_TXN_SYNC, .column = 3, .columns = 1, .rows = 1, .channel = 1, .mm2s = true},
        {.code = NPU_TXN_NOOP},
        {.code = 0x83, .words = bd, .n_words = 1},
    };
    struct npu_txn *txn = npu_txn_new(4);
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        assert_int_equal(npu_txn_add(txn, &ops[i]), SOTTO_OK);
    }
    return txn;
}

static const uint32_t txn_words[] = {
    0x06030100, 0x104, 7,          0xC4,       1,          0,          0x1D000, 48, 0xC00, 0,
    0,          0,     0x80000000, 0x02000000, 0,          0x02000000, 0x81,    48, 0,     0,
    0,          0,     0x1D004,    0,          2,          0,          64,      0,  0,     0,
    0x1D214,    0,     0,          24,         3,          0,          0x1D200, 0,  0xF00, 0x1F00,
    28,         0x80,  16,         0x30001,    0x01010100, 5,          0x83,    12, 0xC00,
};

static void test_txn(void **state)
{
    (void)state;
    struct sotto_diag diag = {0};
    struct npu_txn *txn = make_txn(), *back;
    uint8_t *bytes, *again;
    size_t size, again_size;
    assert_ok(npu_txn_write(txn, &bytes, &size, &diag), &diag);
    assert_int_equal(size, sizeof txn_words);
    for (size_t i = 0; i < size / 4; i++) {
        assert_int_equal(word(bytes, 4 * i), txn_words[i]);
    }
    assert_ok(npu_txn_read(&back, bytes, size, "t", &diag), &diag);
    assert_int_equal(back->n_ops, 7);
    assert_int_equal(back->ops[1].argument, 2);
    assert_int_equal(back->ops[1].plus, 64);
    assert_int_equal(back->ops[4].column, 3);
    assert_true(back->ops[4].mm2s);
    assert_int_equal(back->ops[3].mask, 0x1F00);
    assert_ok(npu_txn_write(back, &again, &again_size, &diag), &diag);
    assert_int_equal(again_size, size);
    assert_memory_equal(again, bytes, size);
    npu_txn_close(&back);

    // The same as text, one word per line.
    char *text = malloc(size * 3);
    for (size_t i = 0; i < size / 4; i++) {
        sprintf(text + i * 9, "%08x\n", word(bytes, 4 * i));
    }
    assert_ok(npu_txn_read(&back, (uint8_t *)text, size / 4 * 9, "t", &diag), &diag);
    assert_true(back->text);
    assert_int_equal(back->n_ops, 7);
    npu_txn_close(&back);
    free(text);
    mem_free(again);
    mem_free(bytes);
    npu_txn_close(&txn);
}

static void refuse_txn(size_t offset, uint32_t value, size_t size, const char *message)
{
    struct sotto_diag diag = {0};
    struct npu_txn *txn = NULL;
    uint8_t *bytes = malloc(size ? size : 1); // exactly as large, for the sanitizer
    for (size_t i = 0; i < size / 4; i++) {
        set_word(bytes, 4 * i, txn_words[i]);
    }
    if (offset < size) {
        set_word(bytes, offset, value);
    }
    assert_int_not_equal(npu_txn_read(&txn, bytes, size, "bad.bin", &diag), SOTTO_OK);
    assert_null(txn);
    assert_contains(diag.text, message);
    assert_contains(diag.text, "bad.bin");
    free(bytes);
}

static void test_txn_bad(void **state)
{
    (void)state;
    size_t all = sizeof txn_words;
    refuse_txn(0, 0x06030101, all, "version 1.1");
    refuse_txn(8, 8, all, "at 0xc4: the stream ends before its last instruction");
    refuse_txn(8, 6, all, "6 instructions end at 0xb8");
    refuse_txn(12, 0x100, all, "at 0xc: the stream says it has 256 bytes; the file has 196");
    refuse_txn(12, 0xC4, all - 4, "has 196 bytes; the file has 192");
    refuse_txn(16, 0x55, all, "at 0x10: there is no instruction 0x55");
    refuse_txn(28, 0xFFFFFFF0, all,
               "at 0x10: instruction 0x01 of 4294967280 bytes, but 180 are left");
    refuse_txn(28, 8, all, "at 0x10: instruction 0x01 of 8 bytes");
    refuse_txn(28, 50, all, "at 0x10: instruction 0x01 of 50 bytes");
    refuse_txn(68, 4, all, "at 0x40: instruction 0x81 of 4 bytes");
    for (size_t n = 0; n < all; n += 4) {
        refuse_txn(all, 0, n, "bad.bin");
    }
}

/* ---- CDO and PDI ---- */

static struct npu_cdo *make_cdo(unsigned n_block)
{
    uint32_t block[600];
    struct npu_cdo *cdo = npu_cdo_new();
    for (unsigned i = 0; i < 600; i++) {
        block[i] = i * 0x01010101;
    }
    assert_int_equal(npu_cdo_add_nop(cdo, 0), SOTTO_OK);
    assert_int_equal(npu_cdo_add_mask_write(cdo, 0x232000, 2, 2), SOTTO_OK);
    assert_int_equal(npu_cdo_add_write(cdo, 0x21F000, 1), SOTTO_OK);
    assert_int_equal(npu_cdo_add_block(cdo, 0x220000, block, n_block), SOTTO_OK);
    assert_int_equal(npu_cdo_add_nop(cdo, 3), SOTTO_OK);
    assert_int_equal(npu_cdo_add_write(cdo, 0x21F002, 1), SOTTO_EINVAL);
    return cdo;
}

static void test_cdo_bytes(void **state)
{
    (void)state;
    struct sotto_diag diag = {0};
    struct npu_cdo *cdo = make_cdo(2);
    uint8_t *bytes;
    size_t size;
    static const uint32_t words[] = {
        4,          0x004F4443, 0x200,      17,         ~(4u + 0x004F4443 + 0x200 + 17),
        0x00000111, 0x00030102, 0x232000,   2,          2,
        0x00020103, 0x21F000,   1,          0x00040105, 0,
        0x220000,   0,          0x01010101, 0x00030111, 0,
        0,          0};
    assert_ok(npu_cdo_write(cdo, &bytes, &size, &diag), &diag);
    assert_int_equal(size, sizeof words);
    for (size_t i = 0; i < size / 4; i++) {
        assert_int_equal(word(bytes, 4 * i), words[i]);
    }
    mem_free(bytes);
    npu_cdo_close(&cdo);
}

struct memory {
    uint32_t program[512], lock, control;
    unsigned n;
};

static int take_block(void *user, uint64_t address, const uint32_t *words, uint32_t n)
{
    struct memory *m = user;
    m->n++;
    if (address == 0x220000) {
        assert_true(n <= 512);
        memcpy(m->program, words, n * sizeof *words);
    } else {
        m->lock = words[0];
    }
    return 0;
}

static int take_masked(void *user, uint64_t address, uint32_t value, uint32_t mask)
{
    struct memory *m = user;
    assert_int_equal(address, 0x232000);
    m->control = (m->control & ~mask) | (value & mask);
    m->n++;
    return 0;
}

/* A long command, through a PDI and back, played into memory. */
static void test_pdi(void **state)
{
    (void)state;
    struct sotto_diag diag = {0};
    struct npu_cdo *cdo = make_cdo(500);
    struct npu_pdi *pdi;
    struct memory memory = {.control = 0x10};
    struct npu_cdo_sink sink = {.user = &memory, .block = take_block, .masked = take_masked};
    uint8_t *bytes, *again;
    size_t size, again_size;
    assert_ok(npu_pdi_write_cdo(cdo, &bytes, &size, &diag), &diag);
    assert_int_equal(size % 16, 0);
    // Words of every real image (formats: first and last of each table).
    assert_int_equal(word(bytes, 0), 0xDD);
    assert_int_equal(word(bytes, 0x10), 0x00040000);
    assert_int_equal(word(bytes, 0x28), 0x14CA8093);
    assert_int_equal(word(bytes, 0x38), 0x50504449);
    assert_int_equal(word(bytes, 0x8C), 0x9AC12A78);
    assert_memory_equal(bytes + 0xA0, "aie_image\0\0\0\0\0\0\0", 16);
    assert_int_equal(word(bytes, 0xD0) * 4, size - 0x150);
    assert_int_equal(word(bytes, 0xF0), 0x54);
    assert_ok(npu_pdi_read(&pdi, bytes, size, "p", 0, &diag), &diag);
    assert_int_equal(pdi->cdo->n_cmds, 5);
    assert_true(pdi->cdo->cmds[3].long_form);
    assert_int_equal(npu_cdo_apply(pdi->cdo, &sink), 0);
    assert_int_equal(memory.n, 3);
    assert_int_equal(memory.lock, 1);
    assert_int_equal(memory.control, 0x12);
    assert_int_equal(memory.program[499], 499u * 0x01010101u);
    assert_ok(npu_pdi_write(pdi, &again, &again_size, &diag), &diag);
    assert_int_equal(again_size, size);
    assert_memory_equal(again, bytes, size);
    mem_free(again);
    mem_free(bytes);
    npu_pdi_close(&pdi);
    npu_cdo_close(&cdo);
}

static void refuse_pdi(size_t offset, uint32_t value, size_t cut, const char *message)
{
    struct sotto_diag diag = {0};
    struct npu_cdo *cdo = make_cdo(8);
    struct npu_pdi *pdi = NULL;
    uint8_t *bytes;
    size_t size;
    assert_ok(npu_pdi_write_cdo(cdo, &bytes, &size, &diag), &diag);
    uint8_t *exact = malloc(size - cut + 1);
    memcpy(exact, bytes, size - cut);
    if (offset + 4 <= size - cut) {
        set_word(exact, offset, value);
    }
    assert_int_not_equal(npu_pdi_read(&pdi, exact, size - cut, "bad.pdi", 0, &diag), SOTTO_OK);
    assert_contains(diag.text, message);
    free(exact);
    mem_free(bytes);
    npu_cdo_close(&cdo);
}

static void test_pdi_bad(void **state)
{
    (void)state;
    refuse_pdi(0, 1, 0, "this is no PDI");
    refuse_pdi(0x28, 1, 0, "at 0x10: the image header table's checksum is 0x9ac12a78");
    refuse_pdi(0xB0, 1, 0, "at 0x90: the image header's checksum");
    refuse_pdi(0xD0, 1, 0, "at 0xd0: the partition header's checksum");
    refuse_pdi(0x160, 1, 0, "at 0x160: the CDO header's checksum");
    refuse_pdi(0x154, 1, 0, "at 0x150: this is no CDO");
    refuse_pdi(0x164, 0x00000211, 0, "at 0x164: 0x00000211 is no command");
    refuse_pdi(0x168, 0x00020102, 0, "at 0x168: too few words for this command");
    refuse_pdi(0x168, 0x00F00102, 0, "at 0x168: command 0x102 has 240 words, but 21 are left");
    refuse_pdi(0x9999, 0, 16, "the file has");
    refuse_pdi(0x9999, 0, 0x80, "the file");
}

/* ---- xclbin ---- */

static void make_partition(struct npu_partition *p, const uint8_t *image, uint32_t size,
                           struct npu_partition_pdi *pdi, struct npu_group *group)
{
    static const uint16_t start[] = {1, 2, 3, 4};
    static const uint64_t kernels[] = {0x901};
    static const uint32_t pre[] = {0xC1};
    *group = (struct npu_group){"DPU", NPU_GROUP_PRIMARY, 1, kernels, 1, pre, 1};
    *pdi = (struct npu_partition_pdi){
        .uuid = {1, 2, 3}, .image = image, .image_size = size, .groups = group, .n_groups = 1};
    *p = (struct npu_partition){.name = "QoS",
                                .operations_per_cycle = 2048,
                                .inference_fingerprint = 23423,
                                .pre_post_fingerprint = 12345,
                                .kernel_commit = "",
                                .columns = 1,
                                .start_columns = start,
                                .n_start_columns = 4,
                                .pdis = pdi,
                                .n_pdis = 1};
}

static void make_xclbin(uint8_t **bytes, size_t *size)
{
    struct sotto_diag diag = {0};
    struct npu_cdo *cdo = make_cdo(8);
    struct npu_partition partition;
    struct npu_partition_pdi pdi;
    struct npu_group group;
    uint8_t *image, uuid[16] = {0xAB, 1};
    size_t image_size;
    assert_ok(npu_pdi_write_cdo(cdo, &image, &image_size, &diag), &diag);
    make_partition(&partition, image, (uint32_t)image_size, &pdi, &group);
    struct npu_xclbin *x = npu_xclbin_new(uuid, 1700000000);
    assert_ok(npu_xclbin_add_kernel(x, &(struct npu_xclbin_kernel){"MLIR_AIE", "MLIRAIE", 0x901, 5},
                                    &partition, &diag),
              &diag);
    assert_ok(npu_xclbin_write(x, bytes, size, &diag), &diag);
    npu_xclbin_close(&x);
    mem_free(image);
    npu_cdo_close(&cdo);
}

static void test_xclbin(void **state)
{
    (void)state;
    struct sotto_diag diag = {0};
    struct npu_xclbin *x;
    struct npu_partition *p;
    struct npu_pdi *pdi;
    struct npu_mem mem;
    struct npu_ip ip;
    struct npu_connection c;
    uint8_t *bytes, *again;
    size_t size, again_size;
    make_xclbin(&bytes, &size);
    assert_ok(npu_xclbin_read(&x, bytes, size, "x", &diag), &diag);
    assert_int_equal(x->n_sections, 7);
    for (uint32_t i = 0; i < x->n_sections; i++) {
        assert_int_equal(x->sections[i].offset % 8, 0);
    }
    const struct npu_xclbin_section *s = npu_xclbin_section(x, NPU_SECTION_MEM_TOPOLOGY);
    assert_int_equal(npu_section_count(x, s, &diag), 2);
    npu_section_mem(s, 1, &mem);
    assert_string_equal(mem.tag, "SRAM");
    assert_int_equal(mem.size_kb, 0xC000);
    s = npu_xclbin_section(x, NPU_SECTION_IP_LAYOUT);
    assert_int_equal(npu_section_count(x, s, &diag), 1);
    npu_section_ip(s, 0, &ip);
    assert_int_equal(ip.properties, 0x09010001);
    assert_string_equal(ip.name, "MLIR_AIE:MLIRAIE");
    s = npu_xclbin_section(x, NPU_SECTION_CONNECTIVITY);
    assert_int_equal(npu_section_count(x, s, &diag), 6);
    npu_section_connection(s, 0, &c);
    assert_int_equal(c.argument * 10 + c.mem, 11);
    npu_section_connection(s, 5, &c);
    assert_int_equal(c.argument * 10 + c.mem, 70);
    s = npu_xclbin_section(x, NPU_SECTION_AIE_PARTITION);
    assert_ok(npu_partition_read(&p, s->data, s->size, "x", s->offset, &diag), &diag);
    assert_string_equal(p->name, "QoS");
    assert_int_equal(p->start_columns[3], 4);
    assert_int_equal(p->pdis[0].groups[0].kernel_ids[0], 0x901);
    assert_int_equal(p->pdis[0].groups[0].pre_groups[0], 0xC1);
    assert_ok(npu_pdi_read(&pdi, p->pdis[0].image, p->pdis[0].image_size, "x", 0, &diag), &diag);
    assert_int_equal(pdi->cdo->n_cmds, 5);
    assert_ok(npu_partition_write(p, &again, &again_size, &diag), &diag);
    assert_int_equal(again_size, s->size);
    assert_memory_equal(again, s->data, again_size);
    mem_free(again);
    assert_ok(npu_xclbin_write(x, &again, &again_size, &diag), &diag);
    assert_int_equal(again_size, size);
    assert_memory_equal(again, bytes, size);
    mem_free(again);
    npu_pdi_close(&pdi);
    npu_partition_close(&p);
    npu_xclbin_close(&x);
    mem_free(bytes);
}

/* Any one word of a file changed: read, or refused with a reason; never more than the file is touched. */
static void test_damage(void **state)
{
    (void)state;
    uint8_t *bytes;
    size_t size;
    static const uint32_t values[] = {0, 0x7FFFFFFF, 0xFFFFFFF8};
    make_xclbin(&bytes, &size);
    for (size_t at = 0x120; at + 4 <= size; at += 4) {
        uint32_t old = word(bytes, at);
        for (int v = 0; v < 3; v++) {
            struct sotto_diag diag = {0};
            struct npu_xclbin *x = NULL;
            struct npu_partition *p = NULL;
            set_word(bytes, at, values[v]);
            if (npu_xclbin_read(&x, bytes, size, "x", &diag)) {
                assert_contains(diag.text, "x: at 0x");
                continue;
            }
            const struct npu_xclbin_section *s = npu_xclbin_section(x, NPU_SECTION_AIE_PARTITION);
            if (s && npu_partition_read(&p, s->data, s->size, "x", s->offset, &diag)) {
                assert_contains(diag.text, "x: at 0x");
            }
            npu_partition_close(&p);
            npu_xclbin_close(&x);
        }
        set_word(bytes, at, old);
    }
    mem_free(bytes);
}

/* XRT's own tool takes our file. Debian's package libxrt-utils has only its wrapper script. */
static void test_xclbinutil(void **state)
{
    (void)state;
    char dir[TEST_PATH], path[TEST_PATH + 32], command[5 * TEST_PATH], line[512];
    const char *tool = getenv("XCLBINUTIL") ? getenv("XCLBINUTIL") : "xclbinutil";
    uint8_t *bytes;
    size_t size;
    bool memory = false, sections = false;
    snprintf(command, sizeof command, "%s --help 2>/dev/null | grep -q -e --info", tool);
    if (system(command) != 0) {
        test_skip("there is no working xclbinutil (Debian's package lacks the program itself)");
    }
    make_xclbin(&bytes, &size);
    test_temp_dir(dir);
    snprintf(path, sizeof path, "%s/ours.xclbin", dir);
    test_write_file(path, bytes, size);
    snprintf(command, sizeof command, "%s --info --input %s 2>&1", tool, path);
    FILE *f = popen(command, "r");
    while (f && fgets(line, sizeof line, f)) {
        memory |= strstr(line, "SRAM") != NULL;
        sections |= strstr(line, "AIE_PARTITION") != NULL;
    }
    assert_int_equal(pclose(f), 0);
    assert_true(memory && sections);
    snprintf(
        command, sizeof command,
        "cd %s && %s --input %s --dump-section 'AIE_PARTITION[QoS]:JSON:p.json' >/dev/null 2>&1 "
        "&& grep -q 0x901 p.json",
        dir, tool, path);
    assert_int_equal(system(command), 0);
    test_temp_dir_remove(dir);
    mem_free(bytes);
}

/* ---- core images ---- */

static int count_words(void *user, uint64_t address, const uint32_t *words, uint32_t n)
{
    char *log = user;
    size_t at = strlen(log);
    snprintf(log + at, 512 - at, "%llx:%u:%x ", (unsigned long long)address, n, n ? words[0] : 0);
    return 0;
}

static void test_load(void **state)
{
    (void)state;
    char log[512] = "";
    struct sotto_diag diag = {0};
    struct npu_cdo_sink sink = {.user = log, .block = count_words};
    static const uint8_t data[] = {1, 2, 3, 4, 5, 6};
    struct npu_image *image = npu_image_new("core.elf");
    image->linked = true;
    npu_image_add_segment(
        image, &(struct npu_segment){.address = 0x10, .size = 6, .file_size = 6, .data = data});
    npu_image_add_segment(
        image, &(struct npu_segment){.address = 0x7FFF8, .size = 8, .file_size = 4, .data = data});
    npu_image_add_segment(
        image, &(struct npu_segment){.address = 0x6FFFC, .size = 8, .file_size = 6, .data = data});
    assert_ok(npu_load_image(image, 1, 2, &sink, &diag), &diag);
    // Program; own memory with zeros; from the north neighbour over into the own memory.
    assert_string_equal(log,
                        "2220010:2:4030201 220fff8:2:4030201 230fffc:1:4030201 2200000:1:605 ");
    assert_error(npu_load_image(image, 1, 5, &sink, &diag), SOTTO_ESYNTAX, &diag);
    assert_contains(diag.text, "0x6fffc: the core has no neighbour there");
    npu_image_add_segment(
        image, &(struct npu_segment){.address = 0x3FFC, .size = 8, .file_size = 4, .data = data});
    assert_error(npu_load_image(image, 1, 2, &sink, &diag), SOTTO_ESYNTAX, &diag);
    assert_contains(diag.text, "program memory has 16384 bytes");
    npu_image_close(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_txn),       cmocka_unit_test(test_txn_bad),
        cmocka_unit_test(test_cdo_bytes), cmocka_unit_test(test_pdi),
        cmocka_unit_test(test_pdi_bad),   cmocka_unit_test(test_xclbin),
        cmocka_unit_test(test_damage),    cmocka_unit_test(test_xclbinutil),
        cmocka_unit_test(test_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
