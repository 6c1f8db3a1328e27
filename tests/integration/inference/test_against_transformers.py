"""The same inputs give the same results as the libraries the models come from."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.needs("torch", "transformers")

SENTENCES = [
    "The cat sits on the mat.",
    "A feline rests on a rug.",
    "Stocks fell sharply on Monday, and the day after that as well.",
]


@pytest.mark.needs("minilm")
def test_embeddings_equal_those_of_sentence_transformers(accelerator, minilm_directory):
    library = pytest.importorskip("sentence_transformers")
    expected = library.SentenceTransformer(str(minilm_directory), device="cpu").encode(SENTENCES)
    found = accelerator.run(minilm_directory, SENTENCES).output
    assert found.shape == (3, 384)
    assert np.abs(found - expected).max() < 1e-5
    one = accelerator.run(minilm_directory, SENTENCES[2]).output
    assert np.abs(one - expected[2]).max() < 1e-5


@pytest.mark.needs("minilm")
def test_sentences_of_one_meaning_are_nearer_than_others(accelerator, minilm_directory):
    matrix = accelerator.run(minilm_directory, SENTENCES, similarity=True).output
    assert matrix[0, 1] > 0.5
    assert matrix[0, 2] < 0.2
    assert np.diag(matrix) == pytest.approx(np.ones(3), abs=1e-5)


def _reference(cls_name: str, directory):
    import transformers

    model = getattr(transformers, cls_name).from_pretrained(str(directory))
    return model.eval()


def test_text_classification_equals_the_pipeline(accelerator, random_model):
    import transformers

    ref, directory = random_model("bert-sequence-classification")
    texts = ["the house was good", "people run"]
    pipeline = transformers.pipeline(
        "text-classification", str(directory), device="cpu", top_k=None
    )
    found = accelerator.run(ref, texts, task="text-classification", top_k=None).output
    for ours, theirs in zip(found, pipeline(texts), strict=True):
        assert [s.label for s in ours] == [s["label"] for s in theirs]
        assert [s.score for s in ours] == pytest.approx([s["score"] for s in theirs], abs=1e-5)


def test_fill_mask_equals_the_pipeline(accelerator, random_model):
    import transformers

    ref, directory = random_model("bert-masked-lm")
    text = "the good [MASK] runs through the city"
    pipeline = transformers.pipeline("fill-mask", str(directory), device="cpu")
    found = accelerator.run(ref, text, task="fill-mask").output
    theirs = pipeline(text)
    assert [f.token_id for f in found] == [t["token"] for t in theirs]
    assert [f.score for f in found] == pytest.approx([t["score"] for t in theirs], rel=1e-4)
    assert [f.token for f in found] == [t["token_str"] for t in theirs]


@pytest.mark.parametrize("strategy", ["none", "simple", "first", "average", "max"])
def test_token_classification_equals_the_pipeline(accelerator, random_model, strategy):
    import transformers

    ref, directory = random_model("bert-token-classification")
    text = "the train runs through the dark city and the people run"
    pipeline = transformers.pipeline(
        "token-classification",
        str(directory),
        device="cpu",
        aggregation_strategy=strategy,
        ignore_labels=[],
    )
    found = accelerator.run(
        ref, text, task="token-classification", aggregation=strategy, ignore_labels=()
    ).output
    theirs = pipeline(text)
    key = "entity" if strategy == "none" else "entity_group"
    assert [(e.label, e.start, e.end) for e in found] == [
        (t[key], t["start"], t["end"]) for t in theirs
    ]
    assert [e.score for e in found] == pytest.approx([t["score"] for t in theirs], abs=1e-5)


def test_image_classification_equals_processor_and_model(accelerator, random_model):
    import torch

    from ipfs_accelerate.inference.images import ImageProcessor, as_images
    from ipfs_accelerate.models import resolve

    ref, directory = random_model("vit-image-classification")
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (50, 70, 3), dtype=np.uint8)
    theirs = _image_processor(directory)(images=image, return_tensors="pt")["pixel_values"]
    processor = ImageProcessor.of(resolve(ref, settings=accelerator.settings))
    ours = processor(as_images(image)[0])
    assert np.abs(ours - theirs.numpy()).max() < 1e-5
    with torch.no_grad():
        logits = _reference("AutoModelForImageClassification", directory)(
            pixel_values=theirs
        ).logits
    expected = logits.softmax(-1)[0]
    found = accelerator.run(ref, image, task="image-classification", top_k=None).output
    assert [s.score for s in found] == pytest.approx(sorted(expected.tolist())[::-1], abs=1e-5)


def _image_processor(directory):
    """The library's processor over Pillow: its default needs torchvision."""
    import json

    import transformers

    kind = json.loads((directory / "preprocessor_config.json").read_text())["image_processor_type"]
    for name in (f"{kind}Pil", kind):
        found = getattr(transformers, name, None)
        if found is not None:
            try:
                return found.from_pretrained(str(directory))
            except ImportError:
                continue
    pytest.skip(f"transformers has no {kind} without torchvision")


