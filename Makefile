# sotto: speech to text in C17.
#
#   make                 library and program: build/libsotto.a, build/libsotto.so, build/sotto,
#                        build/sotto-npu; build/npu/*.o, kernels.elf: the NPU kernels
#   make demo            on a bare Debian: install what is missing, build, fetch a model, transcribe
#   make test            the same, then every test, also under ASan + UBSan
#   make test-quick      build and run the tests of this build only; installs and fetches nothing
#   make test-long       make test with the long variants (SOTTO_TEST_LONG=1)
#   make test-asan       tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   make test-ubsan      tests under UndefinedBehaviorSanitizer alone
#   make test-tsan       tests under ThreadSanitizer
#   make check           build/sotto-check: every kernel against its reference
#   make check-aarch64   the same, cross-built and run under qemu-aarch64
#   make bench           speed of every kernel
#   make bench-net       speed of the program, part by part: sotto bench [MODEL=base] [THREADS=N]
#                        [PRECISION=auto] [AUDIO=file]
#   make bench-peers     the program beside whisper.cpp and faster-whisper; rewrites the tables of
#                        docs/performance.md: WHISPER_CPP=whisper-cli [AUDIO=file|folder] [RUNS=3]
#                        [SECONDS=1380] [MODEL=base] [THREADS=2] [PEERS_OUT=docs]
#   make fuzz            libFuzzer programs (clang) in build/fuzz/; run: build/fuzz/fuzz_NAME CORPUS
#   make man             build/sotto.1; completion: build/sotto.bash
#   make format          lay out the sources with clang-format; format-check only looks
#   make install         PREFIX=/usr/local LIBDIR=PREFIX/lib DESTDIR=; uninstall takes it back
#   make clean
#
# Variables: BUILD (output folder), CC, CROSS (aarch64-linux-gnu-), SANITIZE (address,undefined),
# DEBUG=1 (asserts on, -Og), CFLAGS, LDFLAGS, JOBS, V=1 (show commands),
# T (tests to run: make test-quick T='test_mem test_cli.sh'), ONLY (folders to build: ONLY=src/base).
#
# Sources are found by pattern. src/**/*.c make the library, but src/fetch/*.c, which only programs
# link; cmd/*.c make the program sotto, cmd/npu/*.c sotto-npu; each tests/test_*.c is one test program,
# linked with tests/support*.c; tests/check/*.c make sotto-check; tests/fuzz/fuzz_*.c one fuzz target
# each. src/npu/kernels/*.lin are scheduled and assembled by sotto-npu.
# Instruction set flags follow from a file's suffix (ISA_FLAGS below).

BUILD     ?= build$(if $(CROSS),/$(CROSS:-=))
JOBS      ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX    ?= /usr/local
LIBDIR    ?= $(PREFIX)/lib
ifeq ($(origin CC),default)
CC = $(CROSS)gcc
endif
ifeq ($(origin AR),default)
AR = $(CROSS)ar
endif

ARCH    := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null || uname -m)))
VERSION := $(shell awk '/define SOTTO_VERSION_(MAJOR|MINOR|PATCH)/ {v = v s $$3; s = "."} END {print v}' \
             include/sotto.h)
SOVERSION := $(firstword $(subst ., ,$(VERSION)))

# ---- flags -----------------------------------------------------------------------------------

CFLAGS   ?= $(if $(DEBUG),-Og -g,-O2 -g1)
WARNINGS  = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wpointer-arith -Wvla
BASE_CFLAGS = -std=gnu17 -D_GNU_SOURCE -Iinclude -Isrc -fPIC -fvisibility=hidden -pthread \
              $(WARNINGS) $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all \
              -fno-omit-frame-pointer -g) $(EXTRA_CFLAGS)
BASE_LDFLAGS = -pthread -Wl,--as-needed $(if $(SANITIZE),-fsanitize=$(SANITIZE))
# Asserts cost time: on in debug and sanitised builds only. Tests always keep theirs.
NDEBUG = $(if $(DEBUG)$(SANITIZE),,-DNDEBUG)

