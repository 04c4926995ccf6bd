/*
 * The program sotto-npu: tools for the AIE2 core. Which command was meant, and all help texts.
 */
#include <string.h>

#include "cli.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary, *help;
} commands[] = {
    {"asm", npu_cmd_asm, "assembly text to an object",
     "Usage: sotto-npu asm IN.s [-o OUT.o]\n"
     "\n"
     "Assembles llvm-aie's AIE2 text. Default output: IN.o. A file whose sections have .base "
     "becomes\n"
     "a linked image (that is what objdump makes of one). All errors are shown, up to 100.\n"},
    {"link", npu_cmd_link, "objects to one core image",
     "Usage: sotto-npu link A.o [B.o ...] -o OUT.elf [options]\n"
     "\n"
     "Code goes to address 0 (16 KiB), data to the core's own memory, 0x70000 to 0x7ffff.\n"
     "\n"
     "  -o, --output FILE      the image\n"
     "  --entry SYMBOL         its section comes first; it must be at address 0 there\n"
     "                         (default __start, then _start, if there is one)\n"
     "  --stack BYTES          kept free at 0x70000 for the stack (default 1024)\n"
     "  --data ADDRESS         where data starts (default: behind the stack)\n"
     "  --place NAME=ADDRESS   put the sections called NAME there\n"
     "  --define NAME=VALUE    a symbol with that value\n"
     "  --map                  print what went where\n"},
    {"objdump", npu_cmd_objdump, "an object or image as assembly text",
     "Usage: sotto-npu objdump FILE [-o OUT.s] [--lines]\n"
     "\n"
     "Prints any AIE2 ELF file as text that sotto-npu asm turns into the same bytes. What is no\n"
     "instruction is printed as data.\n"
     "\n"
     "  -o, --output FILE      write there instead of standard output\n"
     "  --lines                name the source line of each bundle, where it is known\n"},
    {"sched", npu_cmd_sched, "linear assembly to scheduled assembly",
     "Usage: sotto-npu sched IN.lin [-o OUT.s] [--report] [--unscheduled]\n"
     "\n"
     "Chooses registers, slots and cycles, pipelines loops, and compares the result with the\n"
     "source before it is written. The language is described in docs/npu-sched.md.\n"
     "\n"
     "  -o, --output FILE      write there instead of standard output\n"
     "  --report               print each loop's interval, what bounds it, slots and registers\n"
     "  --unscheduled          one operation per bundle, with waits: for comparison\n"
     "  --unchecked            leave out the comparison with the source\n"},
    {"check", npu_cmd_check, "the core's rules on any code",
     "Usage: sotto-npu check FILE [--notes] [--source IN.lin]\n"
     "\n"
     "FILE is assembly, an object or an image. Faults: ports used twice, double writes, lost\n"
     "accumulator updates, branches in delay slots, hardware loops, lock distances.\n"
     "\n"
     "  --notes                also list reads that see a value before a write in flight\n"
     "  --source IN.lin        do the functions compute what the linear assembly says?\n"},
    {"run-core", npu_cmd_run_core, "run an image, or one function, in the emulator",
     "Usage: sotto-npu run-core FILE.elf [options]\n"
     "\n"
     "Runs a core image in the emulator of one AIE2 core until it is done, and prints emulated\n"
     "cycles, bundles, stalls by cause and multiply-accumulates. docs/npu-fidelity.md says what\n"
     "the emulator cannot know.\n"
     "\n"
     "  --entry SYMBOL         run this function until it returns, instead of the image's entry\n"
     "  --set REG=VALUE        a register's value before (r0 to r31, p0, m1, r17:r16, crRnd ...)\n"
     "  --mem ADDRESS=FILE     a file's bytes into data memory before (own: 0x70000)\n"
     "  --dump ADDRESS,SIZE=FILE  data memory into a file afterwards\n"
     "  --cycles N             give up after so many cycles (default 100000000)\n"
     "  --profile              cycles by symbol and by loop\n"
     "  --trace FILE           functions, hardware loops and stalls over time, for Perfetto or "
     "Chrome\n"
     "\n"
     "--set, --mem and --dump may be given up to 64 times.\n"},
    {"bench-core", npu_cmd_bench_core, "speed of the emulator",
     "Usage: sotto-npu bench-core\n"
     "\n"
     "Runs a loop with a vmac.f and two loads in every bundle and prints cycles per second.\n"},
    {"bench-kernels", npu_cmd_bench_kernels, "speed and errors of the kernels",
     "Usage: sotto-npu bench-kernels [IMAGE] [--json] [--captures FOLDER]\n"
     "\n"
     "Runs every kernel in the core emulator, compares all of memory with its C model, and prints\n"
     "emulated cycles, errors against double precision and program bytes. IMAGE: the linked kernels,\n"
     "by default npu/kernels.elf beside this program.\n"
     "\n"
     "  --json                 the same for programs\n"
     "  --captures FOLDER      numbers captured on silicon, as inputs (default: tests/data/npu, if\n"
     "                         there)\n"
     "\n"
     "Exit status 1: a kernel differs from its model or misses what it must reach.\n"},
    {"isa", npu_cmd_isa, "rows of the instruction table",
     "Usage: sotto-npu isa [--untested | --unmodelled]\n"
     "\n"
     "Lists the rows: slot, name, whether the emulator knows what it does and a test checks it, "
     "text.\n"
     "\n"
     "  --untested             only rows without a semantic test\n"
     "  --unmodelled           only rows the emulator stops at\n"},
    {"info", npu_cmd_info, "what a file of the array holds",
     "Usage: sotto-npu info FILE [--json]\n"
     "\n"
     "FILE is an instruction stream, a CDO, a PDI, an xclbin or a core image. Prints tiles,\n"
     "descriptors, locks, routes, kernels, and the instructions with their registers.\n"
     "\n"
     "  --json                 the same as JSON\n"},
};

enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static void print_summary(FILE *out)
{
    fprintf(out, "sotto-npu: tools for the AIE2 core (AMD XDNA1)\n"
                 "Usage: sotto-npu COMMAND [ARGUMENTS]\n\n");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        fprintf(out, "  %-14s %s\n", commands[i].name, commands[i].summary);
    }
    fprintf(out,
            "  %-14s this text, or that of a command\n"
            "  %-14s the version\n\n"
            "Exit status:\n",
            "help [COMMAND]", "version");
    static const struct {
        int status;
        const char *text;
    } statuses[] = {
        {CLI_EXIT_OK, "everything was done"},
        {CLI_EXIT_SOME, "a check found faults"},
        {CLI_EXIT_USAGE, "unknown command or option, bad value or no input named"},
        {CLI_EXIT_INPUT, "an input is missing, unreadable or wrong (the message says where)"},
        {CLI_EXIT_OUTPUT, "an output cannot be written"},
        {CLI_EXIT_INTERNAL, "out of memory, or an internal error"},
    };
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        fprintf(out, "  %d  %s\n", statuses[i].status, statuses[i].text);
    }
}

static int help(int argc, char **argv)
{
    const struct command *c = argc > 1 ? find(argv[1]) : NULL;
    if (argc > 1 && !c) {
        fprintf(stderr, "sotto-npu: no help on '%s'\n", argv[1]);
        return CLI_EXIT_USAGE;
    }
    if (c) {
        fputs(c->help, stdout);
    } else {
        print_summary(stdout);
    }
    return CLI_EXIT_OK;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return true;
        }
    }
    return false;
}

static int run(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    const struct command *c = find(name);
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        return help(argc - 1, argv + 1);
    }
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
        printf("sotto-npu %s\n", sotto_version());
        return CLI_EXIT_OK;
    }
    if (!c) {
        fprintf(stderr,
                argc > 1 ? "sotto-npu: there is no command '%s'; see sotto-npu help\n"
                         : "sotto-npu: which command? see sotto-npu help%s\n",
                name);
        return CLI_EXIT_USAGE;
    }
    if (wants_help(argc - 1, argv + 1)) {
        fputs(c->help, stdout);
        return CLI_EXIT_OK;
    }
    return c->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    int status = run(argc, argv);
    // What was printed may still sit in the buffer: a full disk shows only now.
    if ((fflush(stdout) == EOF || ferror(stdout)) && status == CLI_EXIT_OK) {
        perror("sotto-npu: standard output");
        return CLI_EXIT_OUTPUT;
    }
    return status;
}
