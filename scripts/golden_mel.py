#!/usr/bin/env python3
"""Makes tests/golden/mel.bin: log-mel of a signal made by formula, in double precision.

Follows openai/whisper, whisper/audio.py (log_mel_spectrogram with 30 s of padding), and
librosa.filters.mel; needs numpy only. With --filters FILE the filters are first compared with
openai/whisper's assets/mel_filters.npz.

Layout, little-endian: "SOTTOMEL", uint32 version, n_samples, n_frames, 80, 128; then n_frames x 80
and n_frames x 128 fp32, row-major, normalised.
"""
import argparse
import struct
import sys

import numpy as np

N_SAMPLES = 8000
N_FRAMES = 55  # five of them lie wholly or partly after the signal


def signal():
    """16-bit samples in integer arithmetic; tests/test_mel.c has the same formula."""
    phase, noise, out = 0, 1, []
    for i in range(N_SAMPLES):
        phase = (phase + 0x00800000 + i * 0x8000) & 0xFFFFFFFF
        noise = (noise * 1664525 + 1013904223) & 0xFFFFFFFF
        q = (phase >> 16) - 32768
        arch = q * (32768 - abs(q)) >> 14  # nearly a sine
        hiss = (noise >> 20) - 2048
        out.append((arch + hiss) >> (0, 6, 11, 0)[i * 4 // N_SAMPLES])
    return np.array(out, np.int16)


def mel_filters(n_mels):
    step = np.log(6.4) / 27.0

    def to_mel(hz):
        return hz * 3 / 200 if hz < 1000 else 15 + np.log(hz / 1000) / step

    mels = np.linspace(0.0, to_mel(8000.0), n_mels + 2)
    hz = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(step * (mels - 15)))
    bins = np.arange(201) * 40.0
    rise = (bins - hz[:-2, None]) / (hz[1:-1] - hz[:-2])[:, None]
    fall = (hz[2:, None] - bins) / (hz[2:] - hz[1:-1])[:, None]
    return np.maximum(0, np.minimum(rise, fall)) * (2.0 / (hz[2:] - hz[:-2]))[:, None]


def log_mel(audio, n_mels):
    padded = np.pad(np.pad(audio, (0, 480000)), 200, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = np.lib.stride_tricks.sliding_window_view(padded, 400)[::160][:-1]
    frames = frames[: (N_SAMPLES + 400) // 160 + 1]  # the rest is silence
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    log = np.log10(np.maximum(power @ mel_filters(n_mels).T, 1e-10))
    log = np.concatenate([log, np.full((N_FRAMES, n_mels), -10.0)])[:N_FRAMES]
    return (np.maximum(log, log.max() - 8) + 4) / 4


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--filters", help="openai/whisper's mel_filters.npz")
    parser.add_argument("output", nargs="?", default="tests/golden/mel.bin")
    args = parser.parse_args()
    if args.filters:
        theirs = np.load(args.filters)
        for n in (80, 128):
            worst = np.abs(theirs[f"mel_{n}"] - mel_filters(n)).max()
            print(f"{n} mels: largest difference of a weight {worst:.2e}")
            if worst > 1e-7:
                sys.exit("the filters differ")
    audio = signal().astype(np.float64) / 32768
    with open(args.output, "wb") as f:
        f.write(b"SOTTOMEL" + struct.pack("<5I", 1, N_SAMPLES, N_FRAMES, 80, 128))
        for n in (80, 128):
            f.write(log_mel(audio, n).astype("<f4").tobytes())


if __name__ == "__main__":
    main()
