#!/usr/bin/env python3
"""Composes a long recording from short ones, with seeded pauses and levels.

usage: compose_recording.py -o OUT.wav [--seconds 1380] [--seed 1] [--language en] FILE|FOLDER|debian ...

FOLDER with a `refs.tsv` (file, language, text) gives the recordings listed there, of one language if
--language is given; `debian` the LibriVox sentences of pocketsphinx-testdata. Recordings are decoded
by the ffmpeg program to 16 kHz mono, shuffled, scaled by -6 to +3 dB, and separated by pauses of
0.3 to 4 s; the list is repeated until the length is reached. Standard library only.
"""
import argparse
import array
import glob
import os
import random
import subprocess
import sys
import wave

SPHINX = "/usr/share/pocketsphinx/test/data/librivox/*.wav"
RATE = 16000


def find(where, language):
    if where == "debian":
        return sorted(glob.glob(SPHINX))
    if os.path.isfile(where):
        return [where]
    refs = os.path.join(where, "refs.tsv")
    rows = [line.rstrip("\n").split("\t") for line in open(refs, encoding="utf-8")]
    return [os.path.join(where, r[0]) for r in rows if not language or r[1] == language]


def decode(path):
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", path, "-ac", "1", "-ar", str(RATE),
               "-f", "s16le", "-"]
    return array.array("h", subprocess.run(command, check=True, capture_output=True).stdout)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("-o", required=True)
    p.add_argument("--seconds", type=float, default=1380)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--language", default="")
    p.add_argument("where", nargs="+")
    args = p.parse_args()
    clips = [decode(f) for w in args.where for f in find(w, args.language)]
    if not any(clips):
        sys.exit("compose_recording: nothing to compose")
    rng = random.Random(args.seed)
    written = 0
    with wave.open(args.o, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        while written < args.seconds * RATE:
            rng.shuffle(clips)
            for clip in clips:
                gain = 10 ** (rng.uniform(-6, 3) / 20)
                loud = array.array("h", (max(-32768, min(32767, int(s * gain))) for s in clip))
                pause = array.array("h", bytes(2 * int(rng.uniform(0.3, 4) * RATE)))
                out.writeframes(loud + pause)
                written += len(loud) + len(pause)
                if written >= args.seconds * RATE:
                    break
    print(f"{args.o}: {written / RATE:.1f} s from {len(clips)} recordings")


if __name__ == "__main__":
    main()
