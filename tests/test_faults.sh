#!/bin/bash
# What goes wrong while a transcription runs: signals at any moment, disks that fill, folders that go
# away, readers that leave. The status must say so and no finished segment may be lost. Prints TAP;
# skipped without the models or the speech of pocketsphinx-testdata.
sotto=${SOTTO_BUILD:-build}/sotto
case $sotto in /*) ;; *) sotto=$PWD/$sotto ;; esac
speech=/usr/share/pocketsphinx/test/data
store=${SOTTO_MODELS:-${XDG_DATA_HOME:-$HOME/.local/share}/sotto/models}
dir=$(mktemp -d) || exit 1
trap '[ $BASHPID = $$ ] || exit; umount "$dir/small" 2>/dev/null; rm -rf "$dir"' EXIT
n=0
result() {
    n=$((n + 1))
    if [ "$2" -eq 0 ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        { cat err && ls -lA cut; } 2>/dev/null | sed 's/^/# /'
    fi
}
skip() {
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}
if [ ! -e "$store/tiny.en" ] || [ ! -e "$store/silero-vad" ] || [ ! -e $speech/librivox ]; then
    echo "1..0 # SKIP no models tiny.en and silero-vad, or no pocketsphinx-testdata"
    exit 0
fi
SOTTO_MODELS=$(cd "$store" && pwd)
export SOTTO_MODELS
cd "$dir" || exit 1

# A WAV file of N rounds of the sentences: header with unknown length, then samples.
long_wav() {
    local files=("$speech"/librivox/*.wav) i
    printf 'RIFF\377\377\377\377WAVEfmt \20\0\0\0\1\0\1\0\200\76\0\0\0\175\0\0\2\0\20\0data\377\377\377\377'
    for ((i = 0; i < $1; i++)); do
        tail -qc +45 "${files[@]}"
    done
}
long_wav 20 >long.wav
long_wav 4 >middle.wav
long_wav 1 >short.wav
card=$speech/cards/001.wav
said() { grep -qF -- "$1" err; }

# valid FILE: is the file whole, as its extension says? Segments in order, times rising.
valid() {
    case $1 in
    *.json) jq -e '[.segments[].start] as $s | ($s | sort) == $s and (.segments | length) > 0' "$1" >/dev/null ;;
    *.srt) awk 'BEGIN { RS = ""; FS = "\n" }
        $1 != NR || $2 !~ /^[0-9:]+,[0-9]+ --> [0-9:]+,[0-9]+$/ || $3 == "" { bad = 1 }
        END { exit bad || !NR || substr($0, length($0)) == "\n" }' "$1" && [ -z "$(tail -c 1 "$1" | tr -d '\n')" ] ;;
    *.txt) [ -s "$1" ] && [ -z "$(tail -c 1 "$1" | tr -d '\n')" ] ;;
    esac
}
command -v jq >/dev/null || valid() { [ -s "$1" ]; }

# start ARGS...: sotto in the background, with the signals as they are in the foreground.
start() {
    env --default-signal=INT "$sotto" -m tiny.en "$@" >out 2>err </dev/null &
    pid=$!
}
await() { # until the condition holds or the program has ended
    local i
    for ((i = 0; i < 2400; i++)); do
        eval "$1" && return 0
        kill -0 $pid 2>/dev/null || return 1
        sleep 0.05
    done
    return 1
}
fresh() { rm -rf cut out err && mkdir cut; }

# ---- signals ---------------------------------------------------------------------------------

# At any moment: afterwards there are whole files or none, and never temporary ones. (Before the
# handler is there, the shell reports the same status.)
bad=0
for delay in 0.02 0.1 0.3 0.6 1 1.5 2.2 3; do
    fresh
    start -f srt,json,txt -o cut long.wav
    sleep $delay
    kill -INT $pid
    wait $pid
    status=$?
    [ $status -eq 130 ] || bad=1
    for f in $(ls -A cut); do
        case $f in long.partial.*) valid "cut/$f" || bad=1 ;; *) bad=1 ;; esac
    done
    [ $bad -eq 0 ] || break
done
result "Ctrl-C at any moment" $bad

fresh
start -q -f txt -o cut short.wav long.wav
await '[ -s cut/short.txt ]' && sleep 1 && kill -TERM $pid
wait $pid
[ $? -eq 143 ] && valid cut/short.txt && [ "$(ls -A cut | grep -v partial)" = short.txt ]
result "SIGTERM in the second recording leaves the first" $?

fresh
mkfifo pipe
start -f txt -o cut pipe
exec 9>pipe
sleep 1.5
kill -INT $pid
wait $pid
[ $? -eq 130 ]
result "Ctrl-C while waiting for data" $?
exec 9>&-

# Two signals: the second does not wait.
fresh
start -f txt -o cut long.wav
await '[ -n "$(ls -A cut)" ]'
kill -INT $pid && kill -INT $pid
wait $pid
[ $? -eq 130 ]
result "Ctrl-C twice" $?

# ---- writing ---------------------------------------------------------------------------------

fresh
(ulimit -f 1 && exec "$sotto" -m tiny.en -f txt,srt,json -o cut long.wav >out 2>err)
[ $? -eq 5 ] && said "cannot write cut/long.json: File too large" &&
    said "wrote cut/long.partial.{txt,srt,json}" && valid cut/long.partial.srt &&
    valid cut/long.partial.txt && valid cut/long.partial.json && [ "$(ls -A cut | wc -l)" -eq 3 ]
result "a file that may grow no further: what was written is kept" $?

fresh
if mount -t tmpfs -o size=16k,nr_inodes=20 tmpfs cut 2>/dev/null; then
    head -c 8192 /dev/zero >cut/fill
    "$sotto" -m tiny.en -f srt,json -o cut long.wav >out 2>err
    [ $? -eq 5 ] && said "cannot write cut/long.json: No space left" && rm cut/fill &&
        [ "$(ls -A cut | tr '\n' ' ')" = "long.partial.json long.partial.srt " ] &&
        valid cut/long.partial.srt && valid cut/long.partial.json
    result "a disk that fills: what was written is kept" $?
    umount cut
else
    skip "a disk that fills: what was written is kept" "cannot mount a small file system"
fi

fresh
start -v -f txt,json -o cut/sub short.wav
await '[ -s out ]' && rm -r cut/sub
wait $pid
[ $? -eq 0 ] && valid cut/sub/short.txt && valid cut/sub/short.json && [ "$(ls -A cut/sub | wc -l)" -eq 2 ]
result "the folder goes away under way: it is made again" $?

fresh
start -v -f txt -o cut short.wav
await '[ -s out ]' && mkdir cut/short.txt
wait $pid
[ $? -eq 5 ] && said "cannot write cut/short.txt: Is a directory; its contents are in cut/.sotto-" &&
    cat cut/.sotto-* >cut/kept.txt && valid cut/kept.txt
result "the name is taken under way: the text is kept" $?

# ---- standard output -------------------------------------------------------------------------

fresh
"$sotto" -m tiny.en -f txt -o cut -v middle.wav 2>err | head -1 >out
[ "${PIPESTATUS[0]}" -eq 0 ] && valid cut/middle.txt && [ "$(wc -l <out)" -eq 1 ]
result "the reader goes away: files are written all the same" $?
fresh
"$sotto" -m tiny.en -f txt -o cut -v short.wav 2>err >/dev/full
[ $? -eq 0 ] && valid cut/short.txt && said "warning: cannot write standard output: No space left"
result "standard output on a full disk: files are written all the same" $?
"$sotto" -m tiny.en -q long.wav 2>err | head -1 >out
[ "${PIPESTATUS[0]}" -eq 141 ] && [ ! -s err ] && [ "$(wc -l <out)" -eq 1 ]
result "the reader of the text goes away: the end, without words" $?
"$sotto" -m tiny.en -q -f srt -o - long.wav 2>err | head -1 >out
[ "${PIPESTATUS[0]}" -eq 141 ] && [ ! -s err ]
result "the reader of an srt goes away" $?

# ---- names -----------------------------------------------------------------------------------

fresh
mkdir a b
cp $card a/x.wav && cp $card b/x.wav
"$sotto" -m tiny.en -q -f srt -o cut a/x.wav b/x.wav 2>err >out
[ $? -eq 0 ] && [ "$(ls -A cut | tr '\n' ' ')" = "x.srt x.wav.srt " ] && cmp cut/x.srt cut/x.wav.srt
result "two recordings of one name" $?
fresh
(cd cut && "$sotto" -m tiny.en -q -f srt - <$card 2>../err >../out) && [ "$(ls -A cut)" = stdin.srt ] &&
    [ ! -s out ]
result "standard input with -f alone: stdin.srt here" $?
fresh
odd=$'cut/- odd "name"\n\xff\xe9 \xc3\xa9 $(x).wav'
cp $card "$odd"
(cd cut && "$sotto" -m tiny.en -f srt,json -- "${odd#cut/}" 2>../err >../out) && valid "${odd%wav}srt" &&
    valid "${odd%wav}json"
result "a name with a dash, quotes, a line break and bytes that are not UTF-8" $?
echo "1..$n"
