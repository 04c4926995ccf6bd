/* Statements that start with a dot, and `name = value`. One table row each. */
#include <string.h>

#include "base/mem.h"
#include "npu/asm/state.h"

static int column_of(const struct scan *s)
{
    return s->place.column + (int)s->at;
}

/* Reports that something is missing at the cursor. */
static int missing(struct assembler *a, struct scan *s, const char *what)
{
    scan_space(s);
    return asm_error(a, column_of(s), "%s is missing here", what);
}

static int read_expr(struct assembler *a, struct scan *s, struct expr *value)
{
    struct sotto_diag d = {0};
    s->diag = &d;
    int err = expr_parse(s, value);
    return err ? asm_pass_error(a, &d) : SOTTO_OK;
}

/* Where a symbol of an expression is, if that is known by now. */
static bool known_place(const struct assembler *a, struct text_name name, int *section,
                        int64_t *value)
{
    if (name.length == 1 && name.name[0] == '.') {
        *section = a->section;
        *value = a->sections[a->section].size;
        return true;
    }
    int symbol = asm_symbol_find(a, name);
    if (symbol < 0 || a->symbols[symbol].section == ASM_NO_SECTION) {
        return false;
    }
    *section = a->symbols[symbol].section;
    *value = a->symbols[symbol].value;
    return true;
}

/* A number that must be known now: differences of labels above count. */
static int read_number(struct assembler *a, struct scan *s, const char *what, int64_t min,
                       int64_t max, int64_t *number)
{
    struct expr value;
    scan_space(s);
    int column = column_of(s), plus = ASM_NUMBER, minus = ASM_NUMBER;
    int64_t add = 0, take = 0;
    if (s->at >= s->length) {
        return missing(a, s, what);
    }
    if (read_expr(a, s, &value)) {
        return SOTTO_ESYNTAX;
    }
    if ((value.plus.length && !known_place(a, value.plus, &plus, &add)) ||
        (value.minus.length && !known_place(a, value.minus, &minus, &take)) || plus != minus) {
        return asm_error(a, column, "%s must be a number that is known here", what);
    }
    value.number += add - take;
    if (value.number < min || value.number > max) {
        return asm_error(a, column, "%s is %lld, not within [%lld, %lld]", what,
                         (long long)value.number, (long long)min, (long long)max);
    }
    *number = value.number;
    return SOTTO_OK;
}

static int read_name(struct assembler *a, struct scan *s, const char *what, struct text_name *name)
{
    return scan_name(s, name) ? SOTTO_OK : missing(a, s, what);
}

/* ---- sections ---- */

/* Type and flags a section has by its name alone. */
static void default_kind(struct text_name name, uint32_t *type, uint32_t *flags)
{
    static const struct {
        const char *prefix;
        uint32_t type, flags;
    } kinds[] = {
        {".text", NPU_SHT_PROGBITS, NPU_SHF_ALLOC | NPU_SHF_EXEC},
        {".data", NPU_SHT_PROGBITS, NPU_SHF_ALLOC | NPU_SHF_WRITE},
        {".bss", NPU_SHT_NOBITS, NPU_SHF_ALLOC | NPU_SHF_WRITE},
        {".rodata", NPU_SHT_PROGBITS, NPU_SHF_ALLOC},
    };
    *type = NPU_SHT_PROGBITS;
    *flags = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t n = strlen(kinds[i].prefix);
        if (name.length >= n && memcmp(name.name, kinds[i].prefix, n) == 0 &&
            (name.length == n || name.name[n] == '.')) {
            *type = kinds[i].type;
            *flags = kinds[i].flags;
        }
    }
}

