"""Random weights are repeatable, whole and named so."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest
from tokenizers import Tokenizer

from ipfs_accelerate.errors import InputError, UnknownNameError
from ipfs_accelerate.models import random_weights

if TYPE_CHECKING:
    from pathlib import Path

needs_torch = pytest.mark.needs("torch", "transformers")


def digests(directory: Path) -> dict[str, str]:
    files = sorted(directory.iterdir())
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


@needs_torch
def test_equal_arguments_write_equal_bytes(tmp_path: Path) -> None:
    first = random_weights.create("bert", seed=3, size="tiny", directory=tmp_path / "a")
    second = random_weights.create("bert", seed=3, size="tiny", directory=tmp_path / "b")
    assert digests(first) == digests(second)
    assert {"config.json", "model.safetensors", "tokenizer.json", "weights.json"} <= set(
        digests(first)
    )


@needs_torch
def test_another_seed_writes_other_weights_and_says_so(tmp_path: Path) -> None:
    first = random_weights.create("gpt2", seed=0, size="tiny", directory=tmp_path / "a")
    second = random_weights.create("gpt2", seed=1, size="tiny", directory=tmp_path / "b")
    assert digests(first)["model.safetensors"] != digests(second)["model.safetensors"]
    assert digests(first)["config.json"] == digests(second)["config.json"]
    assert json.loads((second / "weights.json").read_text()) == {"weights": "random(seed=1)"}


@needs_torch
def test_making_weights_leaves_the_callers_random_state_alone(tmp_path: Path) -> None:
    import torch

    before = torch.random.get_rng_state().clone()
    random_weights.create("bert", seed=3, size="tiny", directory=tmp_path / "a")
    assert torch.equal(torch.random.get_rng_state(), before)


@needs_torch
@pytest.mark.parametrize("architecture", random_weights.architectures())
def test_every_architecture_is_complete(architecture: str, tmp_path: Path) -> None:
    made = random_weights.create(architecture, seed=0, size="tiny", directory=tmp_path / "m")
    config = json.loads((made / "config.json").read_text())
    assert config["architectures"]
    tokenizer = made / "tokenizer.json"
    assert tokenizer.exists() or (made / "preprocessor_config.json").exists()
    if tokenizer.exists():
        engine = Tokenizer.from_file(str(tokenizer))
        vocabulary = config.get("text_config", config)["vocab_size"]
        assert engine.get_vocab_size() <= vocabulary
        ids = engine.encode("THE CITY WATER").ids
        assert ids
        assert max(ids) < vocabulary
        assert "city" in engine.decode(ids).lower()
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_an_unknown_architecture_gets_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="bert"):
        random_weights.create("brt", seed=0, size="tiny", directory=tmp_path / "m")


def test_an_unknown_size_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="tiny"):
        random_weights.create("bert", seed=0, size="huge", directory=tmp_path / "m")


def test_a_negative_seed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="-1"):
        random_weights.create("bert", seed=-1, size="tiny", directory=tmp_path / "m")


def test_an_existing_folder_is_never_written_to(tmp_path: Path) -> None:
    (tmp_path / "keep").write_text("mine")
    with pytest.raises(InputError, match="exists"):
        random_weights.create("bert", seed=0, size="tiny", directory=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["keep"]


# Source: parameter counts of the published checkpoints named in `models._architectures`.
PUBLISHED = {
    "bert": 109_482_240,
    "distilbert": 66_362_880,
    "roberta": 124_645_632,
    "gpt2": 124_439_808,
    "llama": 134_515_008,
    "qwen2": 494_032_768,
    "qwen3": 596_049_920,
    "t5": 222_903_552,
    "whisper": 72_593_920,
    "wav2vec2": 94_371_712,
    "vit": 86_389_248,
    "clip": 151_277_313,
}


@needs_torch
@pytest.mark.parametrize(("architecture", "parameters"), PUBLISHED.items())
def test_base_sizes_are_the_published_ones(architecture: str, parameters: int) -> None:
    import torch

    from ipfs_accelerate.models import _architectures as known

    entry = known.ARCHITECTURES[architecture]
    with torch.device("meta"):  # shapes without memory
        model = random_weights._model(entry, None, entry.sizes["base"], 0)
    assert sum(p.numel() for p in model.parameters()) == parameters
