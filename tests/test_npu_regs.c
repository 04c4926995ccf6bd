/* The register tables: every field, every register, descriptors, ports, limits, and the values that real
 * compilers write (Unicorn-Commander/Unicorn-Amanuensis matmul_32x32 main.pdi, decoded). */
#include <stdio.h>
#include <string.h>

#include "npu/regs/regs.h"
#include "support.h"

/* Each field holds all its values and touches no other bit; fields of a word do not overlap. */
static void test_fields(void **state)
{
    (void)state;
    unsigned n_fields = 0;
    for (unsigned n = 0; npu_reg(n); n++) {
        const struct npu_reg *r = npu_reg(n);
        uint32_t taken[NPU_BD_WORDS] = {0};
        unsigned end = npu_reg(n + 1) ? npu_reg(n + 1)->first_field : NPU_FIELDS;
        assert_true(end > r->first_field);
        for (unsigned id = r->first_field; id < end; id++, n_fields++) {
            const struct npu_field *f = npu_field(id);
            uint32_t mask = npu_field_mask(id), max = mask >> f->lo;
            assert_true(f->hi < 32 && f->hi >= f->lo);
            assert_true(f->word == NPU_WORD_ANY || f->word < r->words);
            if (f->word != NPU_WORD_ANY) {
                assert_int_equal(taken[f->word] & mask, 0);
                taken[f->word] |= mask;
            }
            assert_int_equal(npu_field_get(id, npu_field_put(id, 0, max)), max);
            assert_int_equal(npu_field_get(id, npu_field_put(id, ~0u, 0)), 0);
            assert_int_equal(npu_field_put(id, 0, ~0u), mask);
            assert_int_equal(npu_field_put(id, ~0u, 0), ~mask);
            for (uint32_t v = 1; v <= max && v; v <<= 1) {
                assert_int_equal(npu_field_get(id, npu_field_put(id, 0x5A5A5A5A, v)), v);
            }
        }
    }
    assert_int_equal(n_fields, NPU_FIELDS);
    assert_null(npu_field(NPU_FIELDS));
}

/* Every word of every register is found again under its name, index and word: nothing overlaps. */
static void test_registers(void **state)
{
    (void)state;
    for (unsigned n = 0; npu_reg(n); n++) {
        const struct npu_reg *r = npu_reg(n);
        assert_ptr_equal(npu_reg_find(r->kind, r->name), r);
        for (unsigned i = 0; i<r->count; i += r->count> 100 ? r->count - 1 : 1) {
            for (unsigned w = 0; w < r->words; w++) {
                unsigned index = ~0u, word = ~0u;
                uint32_t offset = r->offset + i * r->stride + w * 4;
                assert_true(offset < NPU_TILE_BYTES);
                assert_ptr_equal(npu_reg_at(r->kind, offset, &index, &word), r);
                assert_int_equal(index, i);
                assert_int_equal(word, w);
            }
        }
    }
}

static void check_text(enum npu_tile_kind kind, uint32_t offset, uint32_t value, const char *name,
                       const char *text)
{
    char got[256];
    npu_reg_print(got, sizeof got, kind, offset);
    assert_string_equal(got, name);
    npu_reg_print_fields(got, sizeof got, kind, offset, value, ~0u);
    assert_string_equal(got, text);
}