static int read_flags(struct assembler *a, struct scan *s, uint32_t *flags)
{
    static const char letters[] = "wax MS";
    uint8_t text[16];
    scan_space(s);
    int column = column_of(s), n = scan_string(s, text, sizeof text);
    if (n < 0) {
        return missing(a, s, "\"flags\"");
    }
    *flags = 0;
    for (int i = 0; i < n; i++) {
        static const uint8_t bits[] = {NPU_SHF_WRITE, NPU_SHF_ALLOC,  NPU_SHF_EXEC, 0,
                                       NPU_SHF_MERGE, NPU_SHF_STRINGS};
        const char *letter = i < 16 && text[i] ? strchr(letters, text[i]) : NULL;
        if (!letter) {
            return asm_error(a, column, "a section cannot have the flag '%c'; there are a w x M S",
                             i < 16 && text[i] >= ' ' && text[i] < 127 ? text[i] : '?');
        }
        *flags |= bits[letter - letters];
    }
    return SOTTO_OK;
}

static int read_type(struct assembler *a, struct scan *s, uint32_t *type)
{
    struct text_name name;
    scan_space(s);
    int column = column_of(s);
    scan_take(s, '%');
    int err = read_name(a, s, "@progbits or @nobits", &name);
    if (err) {
        return err;
    }
    if (name.name[0] == '@') {
        name.name++;
        name.length--;
    }
    if (name.length == 8 && memcmp(name.name, "progbits", 8) == 0) {
        *type = NPU_SHT_PROGBITS;
    } else if (name.length == 6 && memcmp(name.name, "nobits", 6) == 0) {
        *type = NPU_SHT_NOBITS;
    } else {
        return asm_error(a, column, "a section is @progbits or @nobits, not '%.*s'",
                         (int)name.length, name.name);
    }
    return SOTTO_OK;
}

static int enter_section(struct assembler *a, struct text_name name, int64_t unique,
                         const struct asm_section *kind, bool stated, int column)
{
    bool is_new;
    int section = asm_section_get(a, name, unique, &is_new);
    if (section < 0) {
        return SOTTO_ENOMEM;
    }
    struct asm_section *s = &a->sections[section];
    bool other = s->type != kind->type || s->flags != kind->flags;
    if (is_new || (stated && !s->stated && s->size == 0)) {
        s->type = kind->type;
        s->flags = kind->flags;
        s->entry_size = kind->entry_size;
    } else if (stated && other) {
        return asm_error(a, column, "section %s has other flags or another type above", s->name);
    }
    s->stated = s->stated || stated;
    a->section = section;
    return SOTTO_OK;
}

/* `, "flags"`, `, @type`, `, entry size`, `, unique, n`: what follows a section's name. */
static int read_kind(struct assembler *a, struct scan *s, struct asm_section *kind, int64_t *unique,
                     bool *stated)
{
    int64_t number;
    struct text_name word;
    for (int err = SOTTO_OK; scan_take(s, ',');) {
        char c = scan_peek(s);
        if (c == '"') {
            err = read_flags(a, s, &kind->flags);
        } else if (c == '@' || c == '%') {
            err = read_type(a, s, &kind->type);
        } else if (c >= '0' && c <= '9') {
            err = read_number(a, s, "the size of an entry", 0, 65536, &number);
            kind->entry_size = (uint32_t)number;
        } else if (scan_name(s, &word) && word.length == 6 && !memcmp(word.name, "unique", 6) &&
                   scan_take(s, ',')) {
            err = read_number(a, s, "the number after unique", 0, 1 << 30, unique);
        } else {
            err = missing(a, s, "\"flags\", @type or unique, N");
        }
        if (err) {
            return err;
        }
        *stated = true;
    }
    return SOTTO_OK;
}

static int do_section(struct assembler *a, struct scan *s, int arg)
{
    (void)arg;
    struct text_name name;
    struct asm_section kind = {0};
    int64_t unique = -1;
    bool stated = false;
    scan_space(s);
    int column = column_of(s);
    int err = read_name(a, s, "the section's name", &name);
    if (err) {
        return err;
    }
    default_kind(name, &kind.type, &kind.flags);
    err = read_kind(a, s, &kind, &unique, &stated);
    return err ? err : enter_section(a, name, unique, &kind, stated, column);
}

static int do_known_section(struct assembler *a, struct scan *s, int arg)
{
    static const char *const names[] = {".text", ".data", ".bss", ".rodata"};
    struct text_name name = {names[arg], strlen(names[arg])};
    struct asm_section kind = {0};
    default_kind(name, &kind.type, &kind.flags);
    return enter_section(a, name, -1, &kind, false, column_of(s));
}

