#!/bin/sh
# demo.sh BUILD: fetches the base model and transcribes real speech: sentences of "Sense and
# Sensibility" read for LibriVox, from Debian's pocketsphinx-testdata.
set -eu
sotto=${1:-build}/sotto
speech=/usr/share/pocketsphinx/test/data/librivox

"$sotto" model fetch base silero-vad
for name in 0870 0880 0890 0920 0930; do
    set -- "$@" "$speech/sense_and_sensibility_01_austen_64kb-$name.wav"
done
shift
for file; do
    if [ ! -r "$file" ]; then
        echo "demo: no $file: install the Debian package pocketsphinx-testdata, or try a recording" >&2
        echo "of your own: $sotto RECORDING" >&2
        exit 1
    fi
done
echo
echo "$sotto --model base --language en $speech/*.wav"
exec "$sotto" --model base --language en "$@"
