#!/bin/bash
# sotto-npu run-core, isa, bench-core: what they print and how they end.
# sanitizers: yes
npu=$SOTTO_BUILD/sotto-npu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
check() { # status name
    n=$((n + 1))
    if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}
# says NAME STATUS TEXT COMMAND...: ends so and prints the text
says() {
    local name=$1 status=$2 text=$3
    shift 3
    local out got
    out=$("$@" 2>&1)
    got=$?
    [ "$got" = "$status" ] && grep -qF -- "$text" <<<"$out"
    local ok=$?
    [ $ok = 0 ] || echo "# status $got, printed: $out"
    check $ok "$name"
}

cat >"$dir/p.s" <<'S'
    .text
    .globl __start
__start:
    movxm p0, #buffer
    movxm ls, #.Lfirst
    movxm le, #.Llast
    mova r1, #10
    add.nc lc, r1, #0
    nop
    nop
    nop
    .align 16
.Lfirst:
    add r0, r0, #3; nopa; nopb; nops; nopm; nopv
.Llast:
    st r0, [p0], #4; nopa; nopb; nopx; nopm; nopv
    nop
    nop
    nop
    nop
    done
    .globl square
square:
    ret lr
    mul r0, r0, r0
    nop
    nop
    st r0, [p0, #0]
    nop
    .globl wild
wild:
    lda r0, [p0, #0]
    .globl waits
waits:
    acq #50, r0
    .globl forever
forever:
    j #forever
    nop
    nop
    nop
    nop
    nop
    .data
    .align 32
buffer:
    .space 64
S
"$npu" asm "$dir/p.s" -o "$dir/p.o" && "$npu" link "$dir/p.o" -o "$dir/p.elf"
check $? "assembles and links"

says "runs to done" 0 "done (emulated)" "$npu" run-core "$dir/p.elf" --profile --trace "$dir/t.json" \
    --dump 0x70400,40="$dir/d.bin"
says "counts cycles" 0 "emulated cycles           33" "$npu" run-core "$dir/p.elf"
[ "$(od -A n -t d4 "$dir/d.bin" | tr -s ' \n' ' ')" = " 3 6 9 12 15 18 21 24 27 30 " ]
check $? "dumps memory"
grep -q '"name": "loop", "ph": "X", "ts": 8, "dur": 20' "$dir/t.json" && tail -1 "$dir/t.json" | grep -q '^\]}'
check $? "writes a trace"
says "profiles loops" 0 "__start        0x00020 0x00030         10        2" "$npu" run-core "$dir/p.elf" --profile

printf '\x07\x00\x00\x00' >"$dir/seven"
says "runs a function" 0 "returned (emulated)" "$npu" run-core "$dir/p.elf" --entry square --set r0=12 \
    --set p0=0x70000 --dump 0x70000,4="$dir/d.bin"
[ "$(od -A n -t d4 "$dir/d.bin" | tr -d ' ')" = 144 ]
check $? "with its argument"
says "stops at a fault" 4 "no memory at 0x60000" "$npu" run-core "$dir/p.elf" --entry wild --set p0=0x60000
says "and says where" 4 "(lda r0, [p0, #0]), wild + 0x0" "$npu" run-core "$dir/p.elf" --entry wild --set p0=0x60000
says "the stack's guard word" 4 "guard word" "$npu" run-core "$dir/p.elf" --entry square --set p0=0x703fc
says "a lock nobody frees" 4 "waiting for a lock" "$npu" run-core "$dir/p.elf" --entry waits --set r0=-1 --cycles 100
says "a runaway program" 4 "still running after 1000 cycles" "$npu" run-core "$dir/p.elf" --entry forever --cycles 1000
says "maps that overlap" 4 "overlaps" "$npu" run-core "$dir/p.elf" --mem 0x70400="$dir/p.s" --mem 0x70410="$dir/seven"
says "an empty map" 4 "empty" "$npu" run-core "$dir/p.elf" --mem 0x70400=/dev/null
says "a map outside" 4 "no data memory" "$npu" run-core "$dir/p.elf" --mem 0x50000="$dir/seven"
says "a map that is not there" 4 "none" "$npu" run-core "$dir/p.elf" --mem 0x70400="$dir/none"
says "an unknown register" 2 "bad value 'q=3'" "$npu" run-core "$dir/p.elf" --set q=3
says "a null dump" 2 "bad value" "$npu" run-core "$dir/p.elf" --dump 0x70000,0=x
says "a dump outside" 4 "no data memory" "$npu" run-core "$dir/p.elf" --dump 0x7fff0,32="$dir/x"
says "an object" 4 "link it first" "$npu" run-core "$dir/p.o"
says "no image" 2 "one image is needed" "$npu" run-core
says "an unknown symbol" 4 "no symbol nothere" "$npu" run-core "$dir/p.elf" --entry nothere
says "the rows" 0 "607 rows:" "$npu" isa
says "rows without a test are those not modelled" 0 "$("$npu" isa --unmodelled | tail -2)" "$npu" isa --untested
says "the emulator's speed" 0 "million emulated core cycles per second" "$npu" bench-core
echo "1..$n"