static int do_base(struct assembler *a, struct scan *s, int arg)
{
    (void)arg;
    int64_t base;
    int column = column_of(s);
    int err = read_number(a, s, "the address", 0, UINT32_MAX, &base);
    struct asm_section *section = &a->sections[a->section];
    if (!err && (section->size || section->has_base)) {
        return asm_error(a, column, ".base comes once, before anything else in section %s",
                         section->name);
    }
    if (!err) {
        section->has_base = true;
        section->base = (uint32_t)base;
    }
    return err;
}

static int do_entry(struct assembler *a, struct scan *s, int arg)
{
    (void)arg;
    struct expr value;
    int err = read_expr(a, s, &value);
    if (err) {
        return err;
    }
    a->entry = asm_symbol_use(a, value.plus);
    a->entry_number = value.number;
    return value.minus.length ? asm_error(a, column_of(s), ".entry is a symbol or an address")
                              : SOTTO_OK;
}

/* ---- symbols ---- */

static int do_binding(struct assembler *a, struct scan *s, int bind)
{
    do {
        struct text_name name;
        int err = read_name(a, s, "a symbol", &name);
        int symbol = err ? -1 : asm_symbol_get(a, name);
        if (symbol < 0) {
            return err ? err : SOTTO_ENOMEM;
        }
        a->symbols[symbol].bind = (uint8_t)bind;
        a->symbols[symbol].stated = true;
    } while (scan_take(s, ','));
    return SOTTO_OK;
}

static int do_type(struct assembler *a, struct scan *s, int arg)
{
    (void)arg;
    static const struct {
        const char *name;
        uint8_t type;
    } types[] = {{"function", NPU_TYPE_FUNC}, {"STT_FUNC", NPU_TYPE_FUNC},
                 {"object", NPU_TYPE_OBJECT}, {"STT_OBJECT", NPU_TYPE_OBJECT},
                 {"notype", NPU_TYPE_NONE},   {"STT_NOTYPE", NPU_TYPE_NONE}};
    struct text_name name, type;
    int err = read_name(a, s, "a symbol", &name);
    if (!err && !scan_take(s, ',')) {
        err = missing(a, s, "','");
    }
    scan_space(s);
    int column = column_of(s);
    if (!err) {
        scan_take(s, '%');
        err = read_name(a, s, "@function or @object", &type);
    }
    int symbol = err ? -1 : asm_symbol_get(a, name);
    if (symbol < 0) {
        return err ? err : SOTTO_ENOMEM;
    }
    size_t skip = type.name[0] == '@';
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strlen(types[i].name) == type.length - skip &&
            memcmp(types[i].name, type.name + skip, type.length - skip) == 0) {
            a->symbols[symbol].type = types[i].type;
            return SOTTO_OK;
        }
    }
    return asm_error(a, column, "a symbol's type is @function, @object or @notype, not '%.*s'",
                     (int)type.length, type.name);
}

static int do_size(struct assembler *a, struct scan *s, int arg)
{
    (void)arg;
    struct text_name name;
    struct expr value;
    int err = read_name(a, s, "a symbol", &name);
    if (!err && !scan_take(s, ',')) {
        err = missing(a, s, "','");
    }
    scan_space(s);
    int column = column_of(s);
    if (err || (err = read_expr(a, s, &value))) {
        return err;
    }
    struct asm_size size = {.symbol = asm_symbol_get(a, name),
                            .number = value.number,
                            .line = a->line,
                            .column = column};
    size.plus = asm_symbol_use(a, value.plus);
    size.minus = asm_symbol_use(a, value.minus);
    if (size.symbol < 0 || size.plus == -2 || size.minus == -2 ||
        asm_grow(a, &a->sizes, a->n_sizes, sizeof *a->sizes)) {
        return SOTTO_ENOMEM;
    }
    a->sizes[a->n_sizes++] = size;
    return SOTTO_OK;
}

