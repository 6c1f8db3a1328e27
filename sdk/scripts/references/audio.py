"""Features of sound by the feature extractors, and sound at other rates by torchaudio's formula."""

from __future__ import annotations

import json
import math

import numpy as np
import torch
from case import Reference
from transformers import ClapFeatureExtractor, Wav2Vec2FeatureExtractor, WhisperFeatureExtractor


def sound(seconds: float, rate: int, *, seed: int = 0) -> np.ndarray:
    """Noise with two tones, the second one half as long."""
    time = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(0, 0.05, time.size)
    tones = 0.3 * np.sin(2 * np.pi * 440 * time) + 0.2 * np.sin(2 * np.pi * 3100 * time) * (
        time < seconds / 2
    )
    return (noise + tones).astype(np.float32)


def features(name: str, extractor: object, samples: np.ndarray) -> Reference:
    rate = extractor.sampling_rate
    found = extractor(samples, sampling_rate=rate, return_tensors="np")
    values = found["input_features"] if "input_features" in found else found["input_values"]
    return Reference(
        name,
        "audio",
        {},
        {"none": torch.zeros(1)},
        {"samples": torch.from_numpy(samples)},
        {"features": torch.from_numpy(values)},
        files={"preprocessor_config.json": json.dumps(extractor.to_dict(), default=str)},
    )


def resampled(samples: torch.Tensor, source: int, target: int) -> torch.Tensor:
    """``torchaudio.functional.resample`` with its default filter."""
    divisor = math.gcd(source, target)
    source, target = source // divisor, target // divisor
    base = min(source, target) * 0.99
    width = math.ceil(6 * source / base)
    index = torch.arange(-width, width + source, dtype=torch.float64) / source
    time = ((torch.arange(0, -target, -1) / target)[:, None] + index) * base
    time = time.clamp(-6, 6)
    window = torch.cos(time * math.pi / 12) ** 2
    kernel = torch.sinc(time) * window * base / source
    padded = torch.nn.functional.pad(samples.double(), (width, width + source))
    found = torch.nn.functional.conv1d(padded[None, None], kernel[:, None], stride=source)
    return found[0].T.reshape(-1)[: math.ceil(target * samples.numel() / source)]


def rates(source: int, target: int) -> Reference:
    samples = torch.from_numpy(sound(0.1, source))
    return Reference(
        f"resample-{source}-{target}",
        "audio",
        {},
        {"none": torch.zeros(1)},
        {"samples": samples},
        {"resampled": resampled(samples, source, target)},
        {"from": source, "to": target},
    )


def references() -> list[Reference]:
    whisper = {"chunk_length": 2, "sampling_rate": 16_000}
    clap = {"truncation": "rand_trunc", "max_length_s": 1}
    return [
        features("features-whisper", WhisperFeatureExtractor(**whisper), sound(1.3, 16_000)),
        features(
            "features-whisper-128",
            WhisperFeatureExtractor(feature_size=128, **whisper),
            sound(2.5, 16_000),
        ),
        *(
            features(
                f"features-clap-{padding}",
                ClapFeatureExtractor(padding=padding, **clap),
                sound(0.3, 48_000),
            )
            for padding in ("repeatpad", "repeat", "pad")
        ),
        features("features-wav2vec2", Wav2Vec2FeatureExtractor(), 3 * sound(0.5, 16_000) + 1),
        rates(44_100, 16_000),
        rates(48_000, 16_000),
        rates(16_000, 48_000),
        rates(22_050, 48_000),
    ]