static void test_print(void **state)
{
    (void)state;
    char small[8];
    check_text(NPU_TILE_CORE, 0x32000, 2, "core_control", "reset=1 enable=0");
    check_text(NPU_TILE_SHIM, 0x3F034, 0x80000005, "ss_master[13] (north 1)",
               "enable=1 packet=0 drop_header=0 configuration=5");
    check_text(NPU_TILE_SHIM, 0x3F114, 0x80000000, "ss_slave[5] (south 3)", "enable=1 packet=0");
    check_text(NPU_TILE_SHIM, 0x3F008, 0xC0000045, "ss_master[2] (south 0)",
               "enable=1 packet=1 drop_header=0 configuration=69");
    check_text(NPU_TILE_SHIM, 0x3F100, 0xC0000000, "ss_slave[0] (control 0)", "enable=1 packet=1");
    check_text(NPU_TILE_SHIM, 0x3F200, 0x0F1F0135, "ss_slot[0].word0 (control 0)",
               "id=15 mask=31 enable=1 msel=3 arbiter=5");
    check_text(NPU_TILE_MEM, 0xB0030, 0x80000008, "ss_master[12] (north 1)",
               "enable=1 packet=0 drop_header=0 configuration=8");
    check_text(NPU_TILE_MEM, 0xB0120, 0x80000000, "ss_slave[8] (south 1)", "enable=1 packet=0");
    check_text(NPU_TILE_CORE, 0x3F004, 0x80000006, "ss_master[1] (dma 0)",
               "enable=1 packet=0 drop_header=0 configuration=6");
    check_text(NPU_TILE_SHIM, 0x1D204, 0x80000001, "dma_s2mm_queue[0]", "token=1 repeat=0 bd_id=1");
    check_text(NPU_TILE_SHIM, 0x1D21C, 0x00020003, "dma_mm2s_queue[1]", "token=0 repeat=2 bd_id=3");
    check_text(NPU_TILE_SHIM, 0x1F000, 0x400, "mux", "south7=0 south6=0 south3=1 south2=0");
    check_text(NPU_TILE_CORE, 0x1F010, 2, "lock[1]", "value=2");
    check_text(NPU_TILE_CORE, 0x20010, 2, "program_memory+0x10", "");
    check_text(NPU_TILE_CORE, 0x1C000, 2, "0x1c000", "");
    npu_reg_print_fields(small, sizeof small, NPU_TILE_SHIM, 0x1D200, 0xF00, 0x1F00);
    assert_string_equal(small, "control"); // cut, and only the field under the mask
}

static void test_addresses(void **state)
{
    (void)state;
    unsigned column, row;
    uint32_t offset;
    assert_int_equal(npu_address(1, 2, 0x1F000), 0x0221F000);
    npu_address_split(0x0221F000, &column, &row, &offset);
    assert_int_equal(column, 1);
    assert_int_equal(row, 2);
    assert_int_equal(offset, 0x1F000);
    npu_address_split(npu_address(4, 5, 0xFFFFF), &column, &row, &offset);
    assert_int_equal(column * 1000 + row * 100, 4500);
    assert_int_equal(offset, 0xFFFFF);
    assert_int_equal(npu_tile_kind(0), NPU_TILE_SHIM);
    assert_int_equal(npu_tile_kind(1), NPU_TILE_MEM);
    assert_int_equal(npu_tile_kind(5), NPU_TILE_CORE);
    assert_int_equal(npu_memory_bank(NPU_TILE_CORE, 0x4010), 3);
    assert_int_equal(npu_memory_bank(NPU_TILE_CORE, 0xFFE0), 6);
    assert_int_equal(npu_memory_bank(NPU_TILE_MEM, 0x1F0), 15);
}

/* ---- descriptors ---- */

static void random_words(enum npu_tile_kind kind, uint64_t *seed, uint32_t *words)
{
    const struct npu_reg *r = npu_reg_find(kind, "dma_bd");
    for (unsigned w = 0; w < r->words; w++) {
        uint32_t used = 0;
        for (unsigned id = r->first_field;
             npu_field(id) && id < npu_reg_find(kind, "dma_s2mm_ctrl")->first_field; id++) {
            used |= npu_field(id)->word == w ? npu_field_mask(id) : 0;
        }
        words[w] = test_random(seed) & used;
    }
}

