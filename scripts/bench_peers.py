#!/usr/bin/env python3
"""Times sotto beside its peers on one recording: whole processes, interleaved, medians.

usage: bench_peers.py [--runs 3] [--threads 2] [--model PATH] [--whisper-cpp BIN --ggml FILE ...]
                      [--faster-whisper PYTHON] [--only PART] RECORDING

--whisper-cpp: the whisper-cli of a source build (-DGGML_NATIVE=ON -DGGML_LLAMAFILE=ON), run once for
each --ggml file, greedy, as people run it and without carrying text over (-mc 0).
--faster-whisper: the python of a virtual environment with faster-whisper; int8, sequential and batched.
--model: the CTranslate2 folder that sotto and faster-whisper read. Prints wall seconds, times realtime,
peak memory, and each one's speed against the first row. Standard library only.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import wave

FASTER = """
import sys
from faster_whisper import BatchedInferencePipeline, WhisperModel
model, path, threads, batch = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
m = WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=threads)
if batch:
    s, _ = BatchedInferencePipeline(m).transcribe(path, beam_size=1, batch_size=batch,
                                                  without_timestamps=False)
else:
    s, _ = m.transcribe(path, beam_size=1)
print("".join(x.text for x in s))
"""


def wav_of(path, folder):
    """whisper-cli reads few formats: everything gets the same 16 kHz WAV file."""
    out = os.path.join(folder, "recording.wav")
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-i", path, "-ac", "1", "-ar", "16000", out],
                   check=True)
    with wave.open(out) as w:
        return out, w.getnframes() / w.getframerate()


def rows_of(args, wav):
    t = str(args.threads)
    rows = []
    for name, extra in (("sotto", []), ("sotto int8", ["--precision", "int8"]),
                        ("sotto fp32 sequential", ["--precision", "fp32", "--sequential"])):
        rows.append((name, [args.sotto, "--model", args.model, "-t", t, "-q", *extra, wav]))
    for ggml in args.ggml if args.whisper_cpp else []:
        base = [args.whisper_cpp, "-m", ggml, "-t", t, "-bs", "1", "-bo", "1", "-l", args.language,
                "-np", "-f", wav]
        name = "whisper.cpp " + os.path.basename(ggml).replace("ggml-base-", "").replace(".bin", "")
        rows.append((name, base))
        rows.append((name + " -mc 0", base + ["-mc", "0"]))
    if args.faster_whisper:
        for batch in (0, 8, 16):
            name = f"faster-whisper int8 batch {batch}" if batch else "faster-whisper int8"
            rows.append((name, [args.faster_whisper, "-c", FASTER, args.model, wav, t, str(batch)]))
    return [r for r in rows if args.only in r[0]]


def run(command):
    start = time.monotonic()
    p = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    err = p.stderr.read()
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    if status:
        sys.exit(f"{' '.join(command)}\n{err.decode(errors='replace')[-2000:]}")
    return time.monotonic() - start, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--sotto", default="build/sotto")
    p.add_argument("--model", required=True)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--language", default="auto")
    p.add_argument("--whisper-cpp")
    p.add_argument("--ggml", nargs="*", default=[])
    p.add_argument("--faster-whisper")
    p.add_argument("--only", default="")
    p.add_argument("recording")
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wav, seconds = wav_of(args.recording, folder)
        rows = rows_of(args, wav)
        results = {name: [] for name, _ in rows}
        for _ in range(args.runs):
            for name, command in rows:
                results[name].append(run(command))
    print(f"{os.path.basename(args.recording)}: {seconds:.1f} s, {args.threads} threads, "
          f"median of {args.runs} interleaved runs, whole process")
    print(f"{'':32} {'wall s':>8} {'CPU s':>8} {'x realtime':>11} {'MB':>6} {'speed of first':>15}")
    first = None
    for name, got in results.items():
        wall, memory, cpu = (statistics.median(x[i] for x in got) for i in range(3))
        first = first or wall
        print(f"{name:32} {wall:8.2f} {cpu:8.2f} {seconds / wall:11.1f} {memory:6.0f} {wall / first:14.2f}x")


if __name__ == "__main__":
    main()