int asm_assign(struct assembler *a, struct text_name name, struct scan *s, int column)
{
    struct expr value;
    int section = ASM_NUMBER, other = ASM_NUMBER;
    int64_t add = 0, take = 0;
    scan_space(s);
    int at = column_of(s);
    int err = read_expr(a, s, &value);
    if (err) {
        return err;
    }
    if ((value.plus.length && !known_place(a, value.plus, &section, &add)) ||
        (value.minus.length && !known_place(a, value.minus, &other, &take)) ||
        (value.minus.length && section != other)) {
        return asm_error(a, at, "'%.*s' must be a number or a place that is known here",
                         (int)name.length, name.name);
    }
    int symbol = asm_symbol_get(a, name);
    return symbol < 0 ? SOTTO_ENOMEM
                      : asm_symbol_define(a, symbol, value.minus.length ? ASM_NUMBER : section,
                                          value.number + add - take, column);
}

static int do_set(struct assembler *a, struct scan *s, int arg)
{
    (void)arg;
    struct text_name name;
    scan_space(s);
    int column = column_of(s);
    int err = read_name(a, s, "a symbol", &name);
    if (!err && !scan_take(s, ',')) {
        err = missing(a, s, "','");
    }
    return err ? err : asm_assign(a, name, s, column);
}

static int do_common(struct assembler *a, struct scan *s, int arg)
{
    (void)arg;
    struct text_name name;
    int64_t size = 0, align = 1;
    scan_space(s);
    int column = column_of(s);
    int err = read_name(a, s, "a symbol", &name);
    if (!err && !scan_take(s, ',')) {
        err = missing(a, s, "','");
    }
    err = err ? err : read_number(a, s, "the size", 0, ASM_SECTION_BYTES_MAX, &size);
    if (!err && scan_take(s, ',')) {
        err = read_number(a, s, "the alignment", 1, 65536, &align);
    }
    int symbol = err ? -1 : asm_symbol_get(a, name);
    if (symbol < 0) {
        return err ? err : SOTTO_ENOMEM;
    }
    struct asm_symbol *sym = &a->symbols[symbol];
    if (sym->section != ASM_NO_SECTION || sym->common_align) {
        return asm_error(a, column, "symbol '%s' is already defined in line %d", sym->name,
                         sym->line);
    }
    sym->common_align = (uint32_t)align;
    sym->size = size;
    sym->type = NPU_TYPE_OBJECT;
    sym->bind = NPU_BIND_GLOBAL;
    sym->line = a->line;
    return SOTTO_OK;
}

/* ---- bytes ---- */

static int emit_datum(struct assembler *a, struct scan *s, int size)
{
    struct expr value;
    uint8_t bytes[8];
    scan_space(s);
    int column = column_of(s);
    if (s->at >= s->length) {
        return missing(a, s, "a value");
    }
    int err = read_expr(a, s, &value);
    if (err) {
        return err;
    }
    if (value.plus.length || value.minus.length) {
        struct asm_fixup f = {.section = a->section,
                              .offset = a->sections[a->section].size,
                              .number = value.number,
                              .reloc = -1,
                              .size = (uint8_t)size,
                              .line = a->line,
                              .column = column};
        f.plus = asm_symbol_use(a, value.plus);
        f.minus = asm_symbol_use(a, value.minus);
        if (f.plus == -2 || f.minus == -2 || asm_add_fixup(a, &f) || asm_add_line(a)) {
            return SOTTO_ENOMEM;
        }
        value.number = 0;
    }
    int64_t max = size == 8 ? INT64_MAX : ((int64_t)1 << 8 * size) - 1;
    if (size < 8 && (value.number > max || value.number < -(max / 2) - 1)) {
        return asm_error(a, column, "%lld does not fit %d byte%s", (long long)value.number, size,
                         size == 1 ? "" : "s");
    }
    for (int i = 0; i < size; i++) {
        bytes[i] = (uint8_t)((uint64_t)value.number >> 8 * i);
    }
    return asm_emit(a, bytes, (size_t)size, column);
}

static int do_data(struct assembler *a, struct scan *s, int size)
{
    do {
        int err = emit_datum(a, s, size);
        if (err) {
            return err;
        }
    } while (scan_take(s, ','));
    return SOTTO_OK;
}