def test_resizing_by_the_shorter_edge_and_cropping_equals_clip(tmp_path):
    import json

    from PIL import Image

    from ipfs_accelerate.inference.images import ImageProcessor

    config = {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": 32},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": 32, "width": 32},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.48, 0.45, 0.40],
        "image_std": [0.26, 0.26, 0.27],
        "do_convert_rgb": True,
    }
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    rng = np.random.default_rng(0)
    for size in ((50, 71), (71, 50), (33, 40)):
        image = Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8))
        theirs = _image_processor(tmp_path)(images=image, return_tensors="np")["pixel_values"]
        ours = ImageProcessor._parse(config)([image])
        assert np.abs(ours - theirs).max() < 1e-5


@pytest.mark.parametrize("bins", [80, 128])
def test_whisper_features_equal_the_extractor(tone, bins):
    import transformers

    from ipfs_accelerate.inference.speech import MelSettings, log_mel

    extractor = transformers.WhisperFeatureExtractor(feature_size=bins)
    theirs = extractor(tone, sampling_rate=16_000, return_tensors="np")["input_features"][0]
    ours = log_mel(tone, 3000, MelSettings(bins=bins))
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 1e-4


PROMPTS = ["the good river runs", "the", "people run through the dark city and"]


def test_greedy_text_equals_generate_for_each_prompt_and_as_a_batch(
    accelerator, on_onnx, random_model
):
    import torch

    ref, directory = random_model("llama")
    model = _reference("AutoModelForCausalLM", directory)
    together = accelerator.run(ref, PROMPTS, max_new_tokens=16).output
    for prompt, in_batch in zip(PROMPTS, together, strict=True):
        encoded = _tokenizer(directory)(prompt, return_tensors="pt")
        with torch.no_grad():
            ids = model.generate(**encoded, max_new_tokens=16, do_sample=False)
        expected = ids[0, encoded["input_ids"].shape[1] :].tolist()
        alone = accelerator.run(ref, prompt, max_new_tokens=16).output
        onnx = on_onnx.run(ref, prompt, max_new_tokens=16).output
        assert list(onnx.token_ids) == expected
        assert list(alone.token_ids) == expected
        assert list(in_batch.token_ids) == expected
        assert alone.prompt_tokens == encoded["input_ids"].shape[1]


def test_a_repetition_penalty_equals_generate(accelerator, random_model):
    import torch

    ref, directory = random_model("llama")
    model = _reference("AutoModelForCausalLM", directory)
    encoded = _tokenizer(directory)(PROMPTS[0], return_tensors="pt")
    with torch.no_grad():
        ids = model.generate(**encoded, max_new_tokens=16, do_sample=False, repetition_penalty=1.3)
    expected = ids[0, encoded["input_ids"].shape[1] :].tolist()
    found = accelerator.run(ref, PROMPTS[0], max_new_tokens=16, repetition_penalty=1.3).output
    assert list(found.token_ids) == expected
    assert len(set(expected)) > 3


def _tokenizer(directory):
    import transformers

    return transformers.AutoTokenizer.from_pretrained(str(directory))