static void test_bd_random(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (int kind = 0; kind < NPU_TILE_KINDS; kind++) {
        for (int i = 0; i < 2000; i++) {
            uint32_t words[NPU_BD_WORDS] = {0}, back[NPU_BD_WORDS] = {0};
            struct npu_bd bd, again;
            struct sotto_diag diag = {0};
            random_words((enum npu_tile_kind)kind, &seed, words);
            npu_bd_unpack((enum npu_tile_kind)kind, words, &bd);
            assert_ok(npu_bd_pack((enum npu_tile_kind)kind, &bd, back, &diag), &diag);
            assert_memory_equal(words, back, sizeof words);
            npu_bd_unpack((enum npu_tile_kind)kind, back, &again);
            assert_memory_equal(&bd, &again, sizeof bd);
        }
    }
}

static void check_bd(enum npu_tile_kind kind, const uint32_t *words, const struct npu_bd *expected,
                     const char *text)
{
    uint32_t packed[NPU_BD_WORDS];
    struct npu_bd bd;
    struct sotto_diag diag = {0};
    char got[256];
    assert_ok(npu_bd_pack(kind, expected, packed, &diag), &diag);
    assert_memory_equal(packed, words, npu_limits(kind)->bd_words * sizeof *words);
    npu_bd_unpack(kind, words, &bd);
    npu_bd_print(got, sizeof got, kind, &bd);
    assert_string_equal(got, text);
}

/* Words of real files. */
static void test_bd_real(void **state)
{
    (void)state;
    check_bd(NPU_TILE_CORE, (uint32_t[]){0x00400200, 0, 0, 0, 0, 0x0E043FE0},
             &(struct npu_bd){.address = 0x400,
                              .length = 512,
                              .valid = 1,
                              .use_next_bd = 1,
                              .next_bd = 1,
                              .acquire_enable = 1,
                              .acquire_value = -1,
                              .release_lock = 1,
                              .release_value = 1},
             "512 words at 0x400, acquire lock 0 >= 1, release lock 1 +1, then descriptor 1");
    check_bd(NPU_TILE_CORE, (uint32_t[]){0x01400100, 0, 0, 0, 0, 0x1E045FE3},
             &(struct npu_bd){.address = 0x1400,
                              .length = 256,
                              .valid = 1,
                              .use_next_bd = 1,
                              .next_bd = 3,
                              .acquire_enable = 1,
                              .acquire_value = -1,
                              .acquire_lock = 3,
                              .release_lock = 2,
                              .release_value = 1},
             "256 words at 0x1400, acquire lock 3 >= 1, release lock 2 +1, then descriptor 3");
    check_bd(NPU_TILE_SHIM, (uint32_t[]){0xC00, 0, 0, 0, 0x80000000, 0x02000000, 0, 0x02000000},
             &(struct npu_bd){.length = 0xC00, .burst = 2, .axcache = 2, .valid = 1},
             "3072 words at 0x0, burst 256, axcache 2");
    check_bd(NPU_TILE_SHIM, (uint32_t[]){8, 0x89ABCDEC, 0x4567, 0x00400001, 0, 0, 0, 0x02000000},
             &(struct npu_bd){
                 .length = 8, .address = 0x456789ABCDEC, .wrap = {4}, .step = {2}, .valid = 1},
             "8 words at 0x456789abcdec, pattern [4:2 :1], burst 64, axcache 0");
    check_bd(NPU_TILE_MEM,
             (uint32_t[]){64, 0x0C020000, 0x00100000, 0x0004000F, 0, 0x00020000, 0, 0x81408140},
             &(struct npu_bd){.length = 64,
                              .address = 0x80000,
                              .zero_before = {3},
                              .wrap = {8, 2},
                              .step = {1, 16},
                              .zero_after = {1},
                              .valid = 1,
                              .acquire_enable = 1,
                              .acquire_lock = 64,
                              .acquire_value = 1,
                              .release_lock = 64,
                              .release_value = 1},
             "64 words at 0x80000, pattern [8:1 2:16 :1], zeros in dimension 0: 3 before, 1 after, "
             "acquire lock 64 == 1, release lock 64 +1");
}

