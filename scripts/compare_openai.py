#!/usr/bin/env python3
"""Compares sotto with openai/whisper's own results, recording by recording.

usage: compare_openai.py [--sotto build/sotto] [--model base] [--words] [--upper-heads] [--beam] DIR

DIR holds recordings and `openai.json`, what openai/whisper (fp32, temperature 0, no fallback) made of
them: {file: {language, greedy: {text, segments}, greedy_words: {words}, beam5: {text, tokens}}}.
--words compares word times. If those results were made by a model object without its alignment heads
(openai/whisper then takes all heads of the decoder's upper half), --upper-heads makes sotto do the
same: it runs on a copy of the CTranslate2 folder --model with those heads in config.json.
sotto runs in parity mode (--sequential --no-vad --precision fp32 --temperature 0). Standard library
only.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

PARITY = ["--sequential", "--no-vad", "--precision", "fp32", "--temperature", "0",
          "--temperature-increment-on-fallback", "0"]


def run(args, path, out, extra):
    command = [args.sotto, "--model", args.model, *PARITY, *extra, "--quiet",
               "-f", "json", "-o", out, path]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return None, (done.stderr.strip().splitlines() or ["no message"])[-1]
    stem = os.path.splitext(os.path.basename(path))[0]
    with open(os.path.join(out, stem + ".json"), encoding="utf-8") as f:
        return json.load(f), ""


def tokens(segments):
    return [t for s in segments if s["text"].strip() for t in s["tokens"]]


def first_difference(a, b):
    for i, (x, y) in enumerate(zip(a, b)):
        if x != y:
            return i
    return None if len(a) == len(b) else min(len(a), len(b))


def words_of(result):
    return [(w["word"], w["start"], w["end"]) for s in result["segments"] for w in s.get("words", [])]


def word_error(ours, theirs):
    """Mean absolute difference of start and end, over the words that agree in order, in ms."""
    pairs = [(o, t) for o, t in zip(ours, theirs) if o[0] == t[0]]
    if not pairs:
        return None, 0
    total = sum(abs(o[1] - t[1]) + abs(o[2] - t[2]) for o, t in pairs)
    return 1000 * total / (2 * len(pairs)), len(pairs)


def compare(args, name, want, out):
    path = os.path.join(args.dir, name)
    got, why = run(args, path, out, [])
    if "error" in want:
        same = got is None or not got["segments"]
        return "same" if same else "DIFF", f"theirs fails; ours: {why or 'empty'}"
    if got is None:
        return "FAIL", why
    ours, theirs = tokens(got["segments"]), tokens(want["greedy"]["segments"])
    at = first_difference(ours, theirs)
    spoken = not theirs or got["language"] == want["language"]
    verdict = "same" if at is None and spoken else "DIFF"
    note = f"{len(theirs)} tokens, {want['language']}"
    if at is not None:
        note += f"; first difference at {at}: ours {ours[at:at + 3]} theirs {theirs[at:at + 3]}"
    if theirs and got["language"] != want["language"]:
        note += f"; language {got['language']}"
    if args.beam:
        beam, why = run(args, path, out, ["--beam-size", "5"])
        same = beam and beam["text"].strip() == want["beam5"]["text"].strip()
        note += "; beam " + ("same" if same else "DIFF " + (why or ""))
    if args.words:
        words, why = run(args, path, out, ["--word-timestamps"])
        theirs = [tuple(w[:3]) for s in want["greedy_words"]["segments"] for w in s["words"]]
        error, n = word_error(words_of(words), theirs) if words else (None, 0)
        note += f"; words {n}/{len(theirs)} agree, mean |dt| {error or 0:.0f} ms"
    return verdict, note


def with_upper_heads(folder, into):
    for name in os.listdir(folder):
        os.symlink(os.path.abspath(os.path.join(folder, name)), os.path.join(into, name))
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        config = json.load(f)
    heads = config["alignment_heads"]
    layers, width = 1 + max(h[0] for h in heads), 8  # base: 6 layers of 8 heads
    config["alignment_heads"] = [[l, h] for l in range(layers // 2, layers) for h in range(width)]
    os.remove(os.path.join(into, "config.json"))
    with open(os.path.join(into, "config.json"), "w", encoding="utf-8") as f:
        json.dump(config, f)
    return into


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--sotto", default="build/sotto")
    p.add_argument("--model", default="base")
    p.add_argument("--words", action="store_true")
    p.add_argument("--beam", action="store_true")
    p.add_argument("--upper-heads", action="store_true")
    p.add_argument("--only", default="", help="only recordings whose name contains this")
    p.add_argument("dir")
    args = p.parse_args()
    with open(os.path.join(args.dir, "openai.json"), encoding="utf-8") as f:
        wanted = json.load(f)
    counts = {}
    with tempfile.TemporaryDirectory() as out, tempfile.TemporaryDirectory() as heads:
        if args.upper_heads:
            args.model = with_upper_heads(args.model, heads)
        for name, want in sorted(wanted.items()):
            if args.only not in name:
                continue
            verdict, note = compare(args, name, want, out)
            counts[verdict] = counts.get(verdict, 0) + 1
            print(f"{verdict}  {name}: {note}", flush=True)
    print(", ".join(f"{n} {v}" for v, n in sorted(counts.items())))
    return 0 if set(counts) <= {"same"} else 1


if __name__ == "__main__":
    sys.exit(main())