# pkg-config where it is, else the libraries' plain names.
pkg_libs   = $(shell pkg-config --libs $(1) 2>/dev/null || echo $(2))
pkg_cflags = $(shell pkg-config --cflags $(1) 2>/dev/null)
LIB_PKGS   = libavformat libavcodec libswresample libavutil jansson libpcre2-8 zlib
FETCH_PKGS = libcurl libzip libcrypto
ifeq ($(CROSS),)
PKG_CFLAGS := $(call pkg_cflags,$(LIB_PKGS) $(FETCH_PKGS))
LIB_LIBS   := $(call pkg_libs,$(LIB_PKGS),-lavformat -lavcodec -lswresample -lavutil -ljansson \
                -lpcre2-8 -lz) -lm
FETCH_LIBS := $(call pkg_libs,$(FETCH_PKGS),-lcurl -lzip -lcrypto)
TEST_LIBS  := $(call pkg_libs,cmocka,-lcmocka)
endif

# Instruction sets by suffix. A file for another architecture is not compiled at all.
SUFFIX_x86_64  = _sse2 _avx2 _avxvnni _avx512 _avx512vnni _avx512bf16
SUFFIX_aarch64 = _neon _neondot _neonbf16
AVX2   = -mavx2 -mfma -mf16c
AVX512 = $(AVX2) -mavx512f -mavx512bw -mavx512dq -mavx512vl
ISA_FLAGS_sse2       = -msse2
ISA_FLAGS_avx2       = $(AVX2)
ISA_FLAGS_avxvnni    = $(AVX2) -mavxvnni
ISA_FLAGS_avx512     = $(AVX512)
ISA_FLAGS_avx512vnni = $(AVX512) -mavx512vnni
ISA_FLAGS_avx512bf16 = $(AVX512) -mavx512bf16
ISA_FLAGS_neon       =
ISA_FLAGS_neondot    = -march=armv8.2-a+dotprod
ISA_FLAGS_neonbf16   = -march=armv8.2-a+bf16
isa_flags = $(ISA_FLAGS_$(lastword $(subst _, ,$(basename $(notdir $(1))))))
# The plain C kernels are the specification and must still be practical: let them vectorise.
DIR_FLAGS_src/ops = $(if $(DEBUG),,-O3)
# Wide vectors compiled without the instructions for them; all such calls are inlined.
DIR_FLAGS_tests/check = -Wno-psabi
DIR_FLAGS_cmd/npu = -Icmd
dir_flags = $(DIR_FLAGS_$(patsubst %/,%,$(dir $(1))))

# ---- sources ---------------------------------------------------------------------------------

FOREIGN := $(foreach a,x86_64 aarch64,$(if $(filter $(a),$(ARCH)),,$(SUFFIX_$(a))))
natives  = $(filter-out $(addprefix %,$(addsuffix .c,$(FOREIGN))),$(1))
obj      = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

