"""A CTranslate2 model of Whisper as whisper.cpp's file, with the same weights: for bench_peers.py.

The layout is that of ggml-org/whisper.cpp, models/convert-h5-to-ggml.py: header, mel filters, byte
tokens, then tensors under openai/whisper's names, fp16 but for vectors and positions. Needs numpy;
the mel filters are faster-whisper's.
"""
import json
import os
import struct

from compare_formats import hf_names, read_ct2

CONV_MAP = {
    "self_attn.k_proj": "attn.key", "self_attn.q_proj": "attn.query",
    "self_attn.v_proj": "attn.value", "self_attn.out_proj": "attn.out",
    "self_attn_layer_norm": "attn_ln", "encoder_attn.q_proj": "cross_attn.query",
    "encoder_attn.k_proj": "cross_attn.key", "encoder_attn.v_proj": "cross_attn.value",
    "encoder_attn.out_proj": "cross_attn.out", "encoder_attn_layer_norm": "cross_attn_ln",
    "fc1": "mlp.0", "fc2": "mlp.2", "final_layer_norm": "mlp_ln",
    "encoder.layer_norm.bias": "encoder.ln_post.bias",
    "encoder.layer_norm.weight": "encoder.ln_post.weight",
    "encoder.embed_positions.weight": "encoder.positional_embedding",
    "decoder.layer_norm.bias": "decoder.ln.bias", "decoder.layer_norm.weight": "decoder.ln.weight",
    "decoder.embed_positions.weight": "decoder.positional_embedding",
    "decoder.embed_tokens.weight": "decoder.token_embedding.weight",
}
IN_F32 = {"encoder.conv1.bias", "encoder.conv2.bias", "encoder.positional_embedding",
          "decoder.positional_embedding"}


def openai_name(name):
    """model.encoder.layers.0.fc1.weight -> encoder.blocks.0.mlp.0.weight"""
    parts = name.split(".")[1:]
    if parts[1] == "layers":
        middle = CONV_MAP[".".join(parts[3:-1])]
        return ".".join([parts[0], "blocks", parts[2], middle, parts[-1]])
    return CONV_MAP.get(".".join(parts), ".".join(parts))


def byte_tokens(folder):
    """Text tokens by id, as bytes; GPT-2's printable alphabet undone (openai/gpt-2, src/encoder.py)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    byte_of = {chr(b): b for b in plain} | {chr(256 + i): b for i, b in enumerate(others)}
    with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as f:
        vocab = json.load(f)["model"]["vocab"]
    tokens = sorted((i, t) for t, i in vocab.items() if not t.startswith("<|"))
    return [bytes(byte_of[c] for c in t) for _, t in tokens]


def write_ggml(folder, path):
    import numpy as np
    from faster_whisper.feature_extractor import FeatureExtractor
    v = read_ct2(folder)
    layers = [sum(f"{side}/layer_{i}/ffn/layer_norm/beta" in v for i in range(64))
              for side in ("encoder", "decoder")]
    (n_vocab, width), n_mels = v["decoder/embeddings/weight"].shape, v["encoder/conv1/weight"].shape[1]
    n_ctx, n_text_ctx = (v[f"{s}/position_encodings/encodings"].shape[0] for s in ("encoder", "decoder"))
    filters = FeatureExtractor.get_mel_filters(16000, 400, n_mels=n_mels).astype(np.float32)
    tokens = byte_tokens(folder)
    with open(path + ".tmp", "wb") as f:
        f.write(struct.pack("12i", 0x67676d6c, n_vocab, n_ctx, width, int(v["encoder/num_heads"]),
                            layers[0], n_text_ctx, width, int(v["decoder/num_heads"]), layers[1],
                            n_mels, 1))
        f.write(struct.pack("2i", *filters.shape) + filters.tobytes())
        f.write(struct.pack("i", len(tokens)))
        for token in tokens:
            f.write(struct.pack("i", len(token)) + token)
        for name, a in hf_names(v).items():
            name = openai_name(name)
            if name.endswith(("conv1.bias", "conv2.bias")):
                a = a.reshape(-1, 1)
            small = a.ndim < 2 or name in IN_F32
            a = a.astype(np.float16).astype(np.float32 if small else np.float16)
            f.write(struct.pack("3i", a.ndim, len(name), 0 if small else 1))
            f.write(struct.pack(f"{a.ndim}i", *reversed(a.shape)) + name.encode() + a.tobytes())
    os.replace(path + ".tmp", path)
