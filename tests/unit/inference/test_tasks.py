"""Tasks over a real tokenizer and outputs that are known."""

from __future__ import annotations

import json
import wave
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ipfs_accelerate.errors import (
    InputError,
    ModelFormatError,
    UnknownNameError,
    UnknownTaskError,
)
from ipfs_accelerate.inference.images import ImageProcessor, as_images
from ipfs_accelerate.inference.speech import MelSettings, as_waveforms, log_mel
from ipfs_accelerate.inference.speech.ctc import CtcRecognizer
from ipfs_accelerate.inference.streaming import TextStream
from ipfs_accelerate.inference.tasks import pipeline_for, tasks
from ipfs_accelerate.inference.text import TextTokenizer
from ipfs_accelerate.models import Family, Modality, ModelArtifact, ModelRef, Provenance, Scheme

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "anna", "lives", "in", "new", "york", "."]


def write(directory: Path, name: str, content: object) -> None:
    (directory / name).parent.mkdir(exist_ok=True)
    (directory / name).write_text(json.dumps(content))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    library = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    library.add_special_tokens(WORDS[:5])
    library.pre_tokenizer = pre_tokenizers.Whitespace()
    library.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    library.save(str(tmp_path / "tokenizer.json"))
    special = {"pad_token": "[PAD]", "mask_token": "[MASK]", "model_max_length": 12}
    write(tmp_path, "tokenizer_config.json", special)
    return tmp_path


def artifact(directory: Path, **changes: object) -> ModelArtifact:
    facts: dict = {
        "ref": ModelRef(Scheme.DIRECTORY, str(directory)),
        "directory": directory,
        "files": (),
        "formats": frozenset(),
        "task": None,
        "family": Family.OTHER,
        "modality": Modality.TEXT,
        "model_type": "bert",
        "architecture": None,
        "parameters": None,
        "weights": "trained",
        "config": {},
        "components": {},
        "provenance": Provenance("local"),
    }
    return ModelArtifact(**facts | changes)


def run(pipeline, inputs: object, outputs: dict[str, np.ndarray], **options: object):
    encoded = pipeline.encode(inputs, pipeline.parse_options(options))
    return pipeline.decode(outputs, encoded)


def states(*rows: list[float]) -> dict[str, np.ndarray]:
    """One number per token as its hidden state ``[batch, sequence, 2]``."""
    values = np.asarray(rows, dtype=np.float32)
    return {"last_hidden_state": np.stack([values, np.ones_like(values)], axis=2)}


def test_every_task_is_found_by_name_alias_and_file():
    assert set(tasks()) >= {
        "automatic-speech-recognition",
        "embeddings",
        "feature-extraction",
        "fill-mask",
        "image-classification",
        "sentence-similarity",
        "text-classification",
        "text-generation",
        "text2text-generation",
        "token-classification",
    }
    assert all(pipeline.summary for pipeline in tasks().values())


def test_an_unknown_option_is_refused_with_the_nearest(directory):
    pipeline = pipeline_for(artifact(directory), "text-classification")
    with pytest.raises(InputError, match="top_k"):
        pipeline.parse_options({"topk": 3})
    with pytest.raises(InputError, match="at least 1"):
        pipeline.parse_options({"top_k": 0})
    with pytest.raises(InputError, match="top_k"):
        pipeline.parse_options({"top_k": "three"})


def test_the_models_own_task_is_taken_and_a_sentence_encoder_is_recognised(directory):
    assert pipeline_for(artifact(directory, task="fill-mask")).name == "fill-mask"
    write(directory, "modules.json", [])
    found = pipeline_for(artifact(directory, task="feature-extraction"))
    assert found.name == "sentence-embeddings"
    with pytest.raises(UnknownTaskError):
        pipeline_for(artifact(directory, task="depth-estimation"))


def test_texts_are_padded_to_the_longest_and_cut_to_the_models_limit(directory, caplog):
    tokenizer = TextTokenizer(artifact(directory, config={"max_position_embeddings": 5}))
    encoded = tokenizer.encode(["anna lives", "anna lives in new york"])
    assert encoded.tensors["input_ids"].tolist() == [[1, 5, 6, 2, 0], [1, 5, 6, 7, 2]]
    assert encoded.tensors["attention_mask"].tolist() == [[1, 1, 1, 1, 0], [1] * 5]
    assert "1 of 2 texts cut to 5 tokens" in caplog.text


