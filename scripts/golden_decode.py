#!/usr/bin/env python3
"""Makes tests/golden/decode_base.json: what openai/whisper (fp32) decodes from one window with
various options, and its word times, for tests/test_decode.c to replay.

usage: golden_decode.py MODEL_DIR NAME OUT WAV...

MODEL_DIR is a CTranslate2 folder of Whisper, NAME the model's name in the store; the WAVs (16 kHz, mono,
16 bit, of pocketsphinx-testdata) are joined to one window. Needs `pip install openai-whisper` in a
virtual environment.
"""
import argparse
import json
import os
import sys

import numpy as np
import whisper
from whisper.timing import add_word_timestamps
from whisper.tokenizer import get_tokenizer

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from golden_net import load, read_wav  # noqa: E402

CASES = [  # options of whisper.DecodingOptions
    {},
    {"beam_size": 5},
    {"beam_size": 5, "patience": 2.0, "length_penalty": 0.6},
    {"beam_size": 4, "patience": 0.5, "length_penalty": 1.0},
    {"beam_size": 3, "without_timestamps": True},
    {"without_timestamps": True},
    {"prompt": " He was not an ill-disposed young man."},
    {"max_initial_timestamp": None, "suppress_blank": False},
    {"sample_len": 20},
    {"beam_size": 2, "sample_len": 7},
]


def decode(model, audio, language, case):
    tok = get_tokenizer(model.is_multilingual, num_languages=model.num_languages, language=language,
                        task="transcribe")
    case = dict(case)
    if isinstance(case.get("prompt"), str):
        case["prompt"] = tok.encode(case["prompt"])
    r = whisper.decode(model, audio, whisper.DecodingOptions(language=language, fp16=False,
                                                             temperature=0.0, **case))
    return {**case, "tokens": list(map(int, r.tokens)), "avg_logprob": float(r.avg_logprob),
            "no_speech_prob": float(r.no_speech_prob), "text": r.text}


def cut(tokens, begin, seek, duration):
    """Segments as whisper/transcribe.py cuts them."""
    stamps = [t >= begin for t in tokens]
    slices = [i + 1 for i in range(len(tokens) - 1) if stamps[i] and stamps[i + 1]]
    offset = seek / 100
    if not slices:
        times = [t for t in tokens if t >= begin and t != begin]
        end = (times[-1] - begin) * 0.02 if times else duration
        return [(offset, offset + end, tokens)]
    if stamps[-2:] == [False, True]:
        slices.append(len(tokens))
    out, last = [], 0
    for i in slices:
        part = tokens[last:i]
        out.append((offset + (part[0] - begin) * 0.02, offset + (part[-1] - begin) * 0.02, part))
        last = i
    return out


def words(model, mel, n_frames, language, tokens, seek, last_speech):
    """Segments before and after add_word_timestamps."""
    tok = get_tokenizer(model.is_multilingual, num_languages=model.num_languages, language=language,
                        task="transcribe")
    before = cut(tokens, tok.timestamp_begin, seek, n_frames / 100)
    segments = [{"seek": seek, "start": s, "end": e, "tokens": list(t)} for s, e, t in before]
    add_word_timestamps(segments=segments, model=model, tokenizer=tok, mel=mel, num_frames=n_frames,
                        last_speech_timestamp=last_speech)
    return {"seek": seek, "last_speech": last_speech, "n_frames": n_frames, "segments": [
        {"start": b[0], "end": b[1], "tokens": b[2], "start_after": float(a["start"]),
         "end_after": float(a["end"]),
         "words": [[w["word"], round(float(w["start"]), 2), round(float(w["end"]), 2),
                    round(float(w["probability"]), 5)] for w in a["words"]]}
        for a, b in zip(segments, before)]}


def set_heads(model, name):
    model.set_alignment_heads(whisper._ALIGNMENT_HEADS[name])


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("folder", "name", "out"):
        p.add_argument(name)
    p.add_argument("wav", nargs="+")
    args = p.parse_args()

    model = load(args.folder)
    set_heads(model, args.name)
    samples = np.concatenate([read_wav(w) for w in args.wav])
    n_frames = len(samples) // 160
    mel = whisper.log_mel_spectrogram(samples, model.dims.n_mels, padding=480000)[:, :n_frames]
    mel = whisper.pad_or_trim(mel, 3000)
    audio = model.encoder(mel[None])[0].detach()
    cases = [decode(model, audio, "en", c) for c in CASES]
    out = {"model": args.name, "recordings": ["/".join(w.split("/")[-2:]) for w in args.wav],
           "cases": cases,
           "words": words(model, mel, n_frames, "en", cases[0]["tokens"], 1000, 9.0)}
    with open(args.out, "w", encoding="utf-8") as f:
        json.dump(out, f, ensure_ascii=False, indent=0)
        f.write("\n")


if __name__ == "__main__":
    main()
