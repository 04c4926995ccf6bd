#!/usr/bin/env python3
"""Makes tests/golden/net_*.bin: what openai/whisper (fp32) computes inside, for the tests to replay.

usage: golden_net.py MODEL_DIR NAME WAV OUT [--dump PREFIX]

MODEL_DIR is a CTranslate2 folder of Whisper (its weights go into openai/whisper's own network), NAME
the model's name in the store, WAV a 16 kHz mono 16-bit recording of pocketsphinx-testdata. Needs
`pip install openai-whisper` in a virtual environment. --dump also writes PREFIX.mel, .audio, .tokens,
.logits, .align whole, as raw little-endian arrays.

Format, little-endian: "SGLD", u32 version 1, NAME and WAV's place (u32 length, bytes each), then arrays,
each u32 rank, u32 type (0 fp32, 1 int32), u32 dimensions, data:
  rows      [R]          encoder rows kept (int32)
  audio     [R, C]       the encoder's output there
  tokens    [N]          start sequence, greedy text, as fed to the decoder
  top       [N, 20]      ids of the largest logits after each token
  logits    [N, 20]      their values
  moments   [N, 2]       mean and standard deviation of all V logits
  positions [P]          audio positions kept
  heads     [A, 2]       layer and head
  scores    [A, N, P]    q K^T / sqrt(D) of those heads, before the softmax
"""
import argparse
import os
import struct
import wave

import numpy as np
import torch
import whisper
from whisper.model import ModelDimensions, Whisper

CT2_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def read_ct2(path):
    """All variables of a CTranslate2 model.bin, version 6 (OpenNMT/CTranslate2, models/model.cc)."""
    with open(path, "rb") as f:
        data = f.read()
    at = 0

    def take(fmt):
        nonlocal at
        values = struct.unpack_from("<" + fmt, data, at)
        at += struct.calcsize("<" + fmt)
        return values if len(values) > 1 else values[0]

    def name():
        nonlocal at
        n = take("H")
        at += n
        return data[at - n:at].rstrip(b"\0").decode()

    version, spec, revision = take("I"), name(), take("I")
    assert version == 6, (version, spec, revision)
    variables = {}
    for _ in range(take("I")):
        key, rank = name(), take("B")
        shape = [take("I") for _ in range(rank)]
        kind, size = take("B"), take("I")
        variables[key] = np.frombuffer(data, CT2_TYPES[kind], size // np.dtype(CT2_TYPES[kind]).itemsize,
                                       at).reshape(shape)
        at += size
    for _ in range(take("I")):
        alias, target = name(), name()
        variables[alias] = variables[target]
    return variables


def state_dict(v, dims):
    """CTranslate2's names to openai/whisper's."""
    out = {}

    def put(dst, src, rows=slice(None)):
        for kind, kinds in (("weight", ("weight", "gamma")), ("bias", ("bias", "beta"))):
            for k in kinds:
                if f"{src}/{k}" in v:
                    out[f"{dst}.{kind}"] = torch.from_numpy(v[f"{src}/{k}"][rows].astype(np.float32))

    def third(i, n):
        return slice(i * n, (i + 1) * n)

    def attention(dst, src, n, cross):
        if cross:
            put(dst + ".query", src + "/linear_0")
            put(dst + ".key", src + "/linear_1", third(0, n))
            put(dst + ".value", src + "/linear_1", third(1, n))
            put(dst + ".out", src + "/linear_2")
        else:
            for i, part in enumerate(("query", "key", "value")):
                put(f"{dst}.{part}", src + "/linear_0", third(i, n))
            put(dst + ".out", src + "/linear_1")
        out.pop(dst + ".key.bias", None)

    def layer(dst, src, n, decoder):
        put(dst + ".attn_ln", src + "/self_attention/layer_norm")
        attention(dst + ".attn", src + "/self_attention", n, False)
        if decoder:
            put(dst + ".cross_attn_ln", src + "/attention/layer_norm")
            attention(dst + ".cross_attn", src + "/attention", n, True)
        put(dst + ".mlp_ln", src + "/ffn/layer_norm")
        put(dst + ".mlp.0", src + "/ffn/linear_0")
        put(dst + ".mlp.2", src + "/ffn/linear_1")

    put("encoder.conv1", "encoder/conv1")
    put("encoder.conv2", "encoder/conv2")
    put("encoder.ln_post", "encoder/layer_norm")
    put("decoder.ln", "decoder/layer_norm")
    put("decoder.token_embedding", "decoder/embeddings")
    for part in ("encoder", "decoder"):  # the encoder's sinusoids too: OpenAI stores them, as fp16
        out[f"{part}.positional_embedding"] = torch.from_numpy(
            v[f"{part}/position_encodings/encodings"].astype(np.float32))
    for i in range(dims.n_audio_layer):
        layer(f"encoder.blocks.{i}", f"encoder/layer_{i}", dims.n_audio_state, False)
    for i in range(dims.n_text_layer):
        layer(f"decoder.blocks.{i}", f"decoder/layer_{i}", dims.n_text_state, True)
    return out


