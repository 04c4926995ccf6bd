#!/bin/bash
# audio_params.start_s gives the tail of a whole read, bit for bit, in formats that are sought
# (wav, flac, mp3, alac) and in those that are decoded from the start because a seek would give other
# samples (aac: noise; adpcm: sums) or other times (ogg, webm). Needs the ffmpeg program.
if ! command -v ffmpeg >/dev/null; then
    echo "1..0 # SKIP no ffmpeg program"
    exit 0
fi
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
# 45 s of two gliding tones and noise, stereo, 44.1 kHz.
ffmpeg -nostdin -v error -y -f lavfi -i \
    "aevalsrc=0.3*sin(800*t+9*t*t)+0.1*random(0)|0.3*sin(2000*t-7*t*t)+0.1*random(1):s=44100:d=45" \
    "$dir/source.wav" || exit 1

make() { # NAME ffmpeg options...
    local name=$1
    shift
    ffmpeg -nostdin -v error -y -i "$dir/source.wav" "$@" "$dir/$name"
}
files=(s16.wav 16k.wav 24bit.wav mp3.wav adpcm.wav cbr.mp3 plain.mp3 vbr.mp3 ok.flac alac.m4a mp3.mp4
    adpcm.mov aac.m4a low.mp4 ac3.mp4 vorbis.ogg opus.ogg opus.webm opus.mp4 aac.aac)
make s16.wav && make 16k.wav -ar 16000 -ac 1 && make 24bit.wav -c:a pcm_s24le -ar 48000 &&
    make mp3.wav -c:a libmp3lame && make adpcm.wav -c:a adpcm_ima_wav &&
    make cbr.mp3 -b:a 64k && make plain.mp3 -b:a 96k -write_xing 0 && make vbr.mp3 -q:a 4 &&
    make ok.flac && make alac.m4a -c:a alac && make mp3.mp4 -c:a libmp3lame &&
    make adpcm.mov -c:a adpcm_ima_qt && make aac.m4a -c:a aac && make low.mp4 -c:a aac -b:a 24k -ac 1 &&
    make ac3.mp4 -c:a ac3 && make vorbis.ogg && make opus.ogg -c:a libopus && make opus.webm -c:a libopus &&
    make opus.mp4 -c:a libopus && make aac.aac || exit 1

echo 1..${#files[@]}
i=0
for f in "${files[@]}"; do
    i=$((i + 1)) result=ok
    "$SOTTO_BUILD/tests/test_audio" --dump "$dir/$f" >"$dir/whole" 2>"$dir/err" || result="not ok"
    for start in 31.5 41.3; do
        "$SOTTO_BUILD/tests/test_audio" --dump "$dir/$f" $start >"$dir/tail" 2>>"$dir/err" ||
            result="not ok"
        skip=$(awk "BEGIN { print int($start * 32000 + 0.5) }")
        cmp -s <(tail -c +$((skip + 1)) "$dir/whole") "$dir/tail" && [ -s "$dir/tail" ] || {
            result="not ok"
            echo "# $f from $start s: $(stat -c %s "$dir/whole" "$dir/tail" | xargs) bytes"
        }
    done
    sed 's/^/# /' "$dir/err"
    echo "$result $i - $f"
done
