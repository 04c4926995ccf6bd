#!/bin/bash
# Compares our samples with those of the ffmpeg program as openai/whisper's loader calls it, bit for
# bit: scripts/compare_ffmpeg.sh FILE...   (BUILD: the build folder, default build)
build=${BUILD:-build} status=0
theirs=$(mktemp) ours=$(mktemp)
trap 'rm -f "$theirs" "$ours"' EXIT
for f in "$@"; do
    ffmpeg -nostdin -v quiet -threads 0 -i "$f" -f s16le -ac 1 -acodec pcm_s16le -ar 16000 - >"$theirs"
    a=$?
    said=$("$build/tests/test_audio" --dump "$f" 2>&1 >"$ours")
    b=$?
    verdict=equal
    cmp -s "$theirs" "$ours" || { verdict=DIFFERENT && status=1; }
    [ $((a != 0)) = $((b != 0)) ] || verdict="$verdict, status $a and $b"
    printf '%-40s %10d samples  %s  %s\n' "${f##*/}" $(($(stat -c %s "$theirs") / 2)) "$verdict" "$said"
done
exit $status
