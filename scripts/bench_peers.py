#!/usr/bin/env python3
"""Measures sotto beside whisper.cpp and faster-whisper: `make bench-peers`.

usage: bench_peers.py [options] [FILE|FOLDER ...]

The long recording is FILE (what was said in FILE.txt, if that exists), or is composed of the test
speech and of every FOLDER named (compose_recording.py). All programs compute with the same weights:
the CTranslate2 folder that sotto reads is faster-whisper's too, and whisper.cpp's files are written
from it (peer_files.py) and quantised by whisper.cpp's own program. Runs are interleaved; medians
count. After the first round, rows that are neither their program's fastest nor its usual way are
left out. Writes performance.json and the tables in performance.md, between two marker lines.

options:
  --sotto PROGRAM         [build/sotto]
  --whisper-cpp PROGRAM   whisper-cli of a source build (-DGGML_NATIVE=ON -DGGML_LLAMAFILE=ON), with
                          whisper-quantize beside it. Without: PyPI's pywhispercpp, built for older
                          processors and without quantised weights, as the tables then say
  --model NAME            [base]: a CTranslate2 folder or its name
  --threads N             [2]
  --runs N                [3] rounds over the long recording
  --seconds S             [1380] length of the composed recording
  --language CODE         [en]
  --quantisations LIST    [q8_0,q5_0,q4_0,f16]: the fastest on the clip is used
  --only LIST             [sotto,whisper.cpp,faster-whisper]
  --work FOLDER           [build/peers] the virtual environment, files, texts
  --venv FOLDER           use this virtual environment, which has faster-whisper
  --out FOLDER            [docs] where performance.md and performance.json are
"""
import argparse
import datetime
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import threading
import time
import wave

sys.dont_write_bytecode = True  # no caches among the sources
PACKAGES = ["faster-whisper==1.2.1", "pywhispercpp==1.5.1"]
CLIP_S, PART_S = 20, 60
BEGIN, END = "<!-- bench-peers: begin -->", "<!-- bench-peers: end -->"

FASTER = """
import json, sys, time
from faster_whisper import BatchedInferencePipeline, WhisperModel
model, path, threads, batch, language = sys.argv[1:]
start = time.monotonic()
m = WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=int(threads))
loaded = time.monotonic()
if int(batch):
    s, _ = BatchedInferencePipeline(m).transcribe(path, language=language, beam_size=1,
                                                  batch_size=int(batch), without_timestamps=False)
else:
    s, _ = m.transcribe(path, language=language, beam_size=1)
text = "".join(x.text for x in s)
print(json.dumps({"seconds": time.monotonic() - loaded, "text": text}))
"""

WHEEL = """
import json, sys, time
from pywhispercpp.model import Model
model, path, threads, context, language = sys.argv[1:]
m = Model(model, redirect_whispercpp_logs_to=None, n_threads=int(threads), language=language,
          greedy={"best_of": 1}, print_progress=False, print_realtime=False,
          **({"n_max_text_ctx": 0, "no_context": True} if context == "0" else {}))
loaded = time.monotonic()
text = " ".join(s.text for s in m.transcribe(path))
print(json.dumps({"seconds": time.monotonic() - loaded, "text": text}))
"""


def enter_venv(args):
    """Runs this script anew in the virtual environment, made if need be."""
    folder = os.path.abspath(args.venv or os.path.join(args.work, "venv"))
    python = os.path.join(folder, "bin", "python")
    stamp = os.path.join(folder, "bench-peers")
    if not args.venv and not os.path.exists(stamp):
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
        open(stamp, "w").close()
    if os.path.realpath(sys.prefix) != os.path.realpath(folder):
        os.execv(python, [python, *sys.argv])


# ---- what is run -------------------------------------------------------------------------------

class Row:
    """One program with one set of options, on one recording."""

    def __init__(self, program, name, shown, command, parse, usual=False, once=False):
        self.program, self.name, self.shown = program, name, shown
        self.command, self.parse = command, parse  # of (wav, threads); of (stdout, stderr, wall)
        self.usual, self.once = usual, once


def parse_sotto(out, err, wall):
    opened = float(re.search(r"opened in ([0-9.]+) s", err).group(1))
    return wall - opened, out


def parse_cpp(out, err, wall):
    load = re.search(r"load time = +([0-9.]+) ms", err)
    lines = re.findall(r"^\[[0-9:.]+ --> [0-9:.]+\] *(.*)$", out, re.M)
    return wall - float(load.group(1)) / 1e3, " ".join(lines)


def parse_python(out, err, wall):
    said = json.loads(out.strip().splitlines()[-1])
    return said["seconds"], said["text"]


