/* See vreg.h. */
#include "npu/sched/vreg.h"

#include "npu/sched/deps.h"

#include <string.h>

struct sub {
    const char *name;
    uint8_t first, count;
};

// clang-format off
static const struct {
    const char *name;
    uint8_t leaves;
    uint8_t files[2];
    struct sub subs[8]; // after the whole
} kinds[VREG_KINDS] = {
    [VREG_R]  = {"r",  1, {ISA_FILE_R}, {{0}}},
    [VREG_P]  = {"p",  1, {ISA_FILE_P}, {{0}}},
    [VREG_M]  = {"m",  1, {ISA_FILE_M}, {{0}}},
    [VREG_DN] = {"dn", 1, {ISA_FILE_DN}, {{0}}},
    [VREG_DJ] = {"dj", 1, {ISA_FILE_DJ}, {{0}}},
    [VREG_DC] = {"dc", 1, {ISA_FILE_DC}, {{0}}},
    [VREG_S]  = {"s",  1, {ISA_FILE_S}, {{0}}},
    [VREG_D]  = {"d",  4, {ISA_FILE_D}, {{"m", 0, 1}, {"dn", 1, 1}, {"dj", 2, 1}, {"dc", 3, 1}}},
    [VREG_D3] = {"d3", 7, {ISA_FILE_D3}, {{"m", 0, 1}, {"dn", 1, 1}, {"dj", 2, 1}, {"dc", 3, 1},
                                          {"dn2", 4, 1}, {"dj2", 5, 1}, {"dc2", 6, 1}}},
    [VREG_L]  = {"l",  2, {ISA_FILE_L}, {{"l", 0, 1}, {"h", 1, 1}}},
    [VREG_W]  = {"w",  1, {ISA_FILE_WL, ISA_FILE_WH}, {{0}}},
    [VREG_X]  = {"x",  2, {ISA_FILE_X}, {{"l", 0, 1}, {"h", 1, 1}}},
    [VREG_Y]  = {"y",  4, {ISA_FILE_Y}, {{"l", 0, 2}, {"h", 2, 2}, {"ll", 0, 1}, {"lh", 1, 1},
                                         {"hl", 2, 1}, {"hh", 3, 1}}},
    [VREG_Q]  = {"q",  2, {ISA_FILE_Q}, {{0}}},
    [VREG_AM] = {"am", 1, {ISA_FILE_AM}, {{0}}},
    [VREG_BM] = {"bm", 2, {ISA_FILE_BM}, {{"l", 0, 1}, {"h", 1, 1}}},
    [VREG_CM] = {"cm", 4, {ISA_FILE_CM}, {{"l", 0, 2}, {"h", 2, 2}, {"ll", 0, 1}, {"lh", 1, 1},
                                          {"hl", 2, 1}, {"hh", 3, 1}}},
};
// clang-format on

int vreg_kind_find(const char *name, size_t length)
{
    for (int k = 0; k < VREG_KINDS; k++) {
        if (strlen(kinds[k].name) == length && memcmp(kinds[k].name, name, length) == 0) {
            return k;
        }
    }
    return -1;
}

const char *vreg_kind_name(unsigned kind)
{
    return kinds[kind].name;
}

unsigned vreg_kind_leaves(unsigned kind)
{
    return kinds[kind].leaves;
}

int vreg_sub_find(unsigned kind, const char *name, size_t length)
{
    for (int i = 0; i < 8 && kinds[kind].subs[i].name; i++) {
        const char *sub = kinds[kind].subs[i].name;
        if (strlen(sub) == length && memcmp(sub, name, length) == 0) {
            return i + 1;
        }
    }
    return -1;
}

const char *vreg_sub_name(unsigned kind, unsigned sub)
{
    return sub ? kinds[kind].subs[sub - 1].name : "";
}

void vreg_sub_range(unsigned kind, unsigned sub, unsigned *first, unsigned *count)
{
    *first = sub ? kinds[kind].subs[sub - 1].first : 0;
    *count = sub ? kinds[kind].subs[sub - 1].count : kinds[kind].leaves;
}

int vreg_nth(unsigned kind, unsigned n)
{
    for (int reg = ISA_REG_NONE + 1; reg < ISA_REG_COUNT; reg++) {
        unsigned file = isa_reg((unsigned)reg)->file;
        if ((file == kinds[kind].files[0] || file == kinds[kind].files[1]) && n-- == 0) {
            return reg;
        }
    }
    return ISA_REG_NONE;
}

int vreg_part(unsigned kind, int reg, unsigned sub)
{
    uint32_t leaves[ISA_PARTS_MAX], of[ISA_PARTS_MAX];
    unsigned first, count;
    if (!sub) {
        return reg;
    }
    deps_leaves(reg, leaves);
    vreg_sub_range(kind, sub, &first, &count);
    if (count == 1) {
        return (int)leaves[first];
    }
    for (int r = ISA_REG_NONE + 1; r < ISA_REG_COUNT; r++) {
        if (deps_leaves(r, of) == count && memcmp(of, leaves + first, count * sizeof *of) == 0) {
            return r;
        }
    }
    return ISA_REG_NONE;
}

bool vreg_fits_class(unsigned kind, unsigned sub, unsigned class_id)
{
    for (unsigned n = 0;; n++) {
        int reg = vreg_nth(kind, n);
        if (reg == ISA_REG_NONE) {
            return false;
        }
        if (isa_reg_in(class_id, vreg_part(kind, reg, sub))) {
            return true;
        }
    }
}

int vreg_other_sample(unsigned kind, unsigned sub)
{
    (void)sub;
    return kind == VREG_W ? ISA_REG_wh0 : 0; // vmov and vconv tell wl from wh
}