static int do_space(struct assembler *a, struct scan *s, int arg)
{
    (void)arg;
    int64_t n = 0, fill = 0;
    scan_space(s);
    int column = column_of(s);
    int err = read_number(a, s, "the number of bytes", 0, ASM_SECTION_BYTES_MAX, &n);
    if (!err && scan_take(s, ',')) {
        err = read_number(a, s, "the byte", -128, 255, &fill);
    }
    for (uint8_t byte = (uint8_t)fill; !err && n > 0 && fill; n--) {
        err = asm_emit(a, &byte, 1, column);
    }
    if (err || n == 0) {
        return err;
    }
    return asm_add_line(a) ? SOTTO_ENOMEM : asm_emit(a, NULL, (size_t)n, column);
}

static int do_fill(struct assembler *a, struct scan *s, int arg)
{
    (void)arg;
    int64_t n = 0, size = 1, value = 0;
    uint8_t bytes[8] = {0};
    scan_space(s);
    int column = column_of(s);
    int err = read_number(a, s, "the count", 0, ASM_SECTION_BYTES_MAX, &n);
    if (!err && scan_take(s, ',')) {
        err = read_number(a, s, "the size", 0, 8, &size);
    }
    if (!err && scan_take(s, ',')) {
        err = read_number(a, s, "the value", INT32_MIN, UINT32_MAX, &value);
    }
    for (int i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(value >> 8 * i);
    }
    for (; !err && n > 0 && size; n--) {
        err = asm_emit(a, bytes, (size_t)size, column);
    }
    return err;
}

static int do_string(struct assembler *a, struct scan *s, int zero)
{
    do {
        struct sotto_diag d = {0};
        scan_space(s);
        int column = column_of(s);
        size_t most = s->length - s->at; // escapes only shorten
        uint8_t *bytes = mem_alloc(most + 1, 1);
        if (!bytes) {
            return asm_no_memory(a);
        }
        s->diag = &d;
        int n = scan_string(s, bytes, most);
        int err = n < 0 ? asm_pass_error(a, &d) : SOTTO_OK;
        if (!err) {
            bytes[n] = 0;
            err = asm_emit(a, bytes, (size_t)n + (size_t)zero, column);
        }
        mem_free(bytes);
        if (err) {
            return err;
        }
    } while (scan_take(s, ','));
    return SOTTO_OK;
}

static int do_align(struct assembler *a, struct scan *s, int power)
{
    int64_t align = 0, fill = 0, most = ASM_SECTION_BYTES_MAX;
    scan_space(s);
    int column = column_of(s);
    int err = power ? read_number(a, s, "the power of two", 0, 16, &align)
                    : read_number(a, s, "the alignment", 1, 65536, &align);
    align = power && !err ? (int64_t)1 << align : align;
    if (!err && (align & (align - 1))) {
        return asm_error(a, column, "an alignment is a power of two, not %lld", (long long)align);
    }
    if (!err && scan_take(s, ',')) {
        if (scan_peek(s) != ',' && s->at < s->length) {
            err = read_number(a, s, "the byte", -128, 255, &fill);
        }
        if (!err && scan_take(s, ',')) {
            err = read_number(a, s, "the most bytes to skip", 0, 65536, &most);
        }
    }
    return err ? err : asm_align(a, (uint32_t)align, (uint8_t)fill, (uint32_t)most, column);
}