static void refuse(enum npu_tile_kind kind, const struct npu_bd *bd, const char *message)
{
    uint32_t words[NPU_BD_WORDS] = {1, 2, 3};
    struct sotto_diag diag = {0};
    assert_error(npu_bd_pack(kind, bd, words, &diag), SOTTO_EINVAL, &diag);
    assert_contains(diag.text, message);
    assert_int_equal(words[0] + words[1] + words[2], 6); // untouched
}

static void test_bd_limits(void **state)
{
    (void)state;
    refuse(NPU_TILE_CORE, &(struct npu_bd){.length = 16384}, "length is 16384; it goes to 16383");
    refuse(NPU_TILE_CORE, &(struct npu_bd){.address = 0x10000},
           "address is 65536; it goes to 65535");
    refuse(NPU_TILE_CORE, &(struct npu_bd){.address = 6}, "0x6, which is not a multiple of 4");
    refuse(NPU_TILE_CORE, &(struct npu_bd){.step = {0, 8193}}, "step[1] is 8193; it goes to 8192");
    refuse(NPU_TILE_CORE, &(struct npu_bd){.step = {0, 0, 0, 4}}, "core descriptor has no step[3]");
    refuse(NPU_TILE_CORE, &(struct npu_bd){.zero_before = {1}}, "has no zero_before[0]");
    refuse(NPU_TILE_MEM, &(struct npu_bd){.wrap = {1024}}, "wrap[0] is 1024; it goes to 1023");
    refuse(NPU_TILE_MEM, &(struct npu_bd){.next_bd = 64}, "next_bd is 64; it goes to 63");
    refuse(NPU_TILE_MEM, &(struct npu_bd){.release_value = 64}, "is 64; it goes from -64 to 63");
    refuse(NPU_TILE_MEM, &(struct npu_bd){.acquire_value = -65}, "is -65; it goes from -64 to 63");
    refuse(NPU_TILE_MEM, &(struct npu_bd){.burst = 1}, "memory tile descriptor has no burst");
    refuse(NPU_TILE_SHIM, &(struct npu_bd){.address = 1ull << 48}, "it goes to 281474976710655");
    refuse(NPU_TILE_SHIM, &(struct npu_bd){.iteration_wrap = 65}, "it goes to 64");
    refuse(NPU_TILE_SHIM, &(struct npu_bd){.compression = 1}, "shim descriptor has no compression");
}

/* limits.def says what the fields can hold. */
static void test_limits(void **state)
{
    (void)state;
    for (int k = 0; k < NPU_TILE_KINDS; k++) {
        enum npu_tile_kind kind = (enum npu_tile_kind)k;
        const struct npu_limits *l = npu_limits(kind);
        uint32_t words[NPU_BD_WORDS];
        struct sotto_diag diag = {0};
        struct npu_bd fits = {.length = l->length_max,
                              .step = {l->step_max, 1, l->step_max},
                              .wrap = {l->wrap_max, l->wrap_max},
                              .iteration_wrap = l->iteration_max};
        assert_ok(npu_bd_pack(kind, &fits, words, &diag), &diag);
        struct npu_bd step = {.step = {l->step_max + 1}}, wrap = {.wrap = {l->wrap_max + 1}};
        refuse(kind, &step, "it goes to");
        refuse(kind, &wrap, "it goes to");
        assert_int_equal(npu_reg_find(kind, "dma_bd")->count, l->bds);
        assert_int_equal(npu_reg_find(kind, "dma_bd")->words, l->bd_words);
        assert_int_equal(npu_reg_find(kind, "dma_s2mm_queue")->count, l->s2mm);
        assert_int_equal(npu_reg_find(kind, "dma_mm2s_queue")->count, l->mm2s);
        assert_int_equal(npu_reg_find(kind, "lock")->count, l->locks);
        assert_int_equal(npu_reg_find(kind, "ss_master")->count, l->masters);
        assert_int_equal(npu_reg_find(kind, "ss_slave")->count, l->slaves);
        assert_int_equal(l->banks * l->bank_bytes, l->memory_bytes);
    }
}

/* ---- ports ---- */