def test_decoders_are_padded_on_the_left(directory):
    tokenizer = TextTokenizer(artifact(directory), pad_left=True)
    assert tokenizer.encode(["anna", "anna lives"]).tensors["input_ids"][0].tolist()[0] == 0


@pytest.mark.parametrize("wrong", [None, 3, [], ["a", 3], {"text": "a"}])
def test_what_is_no_text_is_refused(directory, wrong):
    pipeline = pipeline_for(artifact(directory), "text-classification")
    with pytest.raises(InputError, match="expected a text"):
        pipeline.encode(wrong, pipeline.parse_options({}))


def test_a_model_without_or_with_a_broken_tokenizer_says_so(directory):
    (directory / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelFormatError, match="not a tokenizer"):
        TextTokenizer(artifact(directory))
    (directory / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"no tokenizer\.json"):
        TextTokenizer(artifact(directory))


def test_features_come_without_the_padding(directory):
    pipeline = pipeline_for(artifact(directory), "feature-extraction")
    rows = run(pipeline, ["anna", "anna lives"], states([1, 2, 3, 99], [1, 2, 3, 4]))
    assert [r.shape for r in rows] == [(3, 2), (4, 2)]
    assert 99 not in rows[0]


@pytest.mark.parametrize(
    ("mode", "expected"), [("mean", 2.0), ("cls", 1.0), ("max", 3.0), ("lasttoken", 3.0)]
)
def test_pooling_looks_at_real_tokens_only(directory, mode, expected):
    pipeline = pipeline_for(artifact(directory), "sentence-embeddings")
    rows = run(pipeline, ["anna", "anna lives"], states([1, 2, 3, 99], [0, 0, 0, 0]), pooling=mode)
    assert rows[0, 0] == pytest.approx(expected)


def test_pooling_and_normalisation_are_the_models_own(directory):
    module = "sentence_transformers.models."
    modules = [
        {"idx": 0, "path": "", "type": module + "Transformer"},
        {"idx": 1, "path": "1_Pooling", "type": module + "Pooling"},
        {"idx": 2, "path": "2_Normalize", "type": module + "Normalize"},
    ]
    write(directory, "modules.json", modules)
    write(directory, "1_Pooling/config.json", {"pooling_mode_cls_token": True})
    pipeline = pipeline_for(artifact(directory))
    vector = run(pipeline, "anna", states([3, 9, 9]))
    assert vector == pytest.approx(np.asarray([3, 1]) / np.sqrt(10))
    raw = run(pipeline, "anna", states([3, 9, 9]), normalize=False)
    assert raw.tolist() == [3, 1]


@pytest.mark.parametrize("path", ["../elsewhere", "/etc"])
def test_modules_that_point_outside_are_refused(directory, path):
    write(directory, "modules.json", [{"type": "x.Pooling", "path": path}])
    with pytest.raises(ModelFormatError, match="outside"):
        pipeline_for(artifact(directory))


def test_modules_nobody_knows_are_refused_rather_than_skipped(directory):
    write(directory, "modules.json", [{"type": "x.Dense", "path": "2_Dense"}])
    with pytest.raises(InputError, match="Dense"):
        pipeline_for(artifact(directory))


def test_classes_get_labels_and_probabilities(directory):
    config = {"id2label": {"0": "bad", "1": "good"}}
    pipeline = pipeline_for(artifact(directory, config=config), "text-classification")
    logits = {"logits": np.asarray([[0.0, np.log(3.0)]], dtype=np.float32)}
    best = run(pipeline, "anna", logits)
    assert [(s.label, round(s.score, 6)) for s in best] == [("good", 0.75)]
    assert [s.label for s in run(pipeline, "anna", logits, top_k=None)] == ["good", "bad"]
    multi = artifact(directory, config={**config, "problem_type": "multi_label_classification"})
    both = run(pipeline_for(multi, "text-classification"), "anna", logits, top_k=2)
    assert [round(s.score, 6) for s in both] == [0.75, 0.5]