/* `.reloc place, R_AIE_n, symbol + addend`: for what no instruction or datum says. */
static int do_reloc(struct assembler *a, struct scan *s, int arg)
{
    (void)arg;
    static const char prefix[] = "R_AIE_";
    struct expr place, value = {0};
    struct text_name type;
    int section = a->section;
    int64_t offset = 0, number = 0;
    scan_space(s);
    int column = column_of(s);
    int err = read_expr(a, s, &place);
    if (!err && (place.minus.length ||
                 (place.plus.length && !known_place(a, place.plus, &section, &offset)) ||
                 section != a->section)) {
        return asm_error(a, column, "the place must be in this section and known here");
    }
    if (!err && (!scan_take(s, ',') || !scan_name(s, &type))) {
        return missing(a, s, "', R_AIE_n'");
    }
    for (size_t i = sizeof prefix - 1; !err && i < type.length && i < 9; i++) {
        number = number * 10 + type.name[i] - '0';
    }
    if (!err && (type.length < sizeof prefix || type.length > 8 ||
                 memcmp(type.name, prefix, 6) != 0 || !isa_reloc((unsigned)number))) {
        return asm_error(a, column, "there is no relocation '%.*s'", (int)type.length, type.name);
    }
    if (!err && scan_take(s, ',')) {
        err = read_expr(a, s, &value);
    }
    offset += err ? 0 : place.number;
    if (err || value.minus.length || offset < 0 || offset > UINT32_MAX) {
        return err ? err : asm_error(a, column, "a relocation is a place and symbol + number");
    }
    struct asm_fixup f = {.section = section,
                          .offset = (uint32_t)offset,
                          .plus = asm_symbol_use(a, value.plus),
                          .minus = -1,
                          .number = value.number,
                          .reloc = (int16_t)number,
                          .kept = true,
                          .line = a->line,
                          .column = column};
    return f.plus == -2 ? SOTTO_ENOMEM : asm_add_fixup(a, &f);
}

/* What only debuggers and other tools need. */
static int do_nothing(struct assembler *a, struct scan *s, int arg)
{
    (void)a;
    (void)arg;
    s->at = s->length;
    return SOTTO_OK;
}

// clang-format off
static const struct {
    const char *name;
    int (*run)(struct assembler *a, struct scan *s, int arg);
    int arg;
} directives[] = {
    {".text", do_known_section, 0},   {".data", do_known_section, 1},
    {".bss", do_known_section, 2},    {".rodata", do_known_section, 3},
    {".section", do_section, 0},      {".base", do_base, 0},
    {".entry", do_entry, 0},
    {".globl", do_binding, NPU_BIND_GLOBAL}, {".global", do_binding, NPU_BIND_GLOBAL},
    {".weak", do_binding, NPU_BIND_WEAK},    {".local", do_binding, NPU_BIND_LOCAL},
    {".type", do_type, 0},            {".size", do_size, 0},
    {".set", do_set, 0},              {".equ", do_set, 0},
    {".comm", do_common, 0},          {".reloc", do_reloc, 0},
    {".byte", do_data, 1},            {".1byte", do_data, 1},
    {".short", do_data, 2},           {".hword", do_data, 2},      {".2byte", do_data, 2},
    {".word", do_data, 4},            {".long", do_data, 4},       {".int", do_data, 4},
    {".4byte", do_data, 4},           {".quad", do_data, 8},       {".8byte", do_data, 8},
    {".ascii", do_string, 0},         {".asciz", do_string, 1},    {".string", do_string, 1},
    {".space", do_space, 0},          {".zero", do_space, 0},      {".skip", do_space, 0},
    {".fill", do_fill, 0},
    {".align", do_align, 0},          {".balign", do_align, 0},    {".p2align", do_align, 1},
    {".file", do_nothing, 0},         {".ident", do_nothing, 0},   {".loc", do_nothing, 0},
    {".addrsig", do_nothing, 0},      {".addrsig_sym", do_nothing, 0},
    {".delay_slot", do_nothing, 0},
};
// clang-format on

int asm_directive(struct assembler *a, struct text_name name, struct scan *s)
{
    int column = s->place.column + (int)(name.name - s->text);
    if (name.length > 4 && memcmp(name.name, ".cfi", 4) == 0) {
        return do_nothing(a, s, 0);
    }
    for (size_t i = 0; i < sizeof directives / sizeof directives[0]; i++) {
        if (strlen(directives[i].name) != name.length ||
            memcmp(directives[i].name, name.name, name.length) != 0) {
            continue;
        }
        int err = directives[i].run(a, s, directives[i].arg);
        if (!err && scan_peek(s)) {
            err = asm_error(a, column_of(s), "'%.*s' is too much for %s", scan_rest(s),
                            s->text + s->at, directives[i].name);
        }
        return err;
    }
    return asm_error(a, column, "there is no directive '%.*s'", (int)name.length, name.name);
}