def test_a_stream_gives_the_same_text_piece_by_piece(accelerator, random_model):
    ref, _ = random_model("llama")
    whole = accelerator.run(ref, PROMPTS[0], max_new_tokens=12, repetition_penalty=1.3).output
    pieces = list(accelerator.generate(ref, PROMPTS[0], max_new_tokens=12, repetition_penalty=1.3))
    assert "".join(p.text for p in pieces) == whole.text
    assert tuple(p.token_id for p in pieces[:-1]) == whole.token_ids
    assert [p.finish_reason for p in pieces][-1] == whole.finish_reason
    assert accelerator.pool.stats().leases == 0


def test_an_abandoned_stream_gives_its_session_back(accelerator, random_model):
    ref, _ = random_model("llama")
    stream = accelerator.generate(ref, PROMPTS[0], max_new_tokens=50)
    next(stream)
    assert accelerator.pool.stats().leases == 1
    stream.close()
    assert accelerator.pool.stats().leases == 0


def test_a_stop_text_ends_the_generation(accelerator, random_model):
    ref, _ = random_model("llama")
    whole = accelerator.run(ref, PROMPTS[0], max_new_tokens=12, repetition_penalty=1.3).output
    word = whole.text.split()[2]
    found = accelerator.run(
        ref, PROMPTS[0], max_new_tokens=12, repetition_penalty=1.3, stop=word
    ).output
    assert found.finish_reason == "stop"
    assert found.text == whole.text[: whole.text.index(word)]


def test_encoder_and_decoder_equal_generate(accelerator, random_model):
    import torch

    ref, directory = random_model("t5")
    model = _reference("AutoModelForSeq2SeqLM", directory)
    texts = ["the good river runs", "the people"]
    found = accelerator.run(ref, texts, max_new_tokens=10).output
    for text, ours in zip(texts, found, strict=True):
        encoded = _tokenizer(directory)(text, return_tensors="pt")
        encoded.pop("token_type_ids", None)
        with torch.no_grad():
            ids = model.generate(**encoded, max_new_tokens=10, do_sample=False)[0, 1:].tolist()
        assert list(ours.token_ids) == ids


def test_whisper_equals_generate(accelerator, random_model, tone):
    import torch

    ref, directory = random_model("whisper")
    model = _reference("WhisperForConditionalGeneration", directory)
    import transformers

    from ipfs_accelerate.inference.speech import MelSettings, log_mel

    frames, bins = 2 * model.config.max_source_positions, model.config.num_mel_bins
    features = torch.from_numpy(log_mel(tone, frames, MelSettings(bins=bins)))[None]
    generation = transformers.GenerationConfig.from_pretrained(str(directory))
    prompt = [model.config.decoder_start_token_id]
    if getattr(generation, "lang_to_id", None):
        prompt += [generation.lang_to_id["<|en|>"], generation.task_to_id["transcribe"]]
    if getattr(generation, "no_timestamps_token_id", None) is not None:
        prompt.append(generation.no_timestamps_token_id)
    banned = set(generation.suppress_tokens or []) | set()
    ids = torch.tensor([prompt])
    with torch.no_grad():
        for _ in range(12):
            logits = model(input_features=features, decoder_input_ids=ids).logits[0, -1]
            logits[list(banned)] = -np.inf
            ids = torch.cat([ids, logits.argmax().reshape(1, 1)], dim=1)
    expected = _tokenizer(directory).decode(ids[0, len(prompt) :], skip_special_tokens=True)
    found = accelerator.run(ref, tone, max_new_tokens=12).output
    assert found == " ".join(expected.split()) or found == expected.strip()


def test_speech_with_one_output_per_frame_equals_the_model(accelerator, random_model, tone):
    import torch

    ref, directory = random_model("wav2vec2-ctc")
    model = _reference("AutoModelForCTC", directory)
    extractor = _feature_extractor(directory)
    values = extractor(tone, sampling_rate=16_000, return_tensors="pt")["input_values"]
    with torch.no_grad():
        ids = model(values).logits.argmax(-1)
    expected = _tokenizer(directory).batch_decode(ids, skip_special_tokens=True)[0]
    found = accelerator.run(ref, tone, task="automatic-speech-recognition").output
    assert found == expected


def _feature_extractor(directory):
    import transformers

    return transformers.AutoFeatureExtractor.from_pretrained(str(directory))
