#!/usr/bin/env python3
"""Makes tests/golden/vad.bin: what the Silero VAD network and its span rule give, for test_vad.c.

usage: golden_vad.py PACKAGE OUT [SAFETENSORS]

PACKAGE is the folder silero_vad of the PyPI package silero-vad 6.2.3; needs `pip install onnx
onnxruntime numpy`. The package's graph (data/silero_vad_16k_op15.onnx) has other weights than its
data/silero_vad_16k.safetensors, which sotto uses: these are put into the graph, which onnxruntime then
runs on a signal made by formula. The rule is utils_vad.get_speech_timestamps_from_probs on
probabilities made by formula.

Format, little-endian: "SVAD", u32 version 1; u32 n, n fp32 probabilities of signal(); u32 number of
cases, each: f32 threshold, f32 neg_threshold (NaN: default), i32 min_speech_ms, i32 min_silence_ms,
i32 pad_ms, f32 max_speech_s (0: none), u32 chunks, u32 samples, u32 spans, i32 start and end of each.
"""
import importlib.util
import json
import struct
import sys
from unittest import mock

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

RATE = 16000
SIGNAL = 191800  # samples
CASES, CHUNKS = 60, 500


class Noise:
    """As noise() of tests/support_sound.c."""

    def __init__(self, state):
        self.state = state

    def bits(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return self.state >> 32

    def __call__(self):
        bits = self.bits()
        return (bits - 2**32 if bits >= 2**31 else bits) / 2147483648.0


def voice(n):
    """As sound_voice() of tests/support_sound.c."""
    formant = np.array([[730, 1090, 2440], [270, 2290, 3010], [530, 1840, 2480], [570, 840, 2410],
                        [300, 870, 2240]], float)
    noise, two_pi, syllable = Noise(2), 2 * np.pi, RATE // 4
    i = np.arange(n)
    t, f = i / RATE, formant[i // syllable % 5]
    pitch = 120 + 15 * np.sin(two_pi * 0.6 * t)
    phase = two_pi * 120 * t - 25 * np.cos(two_pi * 0.6 * t)
    part = (i % syllable) / syllable
    total = np.zeros(n)
    for k in range(1, 33):
        gain = sum(1 / (1 + ((k * pitch - f[:, j]) / (60 + 40 * j)) ** 2) for j in range(3))
        total += gain * np.sin(k * phase)
    burst = np.array([0.05 * noise() if p < 0.16 else 0 for p in part])
    return (0.12 * total * np.sin(np.pi * part) + burst).astype(np.float32)


def white(n):
    noise = Noise(1)
    return np.array([0.1 * noise() for _ in range(n)], np.float32)


def signal():
    """As make_signal() of tests/test_vad.c."""
    v, w = voice(SIGNAL), white(SIGNAL)
    s = np.arange(SIGNAL) / RATE
    gain_v = np.select([s < 4, s < 7, s < 10], [1, 0, 1], 0.05).astype(np.float32)
    gain_w = np.select([s < 4, s < 6, s < 7, s < 10], [0, 0.5, 0, 1], 0).astype(np.float32)
    return gain_v * v + gain_w * w


def probabilities(case):
    """As make_probabilities() of tests/test_vad.c."""
    noise, out = Noise(100 + case), []
    level = [0.03, 0.2, 0.42, 0.6, 0.95]
    while len(out) < CHUNKS:
        base, length = level[noise.bits() % 5], 1 + noise.bits() % (4 + case % 40)
        out += [min(max(base + 0.15 * noise(), 0), 1) for _ in range(length)]
    return np.array(out[:CHUNKS], np.float32)


def session(package, safetensors):
    """The package's graph with the safetensors file's weights."""
    raw = open(safetensors, "rb").read()
    size = struct.unpack("<Q", raw[:8])[0]
    weights = {}
    for name, row in json.loads(raw[8:8 + size]).items():
        if name != "__metadata__":
            begin, end = row["data_offsets"]
            weights[name] = np.frombuffer(raw[8 + size + begin:8 + size + end], np.float32)
    names = {"model.stft.forward_basis_buffer": "stft_conv.weight",
             "model.decoder.decoder.2.weight": "final_conv.weight",
             "model.decoder.decoder.2.bias": "final_conv.bias"}
    for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        names["model.decoder.rnn." + kind] = "lstm_cell." + kind
    for i in range(4):
        for kind in ("weight", "bias"):
            names[f"model.encoder.{i}.reparam_conv.{kind}"] = f"conv{i + 1}.{kind}"

    def replace(graph):
        for tensor in graph.initializer:
            put(tensor, tensor.name)
        for node in graph.node:
            for attribute in node.attribute:
                if node.op_type == "Constant" and attribute.t.ByteSize():
                    put(attribute.t, node.output[0])
                if attribute.g.ByteSize():
                    replace(attribute.g)

    def put(tensor, name):
        if name in names:
            shape = numpy_helper.to_array(tensor).shape
            new = weights[names.pop(name)].reshape(shape)
            tensor.CopyFrom(numpy_helper.from_array(new, tensor.name))

    model = onnx.load(package + "/data/silero_vad_16k_op15.onnx")
    replace(model.graph)
    assert not names, names
    return onnxruntime.InferenceSession(model.SerializeToString(),
                                        providers=["CPUExecutionProvider"])


def run(net, x):
    x = np.concatenate([x, np.zeros(-len(x) % 512, np.float32)])
    state, context, out = np.zeros((2, 1, 128), np.float32), np.zeros(64, np.float32), []
    for chunk in x.reshape(-1, 512):
        p, state = net.run(None, {"input": np.concatenate([context, chunk])[None], "state": state,
                                  "sr": np.array(RATE, np.int64)})
        context = chunk[-64:]
        out.append(p[0, 0])
    return np.array(out, np.float32)


def rule_cases(package):
    sys.modules.setdefault("torch", mock.MagicMock())  # only named, not used, by the rule
    spec = importlib.util.spec_from_file_location("utils_vad", package + "/utils_vad.py")
    utils = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(utils)
    for case in range(CASES):
        threshold = [0.5, 0.35, 0.6][case % 3]
        neg = [None, 0.2, None, 0.45][case % 4] if threshold > 0.45 else None
        speech, silence = [250, 0, 700, 100][case % 4], [500, 100, 2000, 60, 300, 0][case % 6]
        pad, longest = [200, 30, 0, 400, 15][case % 5], [0, 5, 0, 1.5, 8, 0, 2][case % 7]
        samples = CHUNKS * 512 - [0, 100, 511][case % 3]
        spans = utils.get_speech_timestamps_from_probs(
            [float(p) for p in probabilities(case)], sampling_rate=RATE,
            threshold=float(np.float32(threshold)),
            neg_threshold=None if neg is None else float(np.float32(neg)),
            min_speech_duration_ms=speech, min_silence_duration_ms=silence, speech_pad_ms=pad,
            max_speech_duration_s=longest or float("inf"), audio_length_samples=samples)
        data = struct.pack("<ffiiifIII", threshold, np.nan if neg is None else neg, speech, silence,
                           pad, longest, CHUNKS, samples, len(spans))
        for span in spans:
            data += struct.pack("<ii", span["start"], span["end"])
        yield data


def main():
    package, out = sys.argv[1:3]
    safetensors = sys.argv[3] if len(sys.argv) > 3 else package + "/data/silero_vad_16k.safetensors"
    p = run(session(package, safetensors), signal())
    cases = list(rule_cases(package))
    with open(out, "wb") as f:
        f.write(b"SVAD" + struct.pack("<II", 1, len(p)) + p.tobytes())
        f.write(struct.pack("<I", len(cases)) + b"".join(cases))


main()
