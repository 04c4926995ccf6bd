#!/bin/bash
# The whole program at every level of kernels this machine has, by SOTTO_CPU: a lower level must be
# chosen where the higher one is missing, and must still be right. fp32 sums differ between levels only
# in their order, so the text is the same; bf16 must come to within a word of it. int8 must hear all but
# the last word: at that one fp32 prefers "ill" to "old" by 0.9 logits, which is what 8 bits move, and
# roundings differ between levels. How near int8 comes at each level is in test_outliers. Prints TAP.
sotto=${SOTTO_BUILD:-build}/sotto
speech=/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0890.wav
store=${SOTTO_MODELS:-${XDG_DATA_HOME:-$HOME/.local/share}/sotto/models}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0
if [ ! -e "$store/tiny.en" ] || [ ! -e "$store/silero-vad" ] || [ ! -e $speech ]; then
    echo "1..0 # SKIP no models tiny.en and silero-vad, or no pocketsphinx-testdata"
    exit 0
fi
result() {
    n=$((n + 1))
    if [ "$2" -eq 0 ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        sed 's/^/# /' "$dir/out" "$dir/err"
    fi
}
skip() {
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}
# hear LEVEL PRECISION: the text in out, lower case without punctuation, a word a line.
hear() {
    SOTTO_CPU=$1 "$sotto" -m tiny.en -t 2 -v --precision "$2" -f txt -o - "$speech" 2>"$dir/err" |
        tr '[:upper:]' '[:lower:]' | tr -cs '[:alnum:]' '\n' >"$dir/out"
}
# What kernels the program says it uses.
kernels() {
    sed -n 's/.*; \([a-z0-9]*\) kernels, .*/\1/p' "$dir/err"
}

case $(uname -m) in
x86_64) levels="sse2:sse2 avx2:avx2 avxvnni:avx2 avx512:avx512 avx512vnni:avx512 avx512bf16:avx512" ;;
aarch64) levels="neon:neon neondot:neon neonbf16:neon" ;;
*) levels= ;;
esac
# What a level needs, as /proc/cpuinfo spells it.
declare -A needs=([avx2]='avx2 fma f16c' [avxvnni]='avx2 avx_vnni' [avx512]='avx512f avx512bw avx512dq avx512vl'
    [avx512vnni]='avx512f avx512bw avx512dq avx512vl avx512_vnni'
    [avx512bf16]='avx512f avx512bw avx512dq avx512vl avx512_bf16' [neondot]=asimddp [neonbf16]='asimddp bf16')
has() {
    local flag
    for flag in ${needs[$1]}; do
        grep -qE "^(flags|Features)\b.*\b$flag\b" /proc/cpuinfo || return 1
    done
}

hear ref fp32 && [ "$(kernels)" = ref ] && [ "$(wc -w <"$dir/out")" -gt 10 ] && grep -qx selfish "$dir/out"
result "plain C, fp32: hears the sentence" $?
cp "$dir/out" "$dir/want"
# By letters: a hyphen may be heard or not.
heard8() { [[ $(tr -d '\n' <"$dir/out") == unlesstoberathercoldheartedandratherselfishistobe* ]]; }
hear ref int8 && [ "$(kernels)" = ref ] && heard8
result "plain C, int8: hears the sentence" $?
for level in $levels; do
    name=${level%:*} expected=${level#*:}
    if ! has "$name"; then
        # Asking for more than there is gives the best there is.
        hear "$name" fp32 && [ -n "$(kernels)" ] && [ "$(kernels)" != ref ] && cmp -s "$dir/out" "$dir/want"
        result "$name, which is not here, fp32: a lower level, the same text" $?
        skip "$name: bf16, int8" "this processor lacks ${needs[$name]}"
        continue
    fi
    hear "$name" fp32 && [ "$(kernels)" = "$expected" ] && cmp -s "$dir/out" "$dir/want"
    result "$name, fp32: the same text" $?
    hear "$name" bf16 && [ "$(kernels)" = "$expected" ] &&
        [ "$(diff "$dir/want" "$dir/out" | grep -c '^[<>]')" -le 2 ]
    result "$name, bf16: the same text within a word" $?
    hear "$name" int8 && [ "$(kernels)" = "$expected" ] && heard8
    result "$name, int8: hears the sentence" $?
done
echo "1..$n"