static void test_ports(void **state)
{
    (void)state;
    for (int kind = 0; kind < NPU_TILE_KINDS; kind++) {
        for (int side = 0; side < 2; side++) {
            const struct npu_limits *l = npu_limits((enum npu_tile_kind)kind);
            unsigned n = side == NPU_MASTER ? l->masters : l->slaves, total = 0, channel;
            enum npu_bundle bundle;
            for (int b = 0; b < NPU_BUNDLES; b++) {
                total += npu_port_count((enum npu_tile_kind)kind, (enum npu_side)side,
                                        (enum npu_bundle)b);
            }
            assert_int_equal(total, n);
            for (unsigned i = 0; i < n; i++) {
                assert_true(npu_port_at((enum npu_tile_kind)kind, (enum npu_side)side, i, &bundle,
                                        &channel));
                assert_int_equal(
                    npu_port_index((enum npu_tile_kind)kind, (enum npu_side)side, bundle, channel),
                    i);
            }
            assert_false(
                npu_port_at((enum npu_tile_kind)kind, (enum npu_side)side, n, &bundle, &channel));
        }
    }
}

static bool connects(enum npu_tile_kind kind, enum npu_bundle from, unsigned i, enum npu_bundle to,
                     unsigned j)
{
    return npu_port_connects(kind, (unsigned)npu_port_index(kind, NPU_SLAVE, from, i),
                             (unsigned)npu_port_index(kind, NPU_MASTER, to, j));
}

static void test_connections(void **state)
{
    (void)state;
    enum npu_bundle n = NPU_BUNDLE_NORTH, s = NPU_BUNDLE_SOUTH, d = NPU_BUNDLE_DMA,
                    c = NPU_BUNDLE_CONTROL, w = NPU_BUNDLE_WEST;
    assert_true(connects(NPU_TILE_SHIM, s, 3, n, 1));
    assert_true(connects(NPU_TILE_SHIM, c, 0, s, 0));
    assert_false(connects(NPU_TILE_SHIM, c, 0, c, 0));
    assert_false(connects(NPU_TILE_SHIM, n, 0, n, 1));
    assert_true(connects(NPU_TILE_SHIM, n, 1, n, 1));
    assert_true(connects(NPU_TILE_SHIM, s, 0, s, 5));
    assert_true(connects(NPU_TILE_MEM, s, 1, n, 1));
    assert_false(connects(NPU_TILE_MEM, s, 1, n, 2));
    assert_false(connects(NPU_TILE_MEM, d, 1, d, 2));
    assert_true(connects(NPU_TILE_MEM, d, 1, n, 5));
    assert_true(connects(NPU_TILE_MEM, c, 0, d, 5));
    assert_false(connects(NPU_TILE_MEM, c, 0, d, 4));
    assert_false(connects(NPU_TILE_MEM, c, 0, c, 0));
    assert_true(connects(NPU_TILE_CORE, w, 2, NPU_BUNDLE_EAST, 0));
    assert_false(connects(NPU_TILE_CORE, w, 2, w, 1));
    assert_false(connects(NPU_TILE_CORE, c, 0, d, 0));
    assert_false(connects(NPU_TILE_CORE, NPU_BUNDLE_CORE, 0, NPU_BUNDLE_CORE, 0));
    assert_true(connects(NPU_TILE_CORE, NPU_BUNDLE_TRACE, 1, d, 0));
    assert_false(connects(NPU_TILE_CORE, NPU_BUNDLE_TRACE, 1, d, 1));
    assert_true(connects(NPU_TILE_CORE, d, 0, d, 0));
    assert_false(npu_port_connects(NPU_TILE_CORE, 25, 0));
    assert_false(npu_port_connects(NPU_TILE_CORE, 0, 23));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),    cmocka_unit_test(test_registers),
        cmocka_unit_test(test_print),     cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_bd_random), cmocka_unit_test(test_bd_real),
        cmocka_unit_test(test_bd_limits), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_ports),     cmocka_unit_test(test_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
