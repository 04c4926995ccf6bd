#!/usr/bin/env python3
"""Word error rates of sotto, side by side in several modes, against transcripts.

usage: measure_wer.py [--sotto build/sotto] [--model base] [--modes sequential,batched]
                      [--faster-whisper PYTHON] [--openai PYTHON] DIR|debian ...

DIR holds recordings and `refs.tsv` (file, language, what was said); `openai.json`, if there, adds
openai/whisper's own text as a column. `debian` stands for the speech of Debian's package
pocketsphinx-testdata. Text is compared in lower case without punctuation; Japanese and Chinese by
character. Numbers written as digits count as errors against words, the same for all columns.
Standard library only.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import unicodedata

SPHINX = "/usr/share/pocketsphinx/test/data"
MODES = {
    "sequential": ["--sequential", "--no-vad", "--precision", "fp32"],
    "sequential-vad": ["--sequential", "--precision", "fp32"],
    "batched": ["--batched", "--precision", "fp32"],
    "default": [],
    "int8": ["--precision", "int8"],
    "int8-sequential": ["--sequential", "--no-vad", "--precision", "int8"],
    "int8-batched": ["--batched", "--precision", "int8"],
    "bf16": ["--precision", "bf16"],
}


FASTER = """
import json, sys
from faster_whisper import BatchedInferencePipeline, WhisperModel
models = {t: WhisperModel(sys.argv[1], device="cpu", compute_type=t, cpu_threads=2)
          for t in ("float32", "int8")}
for line in sys.stdin:
    texts = {}
    for t, m in models.items():
        path = json.loads(line)
        texts["faster " + t] = m.transcribe(path, beam_size=1)[0]
        texts["faster " + t + " batched"] = BatchedInferencePipeline(m).transcribe(
            path, beam_size=1, without_timestamps=False)[0]
    print(json.dumps({n: "".join(x.text for x in s) for n, s in texts.items()}), flush=True)
"""

OPENAI = """
import json, sys
sys.path.insert(0, sys.argv[2])
import golden_net
m = golden_net.load(sys.argv[1])
for line in sys.stdin:
    text = m.transcribe(json.loads(line), fp16=False)["text"]
    print(json.dumps({"openai fallback": text}), flush=True)
"""


class Peer:
    """A program that answers a path with its texts, by column."""

    def __init__(self, python, code, model):
        scripts = os.path.dirname(os.path.abspath(__file__))
        self.process = subprocess.Popen([python, "-c", code, model, scripts], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)

    def texts(self, path):
        self.process.stdin.write(json.dumps(path) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"the peer stopped at {path}")
        return json.loads(line)


def normalise(text, language):
    text = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    text = re.sub(r"[\[(<][^\])>]*[\])>]", " ", text)
    text = re.sub(r"(?<=\w)'(?=\w)", "", text)
    text = "".join(c if unicodedata.category(c)[0] in "LNM" else " " for c in text)
    if language in ("ja", "zh"):
        return list(text.replace(" ", ""))
    drop = {"uh", "um", "hmm", "mm"} if language == "en" else set()
    return [w for w in text.split() if w not in drop]


def errors(ref, hyp):
    """Levenshtein distance in words."""
    row = list(range(len(hyp) + 1))
    for i, r in enumerate(ref, 1):
        left, row[0] = row[0], i
        for j, h in enumerate(hyp, 1):
            left, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, left + (r != h))
    return row[-1]


def sphinx_references():
    refs = []
    for folder, name in (("librivox", "transcription"), ("cards", "cards.transcription")):
        path = os.path.join(SPHINX, folder, name)
        for line in open(path, encoding="utf-8"):
            m = re.match(r"(.*)\(([^)]+)\)\s*$", line.strip())
            if m:
                text = re.sub(r"</?s>", " ", m.group(1))
                refs.append((os.path.join(SPHINX, folder, m.group(2) + ".wav"), "en", text))
    return refs, {}


def folder_references(folder):
    refs, openai = [], {}
    for line in open(os.path.join(folder, "refs.tsv"), encoding="utf-8"):
        name, language, text = line.rstrip("\n").split("\t")
        refs.append((os.path.join(folder, name), language, text))
    path = os.path.join(folder, "openai.json")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            openai = {os.path.join(folder, k): v["greedy"]["text"]
                      for k, v in json.load(f).items() if "greedy" in v}
    return refs, openai


def transcribe(args, mode, path, out):
    command = [args.sotto, "--model", args.model, *MODES[mode], *args.extra.split(), "--quiet",
               "-f", "json", "-o", out, path]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    with open(os.path.join(out, os.path.splitext(os.path.basename(path))[0] + ".json")) as f:
        return json.load(f)["text"]


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--sotto", default="build/sotto")
    p.add_argument("--model", default="base")
    p.add_argument("--modes", default="sequential,batched,default")
    p.add_argument("--extra", default="", help="further options for every run")
    p.add_argument("--faster-whisper")
    p.add_argument("--openai")
    p.add_argument("--texts", action="store_true", help="print what was recognised")
    p.add_argument("where", nargs="+")
    args = p.parse_args()
    modes = args.modes.split(",")
    totals = {}
    peers = [Peer(python, code, args.model) for python, code in
             ((args.faster_whisper, FASTER), (args.openai, OPENAI)) if python]
    with tempfile.TemporaryDirectory() as out:
        for where in args.where:
            refs, openai = sphinx_references() if where == "debian" else folder_references(where)
            for path, language, text in refs:
                ref = normalise(text, language)
                hyps = {m: transcribe(args, m, path, out) for m in modes}
                for peer in peers:
                    hyps.update(peer.texts(path))
                if path in openai:
                    hyps["openai"] = openai[path]
                cells = []
                for name, hyp in hyps.items():
                    e = errors(ref, normalise(hyp, language))
                    for key in ("all", language):
                        t = totals.setdefault((key, name), [0, 0])
                        t[0] += e
                        t[1] += len(ref)
                    cells.append(f"{name} {e}")
                    if args.texts:
                        print(f"    {name}: {hyp}")
                print(f"{os.path.basename(path)} ({language}, {len(ref)}): " + ", ".join(cells),
                      flush=True)
    for (key, name), (e, n) in sorted(totals.items()):
        print(f"{key:4} {name:16} {100 * e / max(n, 1):6.2f} %  ({e} of {n})")


if __name__ == "__main__":
    main()
