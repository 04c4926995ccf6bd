#!/usr/bin/env python3
"""Makes the seeds of the model readers' fuzz targets in tests/fuzz/corpus from generated models.

usage: fuzz_corpus.py GEN_MODEL      (build/gen-model; `make build/gen-model`)
"""
import os
import struct
import subprocess
import sys
import tempfile

CORPUS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests/fuzz/corpus")


def sized(data):
    return struct.pack("<H", len(data)) + data


def write(stem, name, data):
    os.makedirs(os.path.join(CORPUS, stem), exist_ok=True)
    with open(os.path.join(CORPUS, stem, name), "wb") as f:
        f.write(data)


def read(*path):
    with open(os.path.join(*path), "rb") as f:
        return f.read()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as tmp:
        for fmt, types in (("ct2", ["fp16", "int8", "int16"]), ("ggml", ["fp16", "q5_0"]), ("hf", ["bf16", "fp32"])):
            for t in types:
                path = os.path.join(tmp, f"{fmt}-{t}")
                subprocess.run([sys.argv[1], "fuzz", fmt, t, path], check=True)
                if fmt == "ct2":
                    write("ct2", t, sized(read(path, "config.json")) + read(path, "model.bin"))
                elif fmt == "ggml":
                    data = bytearray(read(path))
                    mels, bins = struct.unpack_from("<2i", data, 48)
                    del data[56 : 56 + 4 * mels * bins]  # the filters are not read
                    struct.pack_into("<i", data, 52, 0)
                    write("ggml", t, bytes(data))
                else:
                    index = b'{"weight_map": {"a": "model.safetensors", "b": "../c"}}'
                    write("hf", t, sized(read(path, "config.json")) + sized(read(path, "generation_config.json"))
                          + sized(index) + read(path, "model.safetensors"))
    text = sized(" Hé's 12 \u6f22\u5b57\n\n  ab🎉".encode() + b"\xff\xc3")
    special = ["<|endoftext|>", "<|startoftranscript|>", "<|de|>", "<|en|>"]
    tokens = ["a", "b", "ab", "\u0120a", "\u010a", "", *special]
    write("tokenizer", "lines", b"\0" + text + "\n".join(tokens).encode() + b"\n")
    write("tokenizer", "array", b"\1" + text + ("[" + ", ".join(f'"{t}"' for t in tokens) + "]").encode())
    vocabulary = "{" + ", ".join(f'"{t}": {i}' for i, t in enumerate(tokens)) + "}"
    write("tokenizer", "object", b"\2" + text + vocabulary.encode())
    write("tokenizer", "tokenizer", b"\3" + text + ('{"model": {"vocab": ' + vocabulary + '}, "added_tokens": '
          '[{"id": 12, "content": "<|0.00|>", "special": true}]}').encode())


if __name__ == "__main__":
    main()
