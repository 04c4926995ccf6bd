#!/usr/bin/env python3
"""Converts a real model with the peers' own tools, and checks that they and sotto read every result alike.

usage: compare_formats.py [options] CT2_FOLDER OUT_FOLDER AUDIO...

CT2_FOLDER is a CTranslate2 model in fp16 (`sotto model fetch base` gets one); AUDIO are WAV files at
16 kHz. OUT_FOLDER gets, each made once and kept:
    hf          saved by transformers (save_pretrained): fp16, one file, generation_config.json
    hf-sharded  the same in several files with an index;  hf-bf16, hf-fp32
    ct2-TYPE    converted from hf by ctranslate2's TransformersConverter, for every weight type
    ggml        ggml-base-TYPE.bin: whisper.cpp's convert-h5-to-ggml.py, then its quantisation program
Then every model is loaded by the peer that owns the format (transformers, faster-whisper, whisper-cli)
and by sotto; the table shows whose texts equal which. Formats that hold the fp16 weights exactly must
give sotto the same text, and every peer must load every file: else the exit status is 1.

options:
  --sotto PROGRAM           (build/sotto)
  --whisper-cpp-bin FOLDER  whisper-cli and whisper-quantize, built by you
  --convert-h5 FILE         whisper.cpp's models/convert-h5-to-ggml.py
  --no-peers                do not run the peers, only convert and run sotto
  --venv FOLDER             make a virtual environment there with what is needed, and run in it

Needs (in a virtual environment): torch transformers ctranslate2 faster-whisper openai-whisper
sentencepiece. Without the two whisper.cpp options its format is left out.
"""
import argparse
import glob
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import wave

PACKAGES = ["torch", "transformers", "ctranslate2", "faster-whisper", "openai-whisper", "numpy", "safetensors"]
CT2_TYPES = ["float32", "float16", "bfloat16", "int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16"]
GGML_TYPES = ["q8_0", "q5_0", "q5_1", "q4_0", "q4_1"]
EXACT = {"given", "hf", "hf-sharded", "hf-fp32", "ct2-float32", "ct2-float16", "ggml-f16", "ggml-f32"}
PARITY = ["--sequential", "--no-vad", "--precision", "fp32", "--temperature", "0",
          "--temperature-increment-on-fallback", "0", "--language", "en", "--quiet", "-f", "txt"]


def enter_venv(folder):
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(python):
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    if os.path.realpath(sys.prefix) != os.path.realpath(folder):
        os.execv(python, [python, *sys.argv])


# ---- from CTranslate2 to Hugging Face -------------------------------------------------------------------