def test_entities_are_merged_and_placed_in_the_text(directory):
    labels = ["O", "B-PER", "B-LOC", "I-LOC"]
    config = {"id2label": dict(enumerate(labels))}
    pipeline = pipeline_for(artifact(directory, config=config), "token-classification")
    kinds = [0, 1, 0, 0, 2, 3, 0, 0]
    logits = np.full((1, 8, 4), -9.0, dtype=np.float32)
    logits[0, np.arange(8), kinds] = 9.0
    text = "anna lives in new york ."
    found = run(pipeline, text, {"logits": logits})
    assert [(e.label, e.text) for e in found] == [("PER", "anna"), ("LOC", "new york")]
    assert text[found[1].start : found[1].end] == "new york"
    every = run(pipeline, text, {"logits": logits}, aggregation="none", ignore_labels=())
    assert [e.label for e in every] == ["B-PER", "O", "O", "B-LOC", "I-LOC", "O"]


def test_a_word_gets_one_label_whatever_its_pieces_say():
    from ipfs_accelerate.inference.tasks.token_classification import _Piece, _word

    pieces = [_Piece(np.asarray([0.4, 0.6]), 0, 2), _Piece(np.asarray([0.9, 0.1]), 2, 5)]
    picked = {s: int(_word(pieces, s).scores.argmax()) for s in ("first", "average", "max")}
    assert picked == {"first": 1, "average": 0, "max": 0}
    assert (_word(pieces, "first").start, _word(pieces, "first").end) == (0, 5)


def test_masks_are_filled_best_first(directory):
    pipeline = pipeline_for(artifact(directory), "fill-mask")
    logits = np.zeros((1, 5, len(WORDS)), dtype=np.float32)
    logits[0, 3, WORDS.index("in")] = 5.0
    logits[0, 3, WORDS.index("new")] = 3.0
    found = run(pipeline, "anna lives [MASK]", {"logits": logits}, top_k=2)
    assert [f.token for f in found] == ["in", "new"]
    assert found[0].sequence == "anna lives in"
    assert found[0].score > found[1].score
    with pytest.raises(InputError, match=r"\[MASK\]"):
        run(pipeline, "anna lives", {"logits": logits})


class _Bytes:
    """A tokenizer of bytes, whose characters are whole only together."""

    def decode(self, ids, *, keep_special=False):
        return bytes(ids).decode("utf-8", errors="replace")


def test_streamed_text_has_no_broken_characters():
    stream = TextStream(_Bytes())
    pieces = [stream.push(byte) for byte in "a€b".encode()]
    assert pieces == ["a", "", "", "€", "b"]


def test_a_stop_text_that_comes_in_pieces_is_cut_off():
    stream = TextStream(_Bytes(), ("END",))
    pieces = [stream.push(byte) for byte in b"xENyEND!"]
    assert "".join(pieces) == stream.text == "xENy"
    assert stream.is_stopped
    assert stream.finish() == ""


def test_what_might_have_become_a_stop_text_is_given_out_at_the_end():
    stream = TextStream(_Bytes(), ("END",))
    pieces = [stream.push(byte) for byte in b"xEN"]
    assert pieces == ["x", "", ""]
    assert stream.finish() == "EN"
    assert stream.text == "xEN"


def image_config(**changes: object) -> dict[str, object]:
    return {
        "do_resize": False,
        "do_rescale": True,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.25, 0.5, 1.0],
        **changes,
    }


def test_pixels_are_scaled_and_normalised_per_channel(tmp_path):
    write(tmp_path, "preprocessor_config.json", image_config())
    images, is_single = as_images(np.full((2, 3, 3), 255, dtype=np.uint8))
    pixels = ImageProcessor.of(artifact(tmp_path))(images)
    assert is_single
    assert pixels.shape == (1, 3, 2, 3)
    assert pixels[0, :, 0, 0].tolist() == [2.0, 1.0, 0.5]


def test_the_shorter_edge_is_resized_and_the_middle_kept(tmp_path):
    config = image_config(
        do_resize=True, size={"shortest_edge": 4}, do_center_crop=True, crop_size=4
    )
    write(tmp_path, "preprocessor_config.json", config)
    images, _ = as_images([np.zeros((8, 16, 3), np.uint8), np.zeros((30, 10), np.uint8)])
    assert ImageProcessor.of(artifact(tmp_path))(images).shape == (2, 3, 4, 4)


