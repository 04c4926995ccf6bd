#!/bin/bash
# sotto bench: that it measures every part it names and says so as a table, as JSON and as a picture.
# How fast anything is, is not tested. Prints TAP.
sotto=${SOTTO_BUILD:-build}/sotto
case $sotto in /*) ;; *) sotto=$PWD/$sotto ;; esac
speech=/usr/share/pocketsphinx/test/data
store=${SOTTO_MODELS:-${XDG_DATA_HOME:-$HOME/.local/share}/sotto/models}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0
result() {
    n=$((n + 1))
    if [ "$2" -eq 0 ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        sed 's/^/# /' "$dir"/out "$dir"/err 2>/dev/null | head -60
    fi
}
skip() {
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}
# run STATUS ARGS...: sotto bench; succeeds if it ends with STATUS.
run() {
    local expected=$1
    shift
    "$sotto" bench "$@" >out 2>err </dev/null
    [ $? -eq "$expected" ]
}
fails() { # name, status, message, arguments
    local name=$1 status=$2 message=$3
    shift 3
    run "$status" "$@" && grep -qF -- "$message" err && [ ! -s out ]
    result "$name" $?
}
cd "$dir" || exit 1

# ---- options ---------------------------------------------------------------------------------

run 0 --help && grep -q '^Usage: sotto bench' out && [ ! -s err ]
result "--help" $?
"$sotto" help bench >out 2>err && grep -q -- '--plot' out
result "help bench" $?
fails "no such model" 3 "sotto: " --model /nowhere/model
fails "threads that are none" 2 "--threads: 'many' is not a number from 1" --threads many
fails "no repeats" 2 "'0' is not a number from 1" --repeats=0
fails "a precision that is none" 2 "'fp8' is not auto, fp32, bf16 or int8" --precision fp8
fails "an unknown option" 2 "unknown option '--fast'" --fast
fails "an option without its value" 2 "--plot needs a value" --plot
fails "two recordings" 2 "not also 'b.wav'" a.wav b.wav

# ---- measuring -------------------------------------------------------------------------------

if [ ! -e "$store/tiny.en" ] || [ ! -e "$store/silero-vad" ] || [ ! -e $speech/cards ]; then
    skip "measuring" "no models tiny.en and silero-vad, or no pocketsphinx-testdata"
    echo "1..$n"
    exit 0
fi
SOTTO_MODELS=$(cd "$store" && pwd)
export SOTTO_MODELS
card=$speech/cards/001.wav
fails "a recording that is not there" 4 "missing.wav" -m tiny.en missing.wav
echo "no audio" >text.wav
fails "a recording that is none" 4 "text.wav" -m tiny.en text.wav

run 0 -m tiny.en --quick --threads 2 --json --plot plot.svg "$card" && [ ! -s err ]
result "json and a plot" $?
# The names are the interface: whatever reads the figures finds every one, measured.
if command -v jq >/dev/null; then
    names='["open","first_token","mel","vad","encoder_1_thread","encoder","decoder_1","decoder_5_beams",
        "decoder_8_windows","recording","process","memory","read","peak_1_thread","peak"]'
    jq -e --argjson names "$names" '[.rows[].name] == $names' out >/dev/null
    result "json has every row" $?
    jq -e 'all(.rows[]; .median > 0 and .best > 0 and (.what | length) > 0 and
        (.unit | IN("ms", "MB", "GB/s", "Gop/s")))' out >/dev/null
    result "every row is measured" $?
    jq -e '[.rows[] | select(.name | test("encoder|decoder"))] | length == 5 and
        all(.fraction > 0 and (.bound | IN("compute", "memory")) and .cpu > 0)' out >/dev/null
    result "the network's parts have a limit" $?
    jq -e --arg card "$card" '.threads == 2 and .repeats == 1 and .model.name == "tiny.en" and
        .recording.file == $card and .recording.seconds > 1 and .recording.windows > 0 and
        .recording.tokens > 0 and (.machine.features | length) > 0 and
        (.kernels.weights | startswith("gemm_"))' out >/dev/null
    result "machine, model, kernels and recording" $?
    # What is measured is consistent: the whole process takes longer than what it does in the middle.
    jq -e '[.rows[] | {(.name): .median}] | add | .process > .recording and .first_token > .open' out >/dev/null
    result "wholes are longer than their parts" $?
else
    skip "json" "no jq"
fi
if command -v python3 >/dev/null; then
    python3 - plot.svg >err 2>&1 <<'P'
import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
space = "{http://www.w3.org/2000/svg}"
bars = [r for r in root.iter(space + "rect") if not r.get("width").endswith("%")]
texts = ["".join(t.itertext()) for t in root.iter(space + "text")]
assert root.tag == space + "svg", root.tag
assert len(bars) == 11 + 2 * 5, len(bars)  # a bar for each time, two for each share
assert all(0 < float(r.get("width")) < 1000 for r in bars)
assert sum(t.endswith(" ms") for t in texts) == 11, texts
assert sum(t.endswith(" %") for t in texts) == 5, texts
P
    result "the plot is a picture with a bar for each time" $?
else
    [ "$(tail -n 1 plot.svg)" = "</svg>" ]
    result "the plot is whole" $?
fi

# Kernels as the mask says, here plain vector code; and a table.
SOTTO_CPU=sse2 run 0 -m tiny.en --quick --threads 1 --precision int8 "$card" &&
    [ "$(grep -c -E '^[a-z].{53}( +[0-9.]+){2,3} +(ms|MB|GB/s|Gop/s)' out)" -eq 15 ]
result "a table of 15 rows" $?
if [ "$(uname -m)" = x86_64 ]; then
    grep -q 'computed in int8; sse2 kernels, gemm_i8_6x8_sse2 for the weights' out
    result "the kernels are those of the level" $?
fi
run 5 -m tiny.en --quick --plot /nowhere/plot.svg "$card" && grep -q 'cannot write /nowhere/plot.svg' err
result "a plot that cannot be written" $?
echo "1..$n"
