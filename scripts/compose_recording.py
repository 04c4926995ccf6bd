#!/usr/bin/env python3
"""Composes a long recording from short ones, with seeded pauses and levels.

usage: compose_recording.py -o OUT.wav [--refs OUT.json] [--seconds 1380] [--seed 1] [--language en]
                            FILE|FOLDER|debian ...

FOLDER with a `refs.tsv` (file, language, text) gives the recordings listed there, of one language if
--language is given; `debian` the LibriVox sentences of pocketsphinx-testdata. Recordings are decoded
by the ffmpeg program to 16 kHz mono, shuffled, scaled by -6 to +3 dB, and separated by pauses of
0.3 to 4 s; the list is repeated until the length is reached. --refs: where each began and ended, and
what was said (null if unknown). Standard library only.
"""
import argparse
import array
import json
import os
import random
import subprocess
import sys
import wave

sys.dont_write_bytecode = True  # no caches among the sources
from measure_wer import folder_references, sphinx_references  # noqa: E402

RATE = 16000


def find(where, language):
    """(path, what was said) of each recording."""
    if where == "debian":
        return [(path, text) for path, _, text in sphinx_references()[0] if "librivox" in path]
    if os.path.isfile(where):
        return [(where, None)]
    return [(path, text) for path, spoken, text in folder_references(where)[0]
            if not language or spoken == language]


def decode(path):
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", path, "-ac", "1", "-ar", str(RATE),
               "-f", "s16le", "-"]
    return array.array("h", subprocess.run(command, check=True, capture_output=True).stdout)


def compose(out_path, where, seconds, seed=1, language=""):
    """Writes the recording; returns its length in seconds and what was said when."""
    clips = [(path, text, decode(path)) for w in where for path, text in find(w, language)]
    if not any(samples for _, _, samples in clips):
        sys.exit("compose_recording: nothing to compose")
    rng = random.Random(seed)
    written, said = 0, []
    with wave.open(out_path, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        while written < seconds * RATE:
            rng.shuffle(clips)
            for path, text, samples in clips:
                gain = 10 ** (rng.uniform(-6, 3) / 20)
                loud = array.array("h", (max(-32768, min(32767, int(s * gain))) for s in samples))
                pause = array.array("h", bytes(2 * int(rng.uniform(0.3, 4) * RATE)))
                out.writeframes(loud + pause)
                said.append({"file": os.path.basename(path), "start": written / RATE,
                             "end": (written + len(loud)) / RATE, "text": text})
                written += len(loud) + len(pause)
                if written >= seconds * RATE:
                    break
    return written / RATE, said


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("-o", required=True)
    p.add_argument("--refs")
    p.add_argument("--seconds", type=float, default=1380)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--language", default="")
    p.add_argument("where", nargs="+")
    args = p.parse_args()
    length, said = compose(args.o, args.where, args.seconds, args.seed, args.language)
    if args.refs:
        with open(args.refs, "w", encoding="utf-8") as f:
            json.dump(said, f, indent=1, ensure_ascii=False)
    print(f"{args.o}: {length:.1f} s, {len(said)} recordings one after another")


if __name__ == "__main__":
    main()