def sotto_rows(args, model):
    rows = []
    for name, extra, usual, once in (
            ("", [], True, False), ("int8", ["--precision", "int8"], False, False),
            ("fp32 batched", ["--precision", "fp32", "--batched"], False, True),
            ("int8 sequential", ["--precision", "int8", "--sequential"], False, True),
            ("fp32 sequential", ["--precision", "fp32", "--sequential"], False, True)):
        def command(wav, t, extra=extra):
            return [args.sotto, "-m", model, "-t", str(t), "-l", args.language, "-v", "-f", "txt",
                    "-o", "-", *extra, wav]
        shown = " ".join(["sotto", "-t T -l", args.language, "-f txt -o -", *extra, "RECORDING"])
        rows.append(Row("sotto", name or "as it comes", shown, command, parse_sotto, usual, once))
    return rows


def cpp_rows(args, ggml, kind):
    if not args.whisper_cpp:
        return [Row("whisper.cpp", f"PyPI's pywhispercpp, f16{name}", "pywhispercpp, greedy" + name,
                    lambda wav, t, c=c: [sys.executable, "-c", WHEEL, ggml, wav, str(t), c,
                                         args.language], parse_python, c == "1")
                for name, c in (("", "1"), (" without context", "0"))]

    def base(wav, t, *extra):
        return [args.whisper_cpp, "-m", ggml, "-t", str(t), "-bs", "1", "-bo", "1", "-l",
                args.language, "-f", wav, *extra]
    shown = f"whisper-cli -m ggml-{kind}.bin -t %s -bs 1 -bo 1 -l {args.language} -f RECORDING"
    rows = [Row("whisper.cpp", kind, shown % "T", base, parse_cpp, True),
            Row("whisper.cpp", kind + " -mc 0", shown % "T" + " -mc 0",
                lambda wav, t: base(wav, t, "-mc", "0"), parse_cpp)]
    if args.threads > 1:
        p = str(args.threads)
        rows.append(Row("whisper.cpp", f"{kind} -p {p} -t 1 -mc 0",
                        shown % "1" + f" -p {p} -mc 0",
                        lambda wav, t: base(wav, 1, "-p", p, "-mc", "0"), parse_cpp))
    return rows


def faster_rows(args, model):
    rows = []
    for batch in (0, 8, 16):
        name = f"int8, batch {batch}" if batch else "int8, sequential"
        shown = ("BatchedInferencePipeline(m).transcribe(RECORDING, beam_size=1, "
                 f"batch_size={batch}, without_timestamps=False)" if batch else
                 "m.transcribe(RECORDING, beam_size=1)")
        rows.append(Row("faster-whisper", name, shown,
                        lambda wav, t, b=batch: [sys.executable, "-c", FASTER, model, wav, str(t),
                                                 str(b), args.language], parse_python, not batch))
    return rows