# ONLY='src/base src/audio' builds just these folders: to test one while another is in pieces.
ONLY      ?= src cmd
in_only    = $(filter $(addsuffix /%,$(ONLY)),$(1))
ALL_SRC   := $(call in_only,$(call natives,$(sort $(shell find src -name '*.c'))))
FETCH_SRC := $(filter src/fetch/%,$(ALL_SRC))
LIB_SRC   := $(filter-out src/fetch/%,$(ALL_SRC))
CMD_SRC   := $(call in_only,$(filter-out cmd/main.c,$(sort $(wildcard cmd/*.c))))
NPU_CMD_SRC := $(call in_only,$(sort $(wildcard cmd/npu/*.c)))
CHECK_SRC := $(call natives,$(sort $(wildcard tests/check/*.c))) \
             $(filter src/base/% src/ops/% src/cpu/% src/audio/mel%,$(LIB_SRC))
SUPPORT_SRC := $(sort $(wildcard tests/support*.c))
TEST_SRC    := $(sort $(wildcard tests/test_*.c))
TEST_SH     := $(sort $(wildcard tests/test_*.sh))
FUZZ_SRC    := $(sort $(wildcard tests/fuzz/fuzz_*.c))
EXAMPLE_SRC := $(sort $(wildcard tests/*_example.c))

LIB_A    = $(BUILD)/libsotto.a
LIB_SO   = $(BUILD)/libsotto.so
FETCH_A  = $(BUILD)/libfetch.a
CMD_A    = $(BUILD)/libcmd.a
SUPPORT_A = $(BUILD)/libsupport.a
PROGRAM  = $(BUILD)/sotto
NPU_PROGRAM = $(BUILD)/sotto-npu
LIN_SRC  := $(sort $(wildcard src/npu/kernels/*.lin))
KERNEL_OBJS = $(LIN_SRC:src/npu/kernels/%.lin=$(BUILD)/npu/%.o)
KERNELS  = $(KERNEL_OBJS) $(BUILD)/npu/kernels.elf
CHECK    = $(BUILD)/sotto-check
TESTS    = $(TEST_SRC:tests/%.c=$(BUILD)/tests/%)
REPLAYS  = $(FUZZ_SRC:tests/fuzz/fuzz_%.c=$(BUILD)/tests/replay_%)
EXAMPLES = $(EXAMPLE_SRC:tests/%.c=$(BUILD)/tests/%)
SCRIPTS  = $(TEST_SH:tests/%=$(BUILD)/tests/%)
FUZZERS  = $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/%)
OBJS     = $(call obj,$(ALL_SRC) $(CMD_SRC) $(NPU_CMD_SRC) cmd/main.c $(CHECK_SRC) $(SUPPORT_SRC) \
             $(TEST_SRC) $(FUZZ_SRC) $(EXAMPLE_SRC) tests/fuzz/replay.c)

Q = $(if $(V),,@)

# ---- building --------------------------------------------------------------------------------

.PHONY: all lib program kernels sotto-check tests fuzzers
all: lib program kernels
lib: $(LIB_A) $(LIB_SO)
program: $(PROGRAM) $(NPU_PROGRAM)
# Built by our own tools, which run here: not when cross-built.
kernels: $(if $(CROSS),,$(KERNELS))
sotto-check: $(CHECK)
tests: $(TESTS) $(REPLAYS) $(EXAMPLES) $(SCRIPTS) $(LIB_SO) $(CHECK) $(PROGRAM) $(NPU_PROGRAM) kernels
fuzzers: $(FUZZERS)

# Everything is rebuilt when the compiler or its flags change.
FLAGS_LINE = $(CC) $(CFLAGS) $(BASE_CFLAGS) $(PKG_CFLAGS) $(NDEBUG) $(LDFLAGS)
$(shell mkdir -p $(BUILD) && { [ "$$(cat $(BUILD)/flags 2>/dev/null)" = '$(FLAGS_LINE)' ] || \
        echo '$(FLAGS_LINE)' >$(BUILD)/flags; })

# Sanitisers make a fully unrolled kernel take a minute to compile. All levels share their source, so
# the SSE2 build of it is sanitised; the others answer to sotto-check's guard bands.
unsanitised = $(if $(SANITIZE),$(if $(filter-out %_sse2.c %_ref.c,$(filter src/cpu/gemm_%,$(1))),-fno-sanitize=all))
compile = $(Q)$(CC) $(BASE_CFLAGS) $(PKG_CFLAGS) $(1) $(CFLAGS) $(call dir_flags,$<) $(call isa_flags,$<) \
          $(call unsanitised,$<) \
          -MMD -MP -c $< -o $@

$(BUILD)/obj/tests/%.o: tests/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  CC      $<'
	$(call compile,-Itests -I.)
$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  CC      $<'
	$(call compile,-Wmissing-prototypes $(NDEBUG))

archive = $(Q)rm -f $@; mkdir -p $(@D); $(AR) rcs $@ $^
$(LIB_A): $(call obj,$(LIB_SRC))
	$(archive)
$(FETCH_A): $(call obj,$(FETCH_SRC))
	$(archive)
$(CMD_A): $(call obj,$(CMD_SRC))
	$(archive)
$(SUPPORT_A): $(call obj,$(SUPPORT_SRC))
	$(archive)

$(LIB_SO): $(call obj,$(LIB_SRC)) src/sotto.map
	@echo '  LD      $@'
	$(Q)$(CC) -shared $(BASE_LDFLAGS) $(LDFLAGS) -Wl,-soname,libsotto.so.$(SOVERSION) \
	    -Wl,--version-script=src/sotto.map $(if $(SANITIZE),,-Wl,-z,defs) -o $@ \
	    $(filter %.o,$^) $(LIB_LIBS)
	@ln -sf libsotto.so $(BUILD)/libsotto.so.$(SOVERSION)

link = $(Q)mkdir -p $(@D); echo '  LD      $@'; $(CC) $(BASE_LDFLAGS) $(LDFLAGS) -o $@
PROGRAM_LIBS = $(CMD_A) $(FETCH_A) $(LIB_A)
$(PROGRAM): $(call obj,cmd/main.c) $(PROGRAM_LIBS)
	$(link) $^ $(FETCH_LIBS) $(LIB_LIBS)
$(NPU_PROGRAM): $(call obj,$(NPU_CMD_SRC)) $(LIB_A)
	$(link) $^ $(LIB_LIBS)

$(BUILD)/npu/%.o: src/npu/kernels/%.lin $(NPU_PROGRAM)
	@mkdir -p $(@D)
	@echo '  SCHED   $<'
	$(Q)$(NPU_PROGRAM) sched $< -o $(@:.o=.s)
	$(Q)$(NPU_PROGRAM) asm $(@:.o=.s) -o $@
$(BUILD)/npu/kernels.elf: $(KERNEL_OBJS)
	$(Q)$(NPU_PROGRAM) link $^ -o $@

# Static when cross-built, so that qemu needs no foreign libraries.
$(CHECK): $(call obj,$(CHECK_SRC))
	$(link) $(if $(CROSS),-static) $^ -lm

$(TESTS): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(SUPPORT_A) $(PROGRAM_LIBS)
	$(link) $^ $(TEST_LIBS) $(FETCH_LIBS) $(LIB_LIBS)
$(REPLAYS): $(BUILD)/tests/replay_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o \
            $(BUILD)/obj/tests/fuzz/replay.o $(LIB_A)
	$(link) $^ $(LIB_LIBS)
$(EXAMPLES): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(LIB_A)
	$(link) $^ $(LIB_LIBS)
$(FUZZERS): $(BUILD)/%: $(BUILD)/obj/tests/fuzz/%.o $(LIB_A)
	$(link) -fsanitize=fuzzer $^ $(LIB_LIBS)
$(BUILD)/gen-model: $(call obj,tests/gen_model.c tests/support_gen_model.c) $(LIB_A)
	$(link) $^ $(LIB_LIBS)
$(SCRIPTS): $(BUILD)/tests/%: tests/%
	@mkdir -p $(@D)
	@cp -p $< $@

-include $(OBJS:.o=.d)

# ---- running ---------------------------------------------------------------------------------

.PHONY: demo setup-test fetch test test-quick test-long asan ubsan tsan test-asan test-ubsan \
        test-tsan check check-aarch64 bench bench-net bench-peers fuzz
demo:
	@scripts/setup.sh demo
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@scripts/demo.sh $(BUILD)

# One run of prove over the ordinary and the sanitised tests, so that its last line counts all.
ASAN = $(BUILD)/asan
asan_make = $(MAKE) --no-print-directory BUILD=$(ASAN) SANITIZE=address,undefined
test:
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) all tests
	@$(asan_make) -j$(JOBS) tests
	@$(BUILD)/sotto model fetch base tiny.en silero-vad
	@if command -v aarch64-linux-gnu-gcc >/dev/null; then \
	    $(MAKE) --no-print-directory -j$(JOBS) CROSS=aarch64-linux-gnu- BUILD=$(BUILD)/aarch64 \
	    sotto-check; fi
	@$(prove) $(call names,$(BUILD)) $(call names,$(ASAN))

prove = prove --timer $(if $(V),-v) --exec tests/run
names = $(patsubst %,$(1)/tests/%,$(if $(T),$(T),$(call names_$(if $(findstring asan,$(1))$(SANITIZE),sanitized,plain))))
programs = $(notdir $(TESTS) $(REPLAYS))
names_plain = $(programs) $(notdir $(TEST_SH))
# Scripts run under sanitizers only if they say so: a line "# sanitizers: yes".
names_sanitized = $(programs) $(notdir $(shell grep -l '^\# sanitizers: yes' $(TEST_SH) /dev/null))

test-quick:
	@$(MAKE) --no-print-directory -j$(JOBS) $(if $(T),$(addprefix $(BUILD)/tests/,$(T)),tests)
	@$(prove) $(call names,$(BUILD))
test-long: export SOTTO_TEST_LONG = 1
test-long: test

asan:
	@$(asan_make) -j$(JOBS) all tests
ubsan:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/ubsan SANITIZE=undefined -j$(JOBS) all tests
tsan:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan SANITIZE=thread -j$(JOBS) all tests
test-asan:
	@$(asan_make) test-quick
test-ubsan:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/ubsan SANITIZE=undefined test-quick
test-tsan:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan SANITIZE=thread test-quick

check: $(CHECK)
	$(CHECK)
bench: $(CHECK)
	$(CHECK) --bench
bench-net: $(PROGRAM)
	$(PROGRAM) bench $(if $(MODEL),--model $(MODEL)) $(if $(THREADS),--threads $(THREADS)) \
	    $(if $(PRECISION),--precision $(PRECISION)) $(AUDIO)
bench-peers: $(PROGRAM)
	python3 scripts/bench_peers.py --sotto $(PROGRAM) --work $(BUILD)/peers \
	    $(if $(WHISPER_CPP),--whisper-cpp $(WHISPER_CPP)) $(if $(RUNS),--runs $(RUNS)) \
	    $(if $(SECONDS),--seconds $(SECONDS)) $(if $(MODEL),--model $(MODEL)) \
	    $(if $(THREADS),--threads $(THREADS)) $(if $(PEERS_OUT),--out $(PEERS_OUT)) \
	    $(BENCH_PEERS) $(AUDIO)
check-aarch64:
	@$(MAKE) --no-print-directory -j$(JOBS) CROSS=aarch64-linux-gnu- BUILD=$(BUILD)/aarch64 \
	    sotto-check
	qemu-aarch64 $(BUILD)/aarch64/sotto-check
fuzz:
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD)/fuzz CC=clang \
	    SANITIZE=address,undefined EXTRA_CFLAGS=-fsanitize=fuzzer-no-link fuzzers

# ---- upkeep ----------------------------------------------------------------------------------

.PHONY: man completion format format-check install uninstall clean
man: $(BUILD)/sotto.1
completion: $(BUILD)/sotto.bash
$(BUILD)/sotto.1: $(PROGRAM)
	$(PROGRAM) help man >$@.tmp && mv $@.tmp $@
$(BUILD)/sotto.bash: $(PROGRAM)
	$(PROGRAM) --completion bash >$@.tmp && mv $@.tmp $@

FORMATTED = $(sort $(shell find include src cmd tests -name '*.[ch]'))
format:
	clang-format -i $(FORMATTED)
format-check:
	clang-format --dry-run -Werror $(FORMATTED)

# A new library is found by the linker's cache only after ldconfig; below DESTDIR that is for whoever
# unpacks it.
D = $(DESTDIR)$(PREFIX)
L = $(DESTDIR)$(LIBDIR)
COMPLETIONS = $(D)/share/bash-completion/completions
install: all man completion
	install -d $(D)/bin $(D)/include $(L)/pkgconfig $(D)/share/man/man1 $(COMPLETIONS)
	install -m 755 $(PROGRAM) $(D)/bin/sotto
	install -m 755 $(NPU_PROGRAM) $(D)/bin/sotto-npu
	install -m 644 include/sotto.h $(D)/include/sotto.h
	install -m 644 $(LIB_A) $(L)/libsotto.a
	install -m 755 $(LIB_SO) $(L)/libsotto.so.$(VERSION)
	ln -sf libsotto.so.$(VERSION) $(L)/libsotto.so.$(SOVERSION)
	ln -sf libsotto.so.$(SOVERSION) $(L)/libsotto.so
	install -m 644 $(BUILD)/sotto.1 $(D)/share/man/man1/sotto.1
	install -m 644 $(BUILD)/sotto.bash $(COMPLETIONS)/sotto
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' \
	    scripts/sotto.pc.in >$(L)/pkgconfig/sotto.pc
	$(if $(DESTDIR),,-@ldconfig 2>/dev/null || true)
uninstall:
	rm -f $(D)/bin/sotto $(D)/bin/sotto-npu $(D)/include/sotto.h $(L)/libsotto.a $(L)/libsotto.so \
	    $(L)/libsotto.so.$(SOVERSION) $(L)/libsotto.so.$(VERSION) $(L)/pkgconfig/sotto.pc \
	    $(D)/share/man/man1/sotto.1 $(COMPLETIONS)/sotto
	$(if $(DESTDIR),,-@ldconfig 2>/dev/null || true)
clean:
	rm -rf $(BUILD)