def read_ct2(folder):
    """Variables of model.bin as numpy arrays, read apart from sotto's reader."""
    import numpy as np
    kinds = [np.float32, np.int8, np.int16, np.int32, np.float16]
    with open(os.path.join(folder, "model.bin"), "rb") as f:
        data = f.read()
    at = 4

    def number(code):
        nonlocal at
        value = struct.unpack_from("<" + code, data, at)[0]
        at += struct.calcsize("<" + code)
        return value

    def name():
        nonlocal at
        n = number("H")
        at += n
        return data[at - n:at - 1].decode()

    name(), number("I")
    variables = {}
    for _ in range(number("I")):
        key = name()
        shape = [number("I") for _ in range(number("B"))]
        kind, size = kinds[number("B")], number("I")
        variables[key] = np.frombuffer(data, kind, size // np.dtype(kind).itemsize, at).reshape(shape)
        at += size
    return variables


def hf_names(v):
    """{Hugging Face name: array}; stacked projections taken apart."""
    out, width = {}, v["decoder/embeddings/weight"].shape[1]

    def linear(to, source, part=None, bias=True):
        for ours, theirs in (("weight", "weight"), ("bias", "bias"))[:1 + bias]:
            a = v[f"{source}/{ours}"]
            out[f"{to}.{theirs}"] = a if part is None else a[part * width:(part + 1) * width]

    def norm(to, source):
        out[to + ".weight"], out[to + ".bias"] = v[source + "/gamma"], v[source + "/beta"]

    for side in ("encoder", "decoder"):
        out[f"model.{side}.embed_positions.weight"] = v[f"{side}/position_encodings/encodings"]
        norm(f"model.{side}.layer_norm", f"{side}/layer_norm")
        i = 0
        while f"{side}/layer_{i}/ffn/layer_norm/beta" in v:
            a, b = f"model.{side}.layers.{i}", f"{side}/layer_{i}"
            for part, p in enumerate("qkv"):
                linear(f"{a}.self_attn.{p}_proj", f"{b}/self_attention/linear_0", part, p != "k")
            linear(f"{a}.self_attn.out_proj", f"{b}/self_attention/linear_1")
            norm(f"{a}.self_attn_layer_norm", f"{b}/self_attention/layer_norm")
            if side == "decoder":
                linear(f"{a}.encoder_attn.q_proj", f"{b}/attention/linear_0")
                linear(f"{a}.encoder_attn.k_proj", f"{b}/attention/linear_1", 0, False)
                linear(f"{a}.encoder_attn.v_proj", f"{b}/attention/linear_1", 1)
                linear(f"{a}.encoder_attn.out_proj", f"{b}/attention/linear_2")
                norm(f"{a}.encoder_attn_layer_norm", f"{b}/attention/layer_norm")
            linear(f"{a}.fc1", f"{b}/ffn/linear_0")
            linear(f"{a}.fc2", f"{b}/ffn/linear_1")
            norm(f"{a}.final_layer_norm", f"{b}/ffn/layer_norm")
            i += 1
    for conv in ("conv1", "conv2"):
        linear(f"model.encoder.{conv}", f"encoder/{conv}")
    out["model.decoder.embed_tokens.weight"] = v["decoder/embeddings/weight"]
    return out


def vocabulary_files(folder, out):
    """vocab.json, merges.txt, added_tokens.json and tokenizer.json, as older and newer hub folders have them."""
    with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as f:
        tokenizer = json.load(f)
    vocab = dict(tokenizer["model"]["vocab"])
    with open(os.path.join(out, "vocab.json"), "w", encoding="utf-8") as f:
        json.dump(vocab, f, ensure_ascii=False)
    with open(os.path.join(out, "added_tokens.json"), "w", encoding="utf-8") as f:
        json.dump({t["content"]: t["id"] for t in tokenizer["added_tokens"]}, f)
    with open(os.path.join(out, "merges.txt"), "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n")
        f.writelines((m if isinstance(m, str) else " ".join(m)) + "\n" for m in tokenizer["model"]["merges"])
    shutil.copy(os.path.join(folder, "tokenizer.json"), out)


def make_hf(folder, out):
    import torch
    from transformers import (GenerationConfig, WhisperConfig, WhisperFeatureExtractor,
                              WhisperForConditionalGeneration)
    v = read_ct2(folder)
    names = {k: torch.from_numpy(a.copy()) for k, a in hf_names(v).items()}
    layers = [sum(f"{side}/layer_{i}/ffn/layer_norm/beta" in v for i in range(64)) for side in ("encoder", "decoder")]
    n_vocab, width = v["decoder/embeddings/weight"].shape
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        ct2 = json.load(f)
    with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as f:
        added = {t["content"]: t["id"] for t in json.load(f)["added_tokens"]}
    eot, sot = added["<|endoftext|>"], added["<|startoftranscript|>"]
    shared = dict(decoder_start_token_id=sot, eos_token_id=eot, bos_token_id=eot, pad_token_id=eot)
    config = WhisperConfig(vocab_size=n_vocab, d_model=width, num_mel_bins=v["encoder/conv1/weight"].shape[1],
                           encoder_layers=layers[0], decoder_layers=layers[1],
                           encoder_attention_heads=int(v["encoder/num_heads"]),
                           decoder_attention_heads=int(v["decoder/num_heads"]),
                           encoder_ffn_dim=4 * width, decoder_ffn_dim=4 * width, **shared)
    names["proj_out.weight"] = names["model.decoder.embed_tokens.weight"]
    languages = {k: i for k, i in added.items() if sot < i < added["<|translate|>"]}
    generation = GenerationConfig(
        alignment_heads=ct2["alignment_heads"], suppress_tokens=ct2["suppress_ids"],
        begin_suppress_tokens=ct2["suppress_ids_begin"], lang_to_id=languages, is_multilingual=True,
        task_to_id={t: added[f"<|{t}|>"] for t in ("transcribe", "translate")}, max_length=448,
        no_timestamps_token_id=added["<|notimestamps|>"], prev_sot_token_id=added["<|startofprev|>"],
        max_initial_timestamp_index=50, return_timestamps=False, **shared)
    for suffix, dtype, shard in (("-fp32", torch.float32, "50GB"), ("-bf16", torch.bfloat16, "50GB"),
                                 ("", torch.float16, "50GB"), ("-sharded", torch.float16, "40MB")):
        model = WhisperForConditionalGeneration(config)
        model.load_state_dict({k: t.float() for k, t in names.items()}, strict=True)
        model = model.to(dtype)
        model.generation_config = generation
        model.save_pretrained(out + suffix, max_shard_size=shard)
        vocabulary_files(folder, out + suffix)
        WhisperFeatureExtractor().save_pretrained(out + suffix)


def make_ct2(hf, out):
    from ctranslate2.converters import TransformersConverter
    for kind in CT2_TYPES:
        folder = f"{out}-{kind}"
        if not os.path.exists(os.path.join(folder, "model.bin")):
            files = ["tokenizer.json", "preprocessor_config.json"]
            TransformersConverter(hf, copy_files=files).convert(folder, quantization=kind, force=True)


def make_ggml(args, hf, out):
    import whisper
    os.makedirs(out, exist_ok=True)
    root = os.path.dirname(os.path.dirname(whisper.__file__))  # has whisper/assets/mel_filters.npz
    for name, made, extra in (("f16", "ggml-model.bin", []), ("f32", "ggml-model-f32.bin", ["use-f32"])):
        path = os.path.join(out, f"ggml-base-{name}.bin")
        if not os.path.exists(path):
            subprocess.run([sys.executable, args.convert_h5, hf, root, out, *extra], check=True,
                           stdout=subprocess.DEVNULL)
            os.rename(os.path.join(out, made), path)
    for kind in GGML_TYPES:
        path = os.path.join(out, f"ggml-base-{kind}.bin")
        if not os.path.exists(path):
            subprocess.run([os.path.join(args.whisper_cpp_bin, "whisper-quantize"),
                            os.path.join(out, "ggml-base-f16.bin"), path, kind], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


# ---- running -------------------------------------------------------------------------------------------

def sotto_text(args, model, audio):
    with tempfile.TemporaryDirectory() as tmp:
        done = subprocess.run([args.sotto, "--model", model, *PARITY, "-o", tmp, audio], capture_output=True, text=True)
        made = glob.glob(os.path.join(tmp, "*.txt"))
        if done.returncode or not made:
            return "FAILED: " + (done.stderr.strip().splitlines() or ["no message"])[-1]
        with open(made[0], encoding="utf-8") as f:
            return " ".join(f.read().split())


def hf_text(model, audio):
    import numpy as np
    import torch
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperTokenizerFast
    network = WhisperForConditionalGeneration.from_pretrained(model, dtype=torch.float32)
    tokenizer = WhisperTokenizerFast.from_pretrained(model)
    with wave.open(audio) as w:
        samples = np.frombuffer(w.readframes(30 * 16000), np.int16).astype(np.float32) / 32768
    features = WhisperFeatureExtractor.from_pretrained(model)(samples, sampling_rate=16000, return_tensors="pt")
    ids = network.generate(features.input_features, language="en", task="transcribe", num_beams=1, do_sample=False)
    return " ".join(tokenizer.decode(ids[0], skip_special_tokens=True).split())


def ct2_text(model, audio):
    from faster_whisper import WhisperModel
    segments, _ = WhisperModel(model, device="cpu", compute_type="default", cpu_threads=2).transcribe(
        audio, language="en", beam_size=1, temperature=0, condition_on_previous_text=True)
    return " ".join(" ".join(s.text for s in segments).split())


def cpp_text(args, model, audio):
    done = subprocess.run([os.path.join(args.whisper_cpp_bin, "whisper-cli"), "-m", model, "-f", audio, "-l", "en",
                           "-nt", "-np", "-bs", "1", "-bo", "1", "-tp", "0", "-nf", "-t", "2"],
                          capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return " ".join(done.stdout.split())


def words(text):
    return "".join(c for c in text.lower() if c.isalnum() or c in " '").split()


def errors(a, b):
    """Word edit distance of b to a, and the length of a."""
    a, b = words(a), words(b)
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1], len(a)


def main():
    parser = argparse.ArgumentParser(usage=__doc__, add_help=False)
    parser.add_argument("--sotto", default="build/sotto")
    parser.add_argument("--whisper-cpp-bin")
    parser.add_argument("--convert-h5")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--venv")
    parser.add_argument("folder")
    parser.add_argument("out")
    parser.add_argument("audio", nargs="+")
    args = parser.parse_args()
    if args.venv:
        enter_venv(args.venv)
    os.makedirs(args.out, exist_ok=True)
    hf, ct2, ggml = (os.path.join(args.out, n) for n in ("hf", "ct2", "ggml"))
    if not os.path.exists(os.path.join(hf + "-sharded", "config.json")):
        make_hf(args.folder, hf)
    make_ct2(hf, ct2)
    models = {"given": (args.folder, ct2_text)}
    models |= {"hf" + s: (hf + s, hf_text) for s in ("", "-sharded", "-fp32", "-bf16")}
    models |= {f"ct2-{t}": (f"{ct2}-{t}", ct2_text) for t in CT2_TYPES}
    if args.whisper_cpp_bin and args.convert_h5:
        make_ggml(args, hf, ggml)
        models |= {f"ggml-{t}": (os.path.join(ggml, f"ggml-base-{t}.bin"), lambda m, a: cpp_text(args, m, a))
                   for t in ("f32", "f16", *GGML_TYPES)}

    bad = 0
    reference = {a: sotto_text(args, args.folder, a) for a in args.audio}
    print(f"{'model':20} {'sotto = given':>14} {'sotto to given':>15} {'peer':>8} {'sotto to peer':>14}")
    for name, (path, peer) in models.items():
        same, to_given, to_peer, total, loaded = 0, 0, 0, 0, "ok"
        for audio in args.audio:
            text = sotto_text(args, path, audio)
            same += text == reference[audio]
            if text.startswith("FAILED"):
                print(name, text)
                bad = 1
            wrong, n = errors(reference[audio], text)
            to_given, total = to_given + wrong, total + n
            try:
                to_peer += 0 if args.no_peers else errors(peer(path, audio), text)[0]
            except Exception as e:  # whatever keeps the peer from reading the file
                loaded, bad = "FAILED", 1
                print(name, "peer:", e)
        if name in EXACT and same < len(args.audio):
            bad = 1
        peer_column = "-" if args.no_peers else loaded
        print(f"{name:20} {same:>7} of {len(args.audio):<3} {to_given:>7} / {total:<5} {peer_column:>8} {to_peer:>6} words",
              flush=True)
    return bad


if __name__ == "__main__":
    sys.exit(main())
