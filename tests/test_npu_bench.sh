#!/bin/bash
# sotto-npu bench-kernels: what it prints and how it ends; kernels built by make.
# sanitizers: yes
npu=$SOTTO_BUILD/sotto-npu
image=$SOTTO_BUILD/npu/kernels.elf
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
    [ "$got" = "$status" ] && grep -qE -- "$text" <<<"$out"
    local ok=$?
    [ $ok = 0 ] || echo "# status $got, printed: $out"
    check $ok "$name"
}

"$npu" bench-kernels >"$dir/text"
check $? "every kernel equals its model and reaches what it must"
for k in gemm_bf16_64x64x64 gemm_int8_64x64x128 exp2 gelu layernorm_8x512 epilogue_rows \
    epilogue_columns epilogue_turned epilogue_residual; do
    grep -qE "^$k .* ok\$" "$dir/text"
    check $? "$k is in the table"
done
grep -q '156 of 156 runs equal their C model' "$dir/text"
check $? "captured inputs are found"
"$npu" bench-kernels "$image" --json >"$dir/json" && [ "$(grep -c '"ok": true' "$dir/json")" = 9 ] &&
    grep -q '"kernel": "gelu".*"random": 4, "edge": 4, "captured": 4, "wrong": 0' "$dir/json" &&
    [ "$(tr -cd '{' <"$dir/json" | wc -c)" = 19 ] && [ "$(tr -cd '}' <"$dir/json" | wc -c)" = 19 ]
check $? "the same as JSON"

# A kernel that computes something else, and one that takes too long
sed 's/^.const CURVE = 44/.const CURVE = 43/' src/npu/kernels/exp2.lin >"$dir/exp2.lin"
objects=()
for f in "$SOTTO_BUILD"/npu/*.o; do
    case $f in */exp2.o) objects+=("$dir/exp2.o") ;; *) objects+=("$f") ;; esac
done
"$npu" sched "$dir/exp2.lin" -o "$dir/exp2.s" && "$npu" asm "$dir/exp2.s" -o "$dir/exp2.o" &&
    "$npu" link "${objects[@]}" -o "$dir/wrong.elf"
check $? "a changed kernel links"
says "and is found out" 1 '^exp2 .* DIFFERS$' "$npu" bench-kernels "$dir/wrong.elf"
"$npu" sched src/npu/kernels/exp2.lin --unscheduled -o "$dir/exp2.s" &&
    "$npu" asm "$dir/exp2.s" -o "$dir/exp2.o" && "$npu" link "${objects[@]}" -o "$dir/slow.elf"
says "a slow kernel" 1 '^exp2 .* MISSED$' "$npu" bench-kernels "$dir/slow.elf"
"$npu" link "$SOTTO_BUILD/npu/gelu.o" -o "$dir/part.elf"
says "a missing kernel" 4 'has no function gemm_bf16_64x64x64' "$npu" bench-kernels "$dir/part.elf"
says "no image" 4 'none.elf' "$npu" bench-kernels "$dir/none.elf"
says "an object" 4 '.' "$npu" bench-kernels "$SOTTO_BUILD/npu/gelu.o"
says "no captures where they should be" 4 'mac_bf16.csv' "$npu" bench-kernels --captures "$dir"
says "an unknown option" 2 "bad option '--fast'" "$npu" bench-kernels --fast
echo 'zz' >"$dir/mac_bf16.csv"
says "captures that are none" 4 'no captured numbers' "$npu" bench-kernels --captures "$dir"
echo "1..$n"