def test_a_crop_larger_than_the_image_is_filled_with_black(tmp_path):
    write(tmp_path, "preprocessor_config.json", image_config(do_center_crop=True, crop_size=4))
    images, _ = as_images(np.full((2, 2, 3), 255, dtype=np.uint8))
    pixels = ImageProcessor.of(artifact(tmp_path))(images)[0, 0]
    assert pixels.shape == (4, 4)
    assert pixels[0, 0] == -2.0
    assert pixels[1, 1] == 2.0


@pytest.mark.parametrize(
    "wrong",
    ["nowhere.png", np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8), 7, []],
)
def test_what_is_no_image_is_refused(wrong):
    with pytest.raises(InputError):
        as_images(wrong)


def test_an_image_file_that_is_none_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 50)
    with pytest.raises(InputError, match="cannot read an image"):
        as_images(tmp_path / "a.png")


@pytest.mark.parametrize(
    "broken", [{"do_resize": True, "size": {"height": 3}}, image_config(image_mean=[0.5])]
)
def test_a_broken_processor_is_refused(tmp_path, broken):
    write(tmp_path, "preprocessor_config.json", broken)
    with pytest.raises(ModelFormatError):
        ImageProcessor.of(artifact(tmp_path))


def test_a_wav_file_becomes_one_channel_at_the_models_rate(tmp_path):
    path = tmp_path / "a.wav"
    time_s = np.arange(8000) / 8000
    tone = (np.sin(2 * np.pi * 440 * time_s) * 16384).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.stack([tone, tone], axis=1).tobytes())
    (waveform,), is_single = as_waveforms(path, 16_000)
    assert is_single
    assert waveform.shape == (16_000,)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    assert np.abs(waveform - expected)[200:-200].max() < 0.01


def test_arrays_are_taken_with_their_rate():
    silence = np.zeros(800, np.float32)
    found, is_single = as_waveforms(
        [silence, (silence, 8000), {"array": silence, "sampling_rate": 32_000}], 16_000
    )
    assert not is_single
    assert [len(w) for w in found] == [800, 1600, 400]
    (scaled,), _ = as_waveforms(np.asarray([-32768, 16384], np.int16), 16_000)
    assert scaled.tolist() == [-1.0, 0.5]


@pytest.mark.parametrize(
    "wrong",
    [
        "nowhere.wav",
        np.zeros(0, np.float32),
        np.asarray([np.nan], np.float32),
        np.zeros((2, 3, 4), np.float32),
        np.zeros(4, np.complex64),
        (np.zeros(4, np.float32), 0),
        {"array": np.zeros(4, np.float32)},
        [],
        3,
    ],
)
def test_what_is_no_recording_is_refused(wrong):
    with pytest.raises(InputError):
        as_waveforms(wrong, 16_000)


def test_a_truncated_wav_file_is_refused(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt ")
    with pytest.raises(InputError, match="not a WAV file"):
        as_waveforms(tmp_path / "a.wav", 16_000)


def test_a_louder_tone_lies_in_its_mel_band():
    settings = MelSettings()
    time_s = np.arange(16_000) / 16_000
    low, high = (
        log_mel(np.sin(2 * np.pi * hz * time_s).astype(np.float32), 100, settings)
        for hz in (200, 4000)
    )
    assert low.shape == (80, 100)
    assert low.mean(axis=1).argmax() < high.mean(axis=1).argmax()
    assert np.isfinite(log_mel(np.zeros(10, np.float32), 100, settings)).all()


def test_ctc_merges_repeats_but_not_across_blanks(tmp_path):
    write(tmp_path, "vocab.json", {"<pad>": 0, "|": 1, "a": 2, "b": 3})
    recognizer = CtcRecognizer(artifact(tmp_path))
    path = [2, 2, 0, 2, 1, 1, 3, 0, 0, 3, 3]
    logits = np.eye(4, dtype=np.float32)[path][None]
    session = SimpleNamespace(info=SimpleNamespace(inputs=()), run=lambda _: {"logits": logits})
    waveform = np.ones(100, np.float32)
    assert recognizer.recognize({"model": session}, [waveform], None) == ["aa bb"]


def test_a_language_nobody_knows_is_refused():
    from ipfs_accelerate.inference.speech.whisper import _look_up

    with pytest.raises(UnknownNameError, match=r"<\|de\|>"):
        _look_up({"<|de|>": 1}, "<|da|>")