class Memory(threading.Thread):
    """The peak memory of a process, asked for until it ends. The kernel's ru_maxrss will not do: it
    counts what this script had in memory when it started the process."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.path, self.kb, self.ended = f"/proc/{pid}/status", 0, threading.Event()
        self.start()

    def run(self):
        while not self.ended.wait(0.03):
            try:
                with open(self.path, encoding="ascii", errors="replace") as f:
                    found = re.search(r"VmHWM:\s*(\d+)", f.read())
                self.kb = int(found.group(1)) if found else self.kb
            except OSError:
                return


def run(row, wav, threads):
    """One run: wall seconds, seconds with the model loaded, CPU seconds, peak MB, text."""
    command = row.command(wav, threads)
    with open(os.path.join(run.work, "stderr"), "w+b") as err:
        start = time.monotonic()
        p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, stdin=subprocess.DEVNULL)
        memory = Memory(p.pid)
        out = p.stdout.read()
        _, status, usage = os.wait4(p.pid, 0)
        wall = time.monotonic() - start
        memory.ended.set()
        p.returncode = os.waitstatus_to_exitcode(status)
        err.seek(0)
        said = err.read().decode(errors="replace")
    if status:
        sys.exit(f"bench_peers: {' '.join(command)}: status {p.returncode}\n{said[-2000:]}")
    loaded, text = row.parse(out.decode(errors="replace"), said, wall)
    return {"wall": wall, "loaded": loaded, "cpu": usage.ru_utime + usage.ru_stime,
            "mb": memory.kb / 1024, "text": text}


def median(results, what):
    return statistics.median(r[what] for r in results)


def fastest(rows, results, program, what="loaded"):
    own = [r for r in rows if r.program == program and results[r]]
    return min(own, key=lambda r: median(results[r], what)) if own else None


def measure(rows, wav, threads, runs, say, trim):
    """Interleaved rounds over all rows; `trim`: later rounds only over those that matter."""
    results = {row: [] for row in rows}
    for i in range(runs):
        todo = list(rows)
        if i and trim:
            best = {p: fastest(rows, results, p) for p in {r.program for r in rows}}
            todo = [r for r in rows if not r.once and (
                r.usual or r.program == "sotto" or
                median(results[r], "loaded") < 1.15 * median(results[best[r.program]], "loaded"))]
        for row in todo if i % 2 == 0 else reversed(todo):
            results[row].append(run(row, wav, threads))
            print(f"  {say}, round {i + 1}: {row.program} {row.name}: "
                  f"{results[row][-1]['wall']:.2f} s", file=sys.stderr, flush=True)
    return results


# ---- files -------------------------------------------------------------------------------------

def duration(wav):
    with wave.open(wav) as w:
        return w.getnframes() / w.getframerate()


def cut(wav, out, seconds):
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", wav, "-t", str(seconds), "-ac",
                    "1", "-ar", "16000", out], check=True)
    return out


def make_recording(args):
    """The long recording as WAV, what was said in it (None: unknown), and what it is."""
    from compose_recording import compose
    long = os.path.join(args.work, "long.wav")
    if len(args.where) == 1 and os.path.isfile(args.where[0]):
        given, text = args.where[0], None
        cut(given, long, 1e6)
        if os.path.exists(given + ".txt"):
            with open(given + ".txt", encoding="utf-8") as f:
                text = f.read()
        return long, text, "a file"
    folders = [w for w in args.where if os.path.isdir(w)]
    sources = (["debian"] if args.language == "en" else []) + folders
    _, said = compose(long, sources, args.seconds, 1, args.language)
    texts = [s["text"] for s in said]
    what = f"{len(said)} recordings one after another (compose_recording.py, seed 1), of " + \
        " and ".join((["pocketsphinx-testdata"] if "debian" in sources else []) +
                     ([f"{len(folders)} folder" + "s" * (len(folders) > 1)] if folders else []))
    return long, None if None in texts else " ".join(texts), what


def make_ggml(args, model, clip):
    """whisper.cpp's file of the same weights, in the quantisation that is fastest here."""
    from peer_files import write_ggml
    name = os.path.basename(model.rstrip("/"))
    f16 = os.path.join(args.work, f"ggml-{name}-f16.bin")
    if not os.path.exists(f16):
        write_ggml(model, f16)
    if not args.whisper_cpp:
        return f16, "f16", {}
    quantize = os.path.join(os.path.dirname(args.whisper_cpp), "whisper-quantize")
    found = {}
    for kind in args.quantisations.split(","):
        path = os.path.join(args.work, f"ggml-{name}-{kind}.bin")
        if kind != "f16" and not os.path.exists(path):
            if not os.path.exists(quantize):
                continue
            subprocess.run([quantize, f16, path, kind], check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        found[kind] = path
    rows = {kind: cpp_rows(args, path, kind)[1] for kind, path in found.items()}
    results = measure(list(rows.values()), clip, args.threads, 2, "which quantisation", False)
    best = {kind: min(r["loaded"] for r in results[row]) for kind, row in rows.items()}
    kind = min(best, key=best.get)
    return found[kind], kind, best


# ---- words -------------------------------------------------------------------------------------

def word_errors(ref, hyp):
    """Levenshtein distance in words, a row at a time."""
    import numpy as np
    ids = {}
    ref, hyp = ([ids.setdefault(w, len(ids)) for w in words] for words in (ref, hyp))
    hyp = np.array(hyp, dtype=np.int64)
    steps = np.arange(len(hyp) + 1)
    row = steps.copy()
    for i, r in enumerate(ref, 1):
        across = np.concatenate(([i], np.minimum(row[1:] + 1, row[:-1] + (hyp != r))))
        row = np.minimum.accumulate(across - steps) + steps  # and from the left
    return int(row[-1])


def judge(args, rows, results, truth):
    """Of each row's text: words, errors against what was said and against sotto in fp32, batched."""
    from measure_wer import normalise
    for r in rows:
        name = re.sub(r"[^a-z0-9]+", "-", f"{r.program} {r.name}".lower())
        with open(os.path.join(args.work, f"text-{name}.txt"), "w", encoding="utf-8") as f:
            f.write(results[r][0]["text"])
    words = {r: normalise(results[r][0]["text"], args.language) for r in rows}
    exact = next((r for r in rows if r.name == "fp32 batched"), rows[0])
    said = normalise(truth, args.language) if truth else None
    return {r: {"words": len(words[r]), "truth_words": len(said) if said else None,
                "wer": word_errors(said, words[r]) / max(len(said), 1) if said else None,
                "differs": word_errors(words[exact], words[r]) / max(len(words[exact]), 1)}
            for r in rows}


# ---- report ------------------------------------------------------------------------------------

def first_line(path, key):
    with open(path, encoding="utf-8", errors="replace") as f:
        return next((line.split(":", 1)[1].strip() for line in f if line.startswith(key)), "unknown")


def version_of(command, pattern):
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(1) if found else "unknown version"


def machine(args):
    from importlib.metadata import version
    cpp = version_of([args.whisper_cpp, "--version"], r"version: *(\S+)") if args.whisper_cpp else \
        f"as in pywhispercpp {version('pywhispercpp')}"
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {"processor": first_line("/proc/cpuinfo", "model name"),
            "cores": len(os.sched_getaffinity(0)), "memory_gb": round(memory_gb),
            "system": f"{platform.system()} {platform.machine()}", "model": args.model,
            "sotto": version_of([args.sotto, "--version"], r"sotto (\S+)"),
            "whisper.cpp": cpp if "whisper.cpp" in args.only else None,
            "faster-whisper": version("faster-whisper"), "ctranslate2": version("ctranslate2"),
            "load_before": round(os.getloadavg()[0], 2),
            "date": datetime.date.today().isoformat()}


def numbers(row, results, seconds, errors=None):
    got = results[row]
    out = {"program": row.program, "options": row.name, "command": row.shown, "runs": len(got),
           "spread": [round(min(r["loaded"] for r in got), 3), round(max(r["loaded"] for r in got), 3)]}
    for what in ("wall", "loaded", "cpu", "mb"):
        out[what] = round(median(got, what), 3)
    out["realtime"] = round(seconds / out["loaded"], 2)
    return out | (errors[row] if errors else {})


def percent(x):
    return "" if x is None else f"{100 * x:.2f} %"


def long_table(rows):
    base = rows[0]["loaded"]
    lines = ["| program | options | x realtime | seconds | whole process | CPU s | MB | "
             "sotto is faster by | word errors | differs from fp32 | runs |",
             "|---|---|---|---|---|---|---|---|---|---|---|"]
    for r in rows:
        lines.append(f"| {r['program']} | {r['options']} | {r['realtime']:.1f} | {r['loaded']:.2f} | "
                     f"{r['wall']:.2f} | {r['cpu']:.1f} | {r['mb']:.0f} | {r['loaded'] / base:.2f} | "
                     f"{percent(r['wer'])} | {percent(r['differs'])} | {r['runs']} |")
    return lines


def short_table(tables):
    """Whole processes: one column for each number of threads."""
    names = [(r["program"], r["options"]) for r in next(iter(tables.values()))]
    lines = ["| program | options | " + " | ".join(f"{t}: seconds | {t}: sotto is faster by"
                                                   for t in tables) + " |",
             "|---|---|" + "---|---|" * len(tables)]
    for i, (program, options) in enumerate(names):
        cells = [f"{rows[i]['wall']:.2f} | {rows[i]['wall'] / rows[0]['wall']:.2f}"
                 for rows in tables.values()]
        lines.append(f"| {program} | {options} | " + " | ".join(cells) + " |")
    return lines


def markdown(report):
    m, long = report["machine"], report["long"]
    peers = ", ".join(f"{p} {m[p]}" for p in ("whisper.cpp", "faster-whisper") if m[p])
    lines = [f"Measured {m['date']} by `{report['command']}` on {m['processor']}, {m['cores']} cores, "
             f"{m['memory_gb']} GB, {m['system']}; load {m['load_before']} before, "
             f"{m['load_after']} after. sotto {m['sotto']}, {peers} (ctranslate2 {m['ctranslate2']}); "
             f"model {m['model']}, {report['threads']} threads, greedy, language given.", "",
             f"**Recording of {report['seconds']:.0f} s**: {report['recording']}. Medians of "
             "interleaved runs. Seconds and times realtime are with the model loaded; word errors are "
             "against what was said, the next column against sotto in fp32, batched.", "",
             *long_table(long), "",
             f"**Clip of {report['clip_seconds']:.0f} s, whole process**, medians of "
             f"{report['clip'][next(iter(report['clip']))][0]['runs']}:", "",
             *short_table(report["clip"]), ""]
    if report["part"]:
        lines += [f"**Recording of {report['part_seconds']:.0f} s, 1 thread, whole process**:", "",
                  *short_table({"1 thread": report["part"]}), ""]
    lines += ["Commands (T: threads; each in the table's order):", "",
              *[f"    {r['command']}" for r in long], ""]
    if report["quantisations"]:
        tried = ", ".join(f"{k} {s:.2f} s" for k, s in report["quantisations"].items())
        lines += [f"whisper.cpp's quantisations on the clip: {tried}; the fastest was measured.", ""]
    return lines


def write_report(args, report):
    with open(os.path.join(args.out, "performance.json"), "w", encoding="utf-8") as f:
        json.dump(report, f, indent=1)
        f.write("\n")
    path = os.path.join(args.out, "performance.md")
    text = ""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            text = f.read()
    if BEGIN not in text or END not in text:
        text += f"\n## Beside the peers\n\n{BEGIN}\n{END}\n"
    before, after = text[:text.index(BEGIN)], text[text.index(END):]
    lines = markdown(report)
    with open(path, "w", encoding="utf-8") as f:
        f.write(before + BEGIN + "\n" + "\n".join(lines).rstrip() + "\n" + after)
    print("\n".join(lines))


def arguments():
    p = argparse.ArgumentParser(usage=__doc__, add_help=True)
    p.add_argument("--sotto", default="build/sotto")
    p.add_argument("--whisper-cpp")
    p.add_argument("--model", default="base")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--seconds", type=float, default=1380)
    p.add_argument("--language", default="en")
    p.add_argument("--quantisations", default="q8_0,q5_0,q4_0,f16")
    p.add_argument("--only", default="sotto,whisper.cpp,faster-whisper")
    p.add_argument("--work", default="build/peers")
    p.add_argument("--venv")
    p.add_argument("--out", default="docs")
    p.add_argument("where", nargs="*")
    args = p.parse_args()
    for w in args.where:
        if not os.path.exists(w):
            p.error(f"{w}: no such file or folder")
    return args


def main():
    args = arguments()
    os.makedirs(args.work, exist_ok=True)
    enter_venv(args)
    run.work = args.work
    begin = time.monotonic()
    model = subprocess.run([args.sotto, "model", "path", args.model], check=True,
                           capture_output=True, text=True).stdout.strip()
    about = machine(args)
    wav, truth, what = make_recording(args)
    clip = cut(wav, os.path.join(args.work, "clip.wav"), CLIP_S)
    rows, tried = sotto_rows(args, model), {}
    if "whisper.cpp" in args.only:
        ggml, kind, tried = make_ggml(args, model, clip)
        rows += cpp_rows(args, ggml, kind)
    if "faster-whisper" in args.only:
        rows += faster_rows(args, model)
    seconds = duration(wav)
    long = measure(rows, wav, args.threads, args.runs, "long", True)
    errors = judge(args, rows, long, truth)
    short = [r for r in rows if not r.once]
    clips = {}
    for t in sorted({1, args.threads}):
        got = measure([r for r in short if t > 1 or " -p " not in r.name] if t == args.threads else
                      [r for r in short if " -p " not in r.name], clip, t, args.runs, f"clip, {t} threads",
                      False)
        clips[t] = got
    part = []
    if args.threads > 1:
        part_wav = cut(wav, os.path.join(args.work, "part.wav"), PART_S)
        some = [r for r in short if r.program == "sotto" or r.usual or r is fastest(
            [s for s in short if " -p " not in s.name], long, r.program)]
        got = measure(some, part_wav, 1, min(args.runs, 2), "part, 1 thread", False)
        part = [numbers(r, got, duration(part_wav)) for r in some]
    about["load_after"] = round(os.getloadavg()[0], 2)
    about["minutes"] = round((time.monotonic() - begin) / 60, 1)
    same = [r for r in short if all(r in got for got in clips.values())]
    write_report(args, {
        "command": " ".join(["make bench-peers", *(["WHISPER_CPP=whisper-cli"] if args.whisper_cpp else []),
                             f"RUNS={args.runs} SECONDS={args.seconds:.0f}",
                             *(["AUDIO=" + os.path.basename(args.where[0].rstrip("/"))]
                               if args.where else [])]),
        "machine": about, "threads": args.threads, "seconds": seconds, "recording": what,
        "quantisations": tried, "long": [numbers(r, long, seconds, errors) for r in rows],
        "clip_seconds": duration(clip),
        "clip": {f"{t} thread" + "s" * (t > 1): [numbers(r, got, duration(clip)) for r in same]
                 for t, got in clips.items()},
        "part_seconds": duration(part_wav) if part else None, "part": part})


if __name__ == "__main__":
    main()
