"""A small Whisper: states, logits with and without a past, and transcripts as ``generate`` makes them."""

from __future__ import annotations

import json

import torch
from audio import sound
from case import Reference, seeded
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

END, START, ENGLISH, GERMAN, TRANSLATE, TRANSCRIBE, NO_TIMESTAMPS = range(50, 57)
CONFIG = {
    "vocab_size": NO_TIMESTAMPS + 1 + 51,
    "num_mel_bins": 80,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 40,
    "max_source_positions": 50,
    "max_target_positions": 40,
    "eos_token_id": END,
    "bos_token_id": END,
    "pad_token_id": END,
    "decoder_start_token_id": START,
    "suppress_tokens": [],
    "begin_suppress_tokens": [],
}
GENERATION = {
    "decoder_start_token_id": START,
    "eos_token_id": END,
    "pad_token_id": END,
    "bos_token_id": END,
    "lang_to_id": {"<|en|>": ENGLISH, "<|de|>": GERMAN},
    "task_to_id": {"translate": TRANSLATE, "transcribe": TRANSCRIBE},
    "no_timestamps_token_id": NO_TIMESTAMPS,
    "is_multilingual": True,
    "max_initial_timestamp_index": 20,
    "suppress_tokens": [3, 7, START, ENGLISH, GERMAN, TRANSLATE, TRANSCRIBE],
    "begin_suppress_tokens": [5, END],
}


def model_and_files(
    generation: dict[str, object] = GENERATION,
) -> tuple[WhisperForConditionalGeneration, dict[str, str]]:
    model = seeded(WhisperForConditionalGeneration(WhisperConfig(**CONFIG)), deviation=0.3)
    model.generation_config = GenerationConfig(**generation)
    extractor = WhisperFeatureExtractor(chunk_length=1)
    files = {
        "generation_config.json": json.dumps(generation),
        "preprocessor_config.json": json.dumps(extractor.to_dict(), default=str),
    }
    return model, files


def transcript(
    name: str, seconds: float, *, timestamps: bool, language: str | None = "de"
) -> Reference:
    # Random weights would write timestamps also unasked.
    generation = GENERATION | {
        "suppress_tokens": GENERATION["suppress_tokens"]
        + ([] if timestamps else list(range(NO_TIMESTAMPS, CONFIG["vocab_size"])))
    }
    model, files = model_and_files(generation)
    samples = sound(seconds, 16_000)
    length = {"truncation": False, "padding": "longest"} if seconds > 1 else {}
    features = WhisperFeatureExtractor(chunk_length=1)(
        samples, sampling_rate=16_000, return_tensors="pt", **length
    )["input_features"]
    settings = {"task": "transcribe"} | ({"language": language} if language else {})
    spoken = [{"de": GERMAN}[language]] if language else model.detect_language(features).tolist()
    found = model.generate(
        features, return_timestamps=timestamps, max_new_tokens=30, do_sample=False, **settings
    )[0]
    # Newer versions leave the prompt out.
    prompt = [START, *spoken, TRANSCRIBE] + [NO_TIMESTAMPS] * (not timestamps)
    ids = found.tolist()
    ids = ids[len(prompt) :] if ids[: len(prompt)] == prompt else ids
    while ids and ids[-1] == END:
        ids.pop()
    return Reference(
        name,
        "whisper",
        model.config.to_dict(),
        model.state_dict(),
        {"samples": torch.from_numpy(samples)},
        {"ids": torch.tensor(ids), "language": torch.tensor(spoken)},
        {**settings, "hasTimestamps": timestamps, "maxNewTokens": 30},
        files,
    )


def references() -> list[Reference]:
    model, files = model_and_files()
    features = torch.randn(1, 80, 100, generator=torch.Generator().manual_seed(1))
    ids = torch.tensor([[START, ENGLISH, TRANSCRIBE, NO_TIMESTAMPS, 9, 11]])
    output = model(input_features=features, decoder_input_ids=ids)
    forward = Reference(
        "whisper",
        "whisper",
        model.config.to_dict(),
        model.state_dict(),
        {"features": features, "ids": ids},
        {
            "states": output.encoder_last_hidden_state,
            "prompt": output.logits[:, -2],
            "next": output.logits[:, -1],
        },
        files=files,
    )
    return [
        forward,
        transcript("whisper-transcript", 1.0, timestamps=False),
        transcript("whisper-timestamps", 1.0, timestamps=True),
        transcript("whisper-long", 2.3, timestamps=True),
        transcript("whisper-language", 1.0, timestamps=False, language=None),
    ]
