"""Sample inputs have the shapes asked for and values a model accepts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ipfs_accelerate.errors import InputError, UnknownNameError
from ipfs_accelerate.models import (
    Component,
    Family,
    Modality,
    ModelArtifact,
    ModelRef,
    Provenance,
    Scheme,
    TensorSpec,
)
from ipfs_accelerate.models.inputs import default_sizes, sample_inputs, sequence_limit

IDS = TensorSpec("input_ids", "int64", ("batch", "sequence"))
MASK = TensorSpec("attention_mask", "int64", ("batch", "sequence"))
TYPES = TensorSpec("token_type_ids", "int64", ("batch", "sequence"))
BERT = {"model_type": "bert", "vocab_size": 99, "max_position_embeddings": 64, "pad_token_id": 0}
DECODER = (
    IDS,
    TensorSpec("attention_mask", "int64", ("batch", "total_sequence")),
    TensorSpec("position_ids", "int64", ("batch", "sequence")),
    TensorSpec("past_key_values.0.key", "float32", ("batch", 2, "past_sequence", 8)),
)


def artifact(config: dict[str, object], *specs: TensorSpec) -> ModelArtifact:
    return ModelArtifact(
        ref=ModelRef(Scheme.RANDOM, "test"),
        directory=Path(),
        files=(),
        formats=frozenset({"onnx"}),
        task=None,
        family=Family.OTHER,
        modality=Modality.OTHER,
        model_type=None,
        architecture=None,
        parameters=None,
        weights="random(seed=0)",
        config=config,
        components={"model": Component("model", None, inputs=specs)},
        provenance=Provenance("local"),
    )


def draw(model: ModelArtifact, **sizes: int) -> dict[str, np.ndarray]:
    return sample_inputs(model, "model", sizes=sizes, rng=np.random.default_rng(0))


def test_text_inputs_have_the_size_asked_for_and_ids_of_the_vocabulary() -> None:
    drawn = draw(artifact(BERT, IDS, MASK, TYPES), batch=3, sequence=20)
    assert {name: a.shape for name, a in drawn.items()} == dict.fromkeys(drawn, (3, 20))
    assert drawn["input_ids"].min() > 0  # never the padding token
    assert drawn["input_ids"].max() < 99
    assert (drawn["attention_mask"] == 1).all()
    assert (drawn["token_type_ids"] == 0).all()


def test_equal_generators_give_equal_inputs() -> None:
    model = artifact(BERT, IDS)
    assert np.array_equal(draw(model)["input_ids"], draw(model)["input_ids"])


def test_a_past_lengthens_mask_and_positions() -> None:
    drawn = draw(artifact({"vocab_size": 50}, *DECODER), batch=2, sequence=1, past_sequence=5)
    assert drawn["attention_mask"].shape == (2, 6)
    assert drawn["position_ids"].tolist() == [[5], [5]]
    assert drawn["past_key_values.0.key"].shape == (2, 2, 5, 8)


def test_the_default_past_is_empty() -> None:
    model = artifact({"vocab_size": 50}, *DECODER)
    assert default_sizes(model, "model") == {"batch": 1, "sequence": 128, "past_sequence": 0}
    assert draw(model)["past_key_values.0.key"].shape == (1, 2, 0, 8)


def test_default_length_stays_within_the_models_limit() -> None:
    assert default_sizes(artifact(BERT, IDS), "model") == {"batch": 1, "sequence": 64}


def test_image_and_audio_sizes_are_in_pixels_and_seconds() -> None:
    pixels = TensorSpec("pixel_values", "float32", ("batch", 3, "image_height", "image_width"))
    wave = TensorSpec("input_values", "float32", ("batch", "samples"))
    assert draw(artifact({}, pixels), image=48)["pixel_values"].shape == (1, 3, 48, 48)
    assert draw(artifact({}, wave), audio_seconds=2)["input_values"].shape == (1, 32_000)


def test_dimension_names_of_published_graphs_are_understood() -> None:
    ids = TensorSpec("input_ids", "int64", ("batch_size", "sequence_length"))
    past = ("batch_size", 2, "past_sequence_length", 4)
    mask = ("batch_size", "past_sequence_length + 1")
    drawn = draw(
        artifact(
            {"vocab_size": 9},
            ids,
            TensorSpec("attention_mask", "int64", mask),
            TensorSpec("past_key_values.0.key", "float32", past),
        ),
        batch=2,
        sequence=3,
        past_sequence=4,
    )
    assert [a.shape for a in drawn.values()] == [(2, 3), (2, 7), (2, 2, 4, 4)]


def test_a_size_may_name_a_dimension_of_the_graph() -> None:
    odd = TensorSpec("features", "float32", ("batch", "odd_one"))
    assert draw(artifact({}, odd), odd_one=5)["features"].shape == (1, 5)


def test_an_unknown_dimension_must_be_given() -> None:
    odd = TensorSpec("features", "float32", ("batch", "odd_one"))
    with pytest.raises(InputError, match="odd_one"):
        draw(artifact({}, odd))


def test_more_tokens_than_the_limit_are_refused_with_the_limit() -> None:
    with pytest.raises(InputError, match="65 tokens exceed the model's limit of 64"):
        draw(artifact(BERT, IDS), sequence=65)


def test_the_past_counts_towards_the_limit() -> None:
    model = artifact({"vocab_size": 50, "n_positions": 8}, *DECODER)
    with pytest.raises(InputError, match="limit of 8"):
        draw(model, sequence=1, past_sequence=8)


@pytest.mark.parametrize(("name", "value"), [("batch", 0), ("sequence", 0), ("past_sequence", -1)])
def test_sizes_below_the_smallest_are_refused(name: str, value: int) -> None:
    with pytest.raises(InputError, match=name):
        draw(artifact({"vocab_size": 50}, *DECODER), **{name: value})


def test_an_unknown_size_or_component_is_refused_by_name() -> None:
    with pytest.raises(UnknownNameError, match="sequence"):
        draw(artifact(BERT, IDS), sequense=3)
    with pytest.raises(UnknownNameError, match="model"):
        sample_inputs(artifact(BERT, IDS), "modl", sizes={}, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("config", "limit"),
    [
        ({"max_position_embeddings": 512}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"n_positions": 512, "relative_attention_num_buckets": 32}, None),
        ({"text_config": {"max_position_embeddings": 77}}, 77),
        ({}, None),
    ],
)
def test_the_limit_is_the_number_of_usable_positions(
    config: dict[str, object], limit: int | None
) -> None:
    assert sequence_limit(config) == limit
