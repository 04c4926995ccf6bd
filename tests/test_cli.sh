#!/bin/bash
# The program from outside: exit statuses, messages, files. Prints TAP. What needs the models or the
# speech of pocketsphinx-testdata is skipped without them.
# sanitizers: yes
# shellcheck disable=SC2317
sotto=${SOTTO_BUILD:-build}/sotto
case $sotto in /*) ;; *) sotto=$PWD/$sotto ;; esac
speech=/usr/share/pocketsphinx/test/data
store=${SOTTO_MODELS:-${XDG_DATA_HOME:-$HOME/.local/share}/sotto/models}
dir=$(mktemp -d) || exit 1
# Only the script itself cleans up, not a child that a signal ends before it becomes sotto.
trap '[ $BASHPID = $$ ] || exit; umount "$dir/small" 2>/dev/null; chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
n=0

# result NAME CONDITION-STATUS: one line of TAP, with what the program said if it failed.
result() {
    n=$((n + 1))
    if [ "$2" -eq 0 ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        sed 's/^/# /' out err 2>/dev/null
    fi
}
skip() {
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}
# run STATUS ARGS...: runs sotto; succeeds if it ends with STATUS. Output is in out and err.
run() {
    local expected=$1 status
    shift
    "$sotto" "$@" >out 2>err </dev/null
    status=$?
    [ $status -eq "$expected" ] && return 0
    echo "exit status $status, expected $expected: $*" >>err
    return 1
}
said() { grep -qF -- "$1" err; }
# fails NAME STATUS MESSAGE ARGS...: the program must end so and say so, with nothing on stdout.
fails() {
    local name=$1 status=$2 message=$3
    shift 3
    run "$status" "$@" && said "$message" && [ ! -s out ]
    result "$name" $?
}

# ---- without a model -------------------------------------------------------------------------

touch empty.wav
mkdir folder
printf 'this is not audio\n' >text.wav

run 2 && grep -q '^Usage: sotto' err
result "no arguments: usage" $?
run 0 --help && grep -q '^Usage: sotto' out && [ ! -s err ]
result "--help" $?
run 0 --version && grep -qx 'sotto [0-9]*\.[0-9]*\.[0-9]*' out
result "--version" $?
run 0 help transcribe && grep -q -- '--condition-on-previous-text' out
result "help transcribe" $?
run 0 help exit && grep -q '^  130 ' out
result "help exit" $?
run 0 help languages && grep -q '^yue ' out
result "help languages" $?
fails "help on nothing" 2 "no help on 'cooking'" help cooking
run 0 --completion bash && bash -n out
result "completion is a script" $?
if command -v man >/dev/null; then
    run 0 --man && cp out sotto.1 &&
        LC_ALL=C.UTF-8 MANROFFSEQ='' man --warnings -E UTF-8 -l -Tutf8 ./sotto.1 >out 2>err &&
        [ ! -s err ] && grep -q 'talk.mp3.srt' out
    result "man page without warnings" $?
else
    skip "man page without warnings" "no man"
fi

fails "missing file" 4 "none.wav: no such file" none.wav
fails "a command that is none" 4 "models: no such file; for models: sotto model list" models
fails "empty file" 4 "empty.wav: the file is empty" empty.wav
fails "folder" 4 "folder: is a folder, not a recording" folder
fails "two bad files: a summary" 4 "2 of 2 recordings failed" none.wav empty.wav
fails "unknown option" 2 "unknown option --lang-uage; did you mean --language?" --lang-uage x text.wav
fails "an option of another program" 2 "-owts is not an option here: -f vtt" -owts text.wav
run 0 help others && grep -q -- '^  -owts --output-words .*-f vtt' out
result "help others" $?
fails "unknown language" 2 "near it: german (de)" -l germn text.wav
fails "value out of range" 2 "--beam-size: '99' is not a whole number from 1 to 16" --beam-size 99 a
fails "unknown format" 2 "'doc' is not one of txt, srt" -f doc text.wav
fails "output is a file" 5 "cannot write into folder text.wav" -o text.wav text.wav
fails "output below a file" 5 "cannot write into folder text.wav/x" -o text.wav/x text.wav
fails "unknown model" 3 "nosuchmodel" -m nosuchmodel --no-vad text.wav
SOTTO_MODELS=$dir/none fails "absent model" 3 "sotto model fetch base" --no-vad text.wav
SOTTO_MODELS=$dir/none fails "absent detector" 3 "sotto model fetch silero-vad" text.wav
if [ "$(id -u)" -eq 0 ]; then
    skip "folder without permission" "root may write everywhere"
else
    mkdir locked && chmod 500 locked
    fails "folder without permission" 5 "cannot write into folder locked" -o locked text.wav
fi
"$sotto" --help >/dev/full 2>err
[ $? -eq 5 ] && said "No space left"
result "--help to a full disk" $?

# ---- with a model ----------------------------------------------------------------------------

why=
[ -e "$store/tiny.en" ] && [ -e "$store/silero-vad" ] || why="no models tiny.en and silero-vad"
[ -e $speech/cards/001.wav ] || why="no pocketsphinx-testdata"
if [ -n "$why" ]; then
    skip "transcription" "$why"
    echo "1..$n"
    exit 0
fi
# What the store means must not change with the folder we are in.
SOTTO_MODELS=$(cd "$store" && pwd)
export SOTTO_MODELS
card=$speech/cards/001.wav
model="-m tiny.en"

# shellcheck disable=SC2086
t() { local status=$1; shift; run "$status" $model "$@"; }

t 0 $card && grep -q '^\[00:0[0-9]\.[0-9]* --> ' out && grep -q 'x realtime (cpu, ' err
result "text with times, and the speed" $?
t 0 -q --no-timestamps $card && [ -s out ] && [ ! -s err ] && ! grep -q -e '-->' out
result "quiet, without times" $?
cp out plain.txt
"$sotto" $model -q -nt - <$card >out 2>err && cmp -s out plain.txt
result "standard input" $?

t 0 --offset 10:00 $card && [ ! -s out ] && said "001.wav: ends before the part that was asked for"
result "an offset behind the end" $?
t 0 -f all -o made/here $card &&
    [ "$(cd made/here && echo *)" = "001.csv 001.json 001.lrc 001.srt 001.tsv 001.txt 001.vtt" ] &&
    cmp -s made/here/001.txt plain.txt && [ ! -s out ] && [ "$(ls -A made/here | wc -l)" -eq 7 ]
result "all formats into a new folder" $?
[ "$(stat -c %a made/here/001.txt)" = "$(printf %o $((0666 & ~$(umask))))" ]
result "files have the usual permissions" $?
if command -v python3 >/dev/null; then
    python3 - made/here/001.json plain.txt >out 2>err <<'PY'
import json, sys
j = json.load(open(sys.argv[1]))
assert list(j) == ["text", "segments", "language"], list(j)
assert j["language"] == "en"
assert j["text"].strip() == open(sys.argv[2]).read().strip().replace("\n", ""), j["text"]
assert [s["id"] for s in j["segments"]] == list(range(len(j["segments"])))
PY
    result "json is what it should be" $?
else
    skip "json is what it should be" "no python3"
fi
t 0 -q -f srt -o - $card && head -1 out | grep -qx 1 && grep -q '^00:00:0[0-9],' out
result "srt to standard output" $?

echo old >made/here/001.txt && rm made/here/001.srt
t 0 -f txt,srt -o made/here --no-overwrite $card && [ "$(cat made/here/001.txt)" = old ] &&
    [ -s made/here/001.srt ]
result "--no-overwrite makes only what is missing" $?
t 0 -f txt,srt -o made/here --no-overwrite $card && said "skipped" && [ ! -s out ]
result "--no-overwrite skips" $?
t 0 -f txt -o made/here $card && cmp -s made/here/001.txt plain.txt
result "existing files are replaced otherwise" $?

t 0 -osrt -of made/of/talk $card && [ "$(ls -A made/of)" = talk.srt ] && [ "$(ls -A | grep -c '^f$')" -eq 0 ]
result "-of names the file, as whisper.cpp's" $?
mkdir models && ln -s "$SOTTO_MODELS/tiny.en" models/
SOTTO_MODELS=$dir/none t 3 --model_dir models -q $card && said "sotto model fetch silero-vad"
result "--model_dir without the detector" $?
t 0 --model_dir models -q -nt $card && cmp -s out plain.txt
result "--model_dir, the detector from the usual store" $?
mkdir same && cp $card same/001.mp3 && cp $card 001.wav
t 0 -f txt -o twins 001.wav same/001.mp3 && cmp -s twins/001.txt plain.txt &&
    cmp -s twins/001.mp3.txt plain.txt
result "two inputs of one name" $?
cp $card talk.txt
t 5 -f txt talk.txt && said "it is one of the recordings" && cmp -s talk.txt $card
result "an output never replaces an input" $?
mkdir made/001.vtt
t 5 -f vtt -o made $card && said "cannot write made/001.vtt: Is a directory"
result "a folder in the way" $?

t 1 -f txt -o some none.wav $card text.wav empty.wav && cmp -s some/001.txt plain.txt &&
    said "3 of 4 recordings failed" && said "  none.wav" && said "  text.wav" &&
    said "  empty.wav" && [ "$(ls -A some)" = 001.txt ]
result "bad files do not stop the rest" $?
t 4 -f txt -o bad text.wav && said text.wav && [ -z "$(ls -A bad)" ]
result "not audio: nothing is left behind" $?
t 0 -q 001.wav same/001.mp3 && grep -qx '==> 001.wav <==' out && grep -qx '==> same/001.mp3 <==' out
result "several texts on standard output are told apart" $?

"$sotto" $model $card >/dev/full 2>err
[ $? -eq 5 ] && said "standard output: No space left"
result "standard output on a full disk" $?
mkdir small
if mount -t tmpfs -o size=4k,nr_inodes=20 tmpfs small 2>/dev/null; then
    head -c 4096 /dev/zero >small/fill 2>/dev/null
    t 5 -f json -o small $card && said "cannot write small/001.json: No space left" &&
        [ "$(ls -A small)" = fill ]
    result "full disk: an error, and nothing half-written" $?
    umount small
else
    skip "full disk: an error, and nothing half-written" "cannot mount a small file system"
fi
(set -o pipefail; "$sotto" $model -q $card $card 2>err | true)
case $? in 0 | 141) [ ! -s err ] ;; *) false ;; esac
result "the reader goes away: silence" $?

fails "another language with an English-only model" 2 "English" $model -l de $card
fails "translation with an English-only model" 2 "translate" $model --task translate $card
fails "channel that is not there" 4 "channel" $model --channel 7 $card
fails "track that is not there" 4 "has no audio track 3" $model --audio-track 3 $card

# ---- interruption ----------------------------------------------------------------------------

# A WAV file of N seconds of speech over and over: header with unknown length, then samples.
long_wav() {
    local files=("$speech"/librivox/*.wav) i
    printf 'RIFF\377\377\377\377WAVEfmt \20\0\0\0\1\0\1\0\200\76\0\0\0\175\0\0\2\0\20\0data\377\377\377\377'
    for ((i = 0; i < $1; i++)); do
        tail -qc +45 "${files[@]}"
    done
}
# interrupt SIGNAL STATUS: starts a long transcription, waits for the first text, sends the signal.
interrupt() {
    rm -rf cut out && mkdir cut
    "$sotto" $model -v -f srt,json -o cut long.wav >out 2>err &
    local pid=$! i status
    for ((i = 0; i < 1200; i++)); do
        [ -s out ] && break
        kill -0 $pid 2>/dev/null || break
        sleep 0.1
    done
    kill -s "$1" $pid
    wait $pid
    status=$?
    [ $status -eq "$2" ] && [ "$(cd cut && ls -A | tr '\n' ' ')" = "long.partial.json long.partial.srt " ] &&
        grep -q '^00:' cut/long.partial.srt && tail -c 2 cut/long.partial.json | grep -q '}' &&
        [ "$(grep -c '^\[' out)" -ge 1 ]
}
long_wav 20 >long.wav
# A shell's background job ignores SIGINT, so this one is started with the default back in place.
if command -v python3 >/dev/null; then
    real=$sotto
    cat >sigdfl <<PY
#!/usr/bin/env python3
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv("$real", ["sotto"] + sys.argv[1:])
PY
    chmod +x sigdfl
    sotto=$dir/sigdfl
    interrupt INT 130
    result "Ctrl-C keeps the finished segments, status 130" $?
    sotto=$real
else
    skip "Ctrl-C keeps the finished segments, status 130" "no python3"
fi
interrupt TERM 143
result "SIGTERM keeps the finished segments, status 143" $?
echo "1..$n"
