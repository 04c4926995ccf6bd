/* sotto-npu isa: rows of the instruction table, and which of them the emulator knows and tests. */
#include <string.h>

#include "cli.h"
#include "npu/emu/core.h"

/* Rows whose meaning a test checks (tests/test_npu_core_insn.c compares this list with what it ran). */
static const bool tested[ISA_INSN_COUNT] = {
#define TESTED(row) [ISA_INSN_##row] = true,
#include "npu/emu/tested.def"
};

enum wanted { ALL, UNTESTED, UNMODELLED };

int npu_cmd_isa(int argc, char **argv)
{
    enum wanted wanted = ALL;
    unsigned modelled = 0, checked = 0;
    if (argc == 2 && strcmp(argv[1], "--untested") == 0)
        wanted = UNTESTED;
    else if (argc == 2 && strcmp(argv[1], "--unmodelled") == 0)
        wanted = UNMODELLED;
    else if (argc > 1)
        return npu_cli_usage("isa", "'%s' is not understood", argv[argc - 1]);
    for (unsigned i = 0; i < ISA_INSN_COUNT; i++) {
        const struct isa_insn *insn = isa_insn(i);
        bool known = emu_models(i);
        modelled += known;
        checked += tested[i];
        if (wanted == ALL || (wanted == UNTESTED && !tested[i]) || (wanted == UNMODELLED && !known))
            printf("%-4s %-36s %-10s %s\n", isa_slot_name(insn->slot), insn->name,
                   !known      ? "unmodelled"
                   : tested[i] ? "tested"
                               : "untested",
                   insn->text);
    }
    printf("%d rows: %u modelled, %u with a semantic test\n", ISA_INSN_COUNT, modelled, checked);
    return CLI_EXIT_OK;
}
