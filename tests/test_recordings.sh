#!/bin/bash
# Odd recordings, as people have them: each must give the sentence, or nothing, and no warning that
# is not true. Made with ffmpeg from one sentence of pocketsphinx-testdata. Prints TAP.
sotto=${SOTTO_BUILD:-build}/sotto
case $sotto in /*) ;; *) sotto=$PWD/$sotto ;; esac
speech=/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0880.wav
store=${SOTTO_MODELS:-${XDG_DATA_HOME:-$HOME/.local/share}/sotto/models}
if [ ! -e "$store/tiny.en" ] || [ ! -e "$store/silero-vad" ] || [ ! -e $speech ] ||
    ! command -v ffmpeg >/dev/null; then
    echo "1..0 # SKIP no models tiny.en and silero-vad, no pocketsphinx-testdata or no ffmpeg"
    exit 0
fi
SOTTO_MODELS=$(cd "$store" && pwd)
export SOTTO_MODELS
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
n=0
result() {
    n=$((n + 1))
    if [ "$2" -eq 0 ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        cat out err | sed 's/^/# /'
    fi
}
make() { ffmpeg -nostdin -y -v error "$@" 2>>ffmpeg.log; }
run() {
    "$sotto" -m tiny.en "$@" >out 2>err
    [ $? -eq 0 ] && ! grep -q warning err
}
heard() { run "$@" && grep -qi 'young man' out; }
nothing() { run "$@" && [ ! -s out ] && grep -q 'no speech found' err; }
# one NAME FILE FFMPEG-OPTIONS...: FILE made from the sentence is heard; skipped if ffmpeg cannot.
one() {
    local name=$1 file=$2
    shift 2
    if make -i $speech "$@" "$file"; then
        heard "$file"
        result "$name" $?
    else
        n=$((n + 1))
        echo "ok $n - $name # SKIP this ffmpeg cannot make it"
    fi
}

one "8 kHz" a.wav -ar 8000
one "192 kHz, 24 bits" a.flac -ar 192000 -sample_fmt s32
one "8 channels" ch8.wav -af 'pan=7.1|FL=c0|FR=c0|FC=c0|LFE=c0|BL=c0|BR=c0|SL=c0|SR=c0'
heard --channel 7 ch8.wav
result "the last of 8 channels" $?
one "64-bit floats" f64.wav -c:a pcm_f64le
one "A-law in a WAV" alaw.wav -ar 8000 -c:a pcm_alaw
one "MP3" a.mp3
one "MP3 at 8 kHz, whose header counts padding" b.mp3 -ar 8000
one "AAC in MP4" a.m4a
one "AAC without container" a.aac
one "Opus" a.opus
one "Vorbis" a.ogg -c:a libvorbis
one "Windows Media" a.wma
one "AC-3" a.ac3
one "AMR" a.amr -ar 8000 -c:a libopencore_amrnb
one "Matroska without a length" a.mka -live 1
one "MPEG transport stream" a.ts -c:a mp2
make -f lavfi -i color=red:size=64x64 -frames:v 1 cover.png
make -i $speech -i cover.png -map 0 -map 1 -c:v copy -disposition:v attached_pic cover.mp3
heard cover.mp3
result "MP3 with a cover" $?
make -f lavfi -i testsrc=size=64x64:rate=5 -f lavfi -i sine=440 -i $speech -map 0 -map 1 -map 2 -t 2.9 \
    -c:v mpeg4 -c:a aac two.mp4
nothing --audio-track 0 two.mp4 && heard --audio-track 1 two.mp4
result "a video with two audio tracks" $?
make -f lavfi -i testsrc=size=64x64:rate=5 -t 1 -c:v mpeg4 silent.mp4
"$sotto" -m tiny.en silent.mp4 >out 2>err
[ $? -eq 4 ] && grep -q 'has no audio track' err
result "a video without sound" $?
make -i $speech -t 0.01 short.wav
nothing short.wav
result "a hundredth of a second" $?
make -f lavfi -i anullsrc=r=16000:cl=mono -t 40 silence.flac
nothing silence.flac
result "silence" $?
make -i $speech -t 0.01 -bitexact plain.wav && head -c 44 plain.wav >header.wav
"$sotto" -m tiny.en header.wav >out 2>err && [ ! -s out ] && grep -q 'no speech found' err
result "a header without samples" $?

# Names that ffmpeg, a shell or sotto itself might take for something else.
bad=0
for name in 'http:x.wav' 'pipe:0' 'concat:a|b' '%03d.wav' '*.wav' 'a b.wav' model $'new\nline.wav' \
    $'\xff\xfe.wav' 'ü é.wav' noextension wrong.mp4 --help; do
    cp $speech "./$name"
    heard -- "$name" || { bad=1; break; }
done
result "strange names" $bad
cat $speech | heard -
result "standard input" $?
make -i $speech -f matroska pipe.mkv
cat pipe.mkv | heard -
result "Matroska on standard input" $?
echo "1..$n"