def load(folder):
    v = read_ct2(os.path.join(folder, "model.bin"))
    width, mels = v["encoder/conv1/weight"].shape[:2]
    vocab = v["decoder/embeddings/weight"].shape[0]

    def layers(part):
        return 1 + max(int(k.split("/")[1][6:]) for k in v if k.startswith(part + "/layer_")
                       and k.split("/")[1][6:].isdigit())

    heads = width // 64
    dims = ModelDimensions(mels, 1500, width, heads, layers("encoder"), vocab, 448, width, heads,
                           layers("decoder"))
    model = Whisper(dims)
    missing, unknown = model.load_state_dict(state_dict(v, dims), strict=False)
    assert not unknown and all("mask" in k for k in missing), \
        (missing, unknown)
    return model.eval().float()


def read_wav(path):
    with wave.open(path) as w:
        assert (w.getframerate(), w.getnchannels(), w.getsampwidth()) == (16000, 1, 2)
        raw = w.readframes(w.getnframes())
    return np.frombuffer(raw, np.int16).astype(np.float32) / 32768.0


@torch.no_grad()
def forward(model, heads, mel, tokens):
    """Encoder output, logits of every position, and the heads' raw scores."""
    audio = model.encoder(mel[None])
    scores = {}
    hooks = [b.cross_attn.register_forward_hook(
        lambda _, __, result, i=i: scores.__setitem__(i, result[-1][0])) for i, b in
        enumerate(model.decoder.blocks)]
    with whisper.model.disable_sdpa():
        logits = model.decoder(torch.tensor([tokens]), audio)[0]
    for h in hooks:
        h.remove()
    return audio[0].numpy(), logits.numpy(), np.stack([scores[l][h].numpy() for l, h in heads])


def write_array(f, a):
    a = np.ascontiguousarray(a)
    a = a.astype("<i4") if a.dtype.kind == "i" else a.astype("<f4")
    f.write(struct.pack("<II", a.ndim, 1 if a.dtype.kind == "i" else 0))
    f.write(struct.pack(f"<{a.ndim}I", *a.shape))
    f.write(a.tobytes())


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("folder", "name", "wav", "out"):
        p.add_argument(name)
    p.add_argument("--dump")
    args = p.parse_args()

    model = load(args.folder)
    whisper.model.MultiHeadAttention.use_sdpa = True
    samples = whisper.pad_or_trim(read_wav(args.wav))
    mel = whisper.log_mel_spectrogram(samples, model.dims.n_mels)
    english = not model.is_multilingual
    options = whisper.DecodingOptions(language="en", fp16=False, temperature=0.0)
    text = whisper.decode(model, mel, options)
    tok = whisper.tokenizer.get_tokenizer(not english, num_languages=model.num_languages,
                                          language="en", task="transcribe")
    tokens = list(tok.sot_sequence) + list(text.tokens)
    print(text.text)
    # The first and the last of the alignment heads: what is stored must be small.
    model.set_alignment_heads(whisper._ALIGNMENT_HEADS[args.name])
    aligned = model.alignment_heads.indices().T.tolist()
    heads = [aligned[0], aligned[-1]]
    audio, logits, scores = forward(model, heads, mel, tokens)

    rows = np.arange(0, audio.shape[0], 125)
    positions = np.arange(0, audio.shape[0], 50)
    order = np.argsort(-logits, axis=1, kind="stable")[:, :20]
    with open(args.out, "wb") as f:
        place = "/".join(args.wav.split("/")[-2:])
        f.write(b"SGLD" + struct.pack("<I", 1))
        for s in (args.name.encode(), place.encode()):
            f.write(struct.pack("<I", len(s)) + s)
        for a in (rows, audio[rows], np.array(tokens), order, np.take_along_axis(logits, order, 1),
                  np.stack([logits.mean(1), logits.std(1)], 1), positions, np.array(heads),
                  scores[:, :, positions]):
            write_array(f, a)
    if args.dump:
        mel.numpy().T.astype("<f4").tofile(args.dump + ".mel")
        audio.astype("<f4").tofile(args.dump + ".audio")
        np.array(tokens, "<i4").tofile(args.dump + ".tokens")
        logits.astype("<f4").tofile(args.dump + ".logits")
        scores.astype("<f4").tofile(args.dump + ".align")


if __name__ == "__main__":
    main()
