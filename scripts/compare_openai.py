#!/usr/bin/env python3
"""Compares sotto with openai/whisper's own results, recording by recording.

usage: compare_openai.py [--sotto build/sotto] [--model base] [--words] [--upper-heads] [--beam]
                         [--fallback] [--only NAME,NAME...] DIR

DIR holds recordings and `openai.json`, what openai/whisper (fp32, temperature 0, no fallback) made of
them: {file: {language, greedy: {text, segments}, greedy_words: {words}, beam5: {text, tokens}}}.
--words compares word times. If those results were made by a model object without its alignment heads
(openai/whisper then takes all heads of the decoder's upper half), --upper-heads makes sotto do the
same: it runs on a copy of the CTranslate2 folder --model with those heads in config.json.
sotto runs in parity mode (--sequential --no-vad --precision fp32 --temperature 0). Standard library
only, but for --fallback.

--fallback compares which windows are decoded again at a higher temperature, and by which rule. It needs
openai-whisper in the Python that runs it, and --model to be a CTranslate2 folder. openai/whisper's own
decode_with_fallback decides; but what it then samples is replaced by the greedy result, so that later
windows stay comparable. sotto's side is the same rules on its greedy numbers, and a run with real
fallback, in which the first window above temperature 0 must be the same (later ones follow other text).
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

PARITY = ["--sequential", "--no-vad", "--precision", "fp32", "--temperature", "0",
          "--temperature-increment-on-fallback", "0"]


def run(args, path, out, extra):
    command = [args.sotto, "--model", args.model, *PARITY, *extra, "-f", "json", "-o", out, path]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return None, (done.stderr.strip().splitlines() or ["no message"])[-1]
    stem = os.path.splitext(os.path.basename(path))[0]
    with open(os.path.join(out, stem + ".json"), encoding="utf-8") as f:
        return json.load(f), done.stderr


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
        note += "; beam " + ("same" if same else "DIFF" if beam else why)
    if args.words:
        words, why = run(args, path, out, ["--word-timestamps"])
        theirs = [tuple(w[:3]) for s in want["greedy_words"]["segments"] for w in s["words"]]
        error, n = word_error(words_of(words), theirs) if words else (None, 0)
        note += f"; words {n}/{len(theirs)} agree, mean |dt| {error or 0:.0f} ms"
    return verdict, note


def rule(logprob, ratio, no_speech):
    """Why openai/whisper falls back (whisper/transcribe.py, decode_with_fallback): "" if it does not."""
    if no_speech > 0.6 and logprob < -1.0:
        return ""
    return "+".join([n for n, fires in (("ratio", ratio > 2.4), ("logprob", logprob < -1.0)) if fires])


def reference_windows(model, path):
    """{seek: (fell back, logprob, ratio, no-speech)} of the windows that gave segments."""
    import whisper
    decode, windows = model.decode, []

    def greedy(mel, options):
        if options.temperature == 0:
            windows.append([decode(mel, options), False])
        else:
            windows[-1][1] = True
        return windows[-1][0]

    model.decode = greedy
    try:
        result = whisper.transcribe(model, path, temperature=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0), fp16=False)
    finally:
        model.decode = decode
    fell_back = {(w.avg_logprob, w.compression_ratio, w.no_speech_prob): f for w, f in windows}
    keys = {s["seek"]: (s["avg_logprob"], s["compression_ratio"], s["no_speech_prob"])
            for s in result["segments"]}
    return {seek: (fell_back[key], *key) for seek, key in keys.items()}, len(windows)


def our_windows(result):
    return {s["seek"]: (s["avg_logprob"], s["compression_ratio"], s["no_speech_prob"])
            for s in result["segments"]}


def falls_back_first_at(seek, greedy, hot, messages):
    """Does the run with fallback leave the greedy one in that window (None: in none)? There it is at a
    higher temperature, or without text if that turned out to be silence."""
    n = int(re.search(r"(\d+) fallbacks", messages).group(1))
    before = [[(s["seek"], s["temperature"], s["tokens"]) for s in r["segments"]
               if seek is None or s["seek"] < seek] for r in (greedy, hot)]
    there = [s["temperature"] for s in hot["segments"] if s["seek"] == seek]
    return (n > 0) == (seek is not None) and before[0] == before[1] and 0 not in there


def compare_fallback(args, model, name, out):
    path = os.path.join(args.dir, name)
    theirs, n_windows = reference_windows(model, path)
    greedy, why = run(args, path, out, [])
    hot, messages = run(args, path, out, ["--temperature-increment-on-fallback", "0.2", "--verbose"])
    if not greedy or not hot:
        return "FAIL", why
    ours = our_windows(greedy)
    reasons = {seek: rule(*w[1:]) for seek, w in theirs.items()}
    same = theirs.keys() == ours.keys() and all(
        rule(*ours[s]) == reasons[s] and bool(reasons[s]) == theirs[s][0] for s in theirs)
    first = min((s for s in theirs if theirs[s][0]), default=None)
    again = ", ".join(f"{s / 100:.1f} s by {r}" for s, r in sorted(reasons.items()) if r) or "none"
    gap = max((abs(a - b) for s in theirs.keys() & ours.keys()
               for a, b in zip(theirs[s][1:], ours[s])), default=0)
    note = f"{n_windows} windows, again: {again}; numbers differ by {gap:.1e} at most"
    if not falls_back_first_at(first, greedy, hot, messages):
        same, note = False, note + "; sotto's run with fallback leaves the greedy one elsewhere"
    return "same" if same else "DIFF", note


def load_reference(folder):
    import torch
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from golden_net import load
    torch.set_num_threads(1)
    return load(folder)


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
    p.add_argument("--fallback", action="store_true")
    p.add_argument("--only", default="", help="only recordings whose name contains one of these")
    p.add_argument("dir")
    args = p.parse_args()
    with open(os.path.join(args.dir, "openai.json"), encoding="utf-8") as f:
        wanted = json.load(f)
    counts = {}
    model = load_reference(args.model) if args.fallback else None
    with tempfile.TemporaryDirectory() as out, tempfile.TemporaryDirectory() as heads:
        if args.upper_heads:
            args.model = with_upper_heads(args.model, heads)
        for name, want in sorted(wanted.items()):
            if not any(part in name for part in args.only.split(",")) or \
                    (model and "error" in want):
                continue
            verdict, note = compare_fallback(args, model, name, out) if model else \
                compare(args, name, want, out)
            counts[verdict] = counts.get(verdict, 0) + 1
            print(f"{verdict}  {name}: {note}", flush=True)
    print(", ".join(f"{n} {v}" for v, n in sorted(counts.items())))
    return 0 if set(counts) <= {"same"} else 1


if __name__ == "__main__":
    sys.exit(main())
