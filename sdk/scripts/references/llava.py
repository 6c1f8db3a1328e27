"""Small LLaVAs, from a picture and a text to greedy tokens, by transformers' own processor."""

from __future__ import annotations

import json

import numpy as np
import torch
from case import Reference, checkpoint, seeded
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

SIDE, PATCH = 12, 4
VISION = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "image_size": SIDE,
    "patch_size": PATCH,
    "projection_dim": 20,
}
TEXT = {
    "vocab_size": 60,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "bos_token_id": None,
    "eos_token_id": None,
}
WORDS = ["<image>", "<unk>", *"what is in this picture and that one ? : user".split()]  # noqa: SIM905
WORDS += [f"word{i}" for i in range(len(WORDS), TEXT["vocab_size"])]
NEW_TOKENS = 24


def processor(strategy: str) -> LlavaProcessor:
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, "<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="<unk>", additional_special_tokens=["<image>"]
    )
    square = {"height": SIDE, "width": SIDE}
    return LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=square),
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy=strategy,
        num_additional_image_tokens=1,
    )


def reference(
    name: str,
    text: str,
    *,
    strategy: str = "default",
    layer: int | list[int] = -2,
    pictures: int = 1,
) -> Reference:
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**VISION).to_dict(),
        text_config=LlamaConfig(**TEXT).to_dict(),
        image_token_index=WORDS.index("<image>"),
        vision_feature_select_strategy=strategy,
        vision_feature_layer=layer,
    )
    model = seeded(LlavaForConditionalGeneration(config), seed=1)
    generator = np.random.default_rng(3)
    images = [generator.integers(0, 256, (17, 23, 4), dtype=np.uint8) for _ in range(pictures)]
    prepare = processor(strategy)
    batch = prepare(
        text=text, images=[image[:, :, :3] for image in images] or None, return_tensors="pt"
    )
    prompt = batch["input_ids"]
    tokens = model.generate(**batch, max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=1)
    weights = checkpoint(model)
    if name == "llava":  # as published before the towers of transformers were flattened
        weights = {
            key.replace("vision_tower.", "vision_tower.vision_model."): value
            for key, value in weights.items()
        }
    expected = {
        "prompt": prompt[0],
        "logits": model(**batch).logits[:, -1],
        "tokens": tokens[0, prompt.shape[1] :],
    }
    return Reference(
        name,
        "llava",
        config.to_dict(),
        weights,
        {f"image{i}": torch.from_numpy(image) for i, image in enumerate(images)},
        expected,
        settings={
            "text": text,
            "answer": prepare.decode(expected["tokens"], skip_special_tokens=True),
        },
        files={
            "tokenizer.json": prepare.tokenizer.backend_tokenizer.to_str(),
            "tokenizer_config.json": json.dumps({}),
            "preprocessor_config.json": prepare.image_processor.to_json_string(),
        },
    )


def references() -> list[Reference]:
    question = "user : <image> what is in this picture ?"
    return [
        reference("llava", question),
        reference("llava-full", question, strategy="full", layer=-1),
        reference(
            "llava-layers",
            "this picture <image> and that <image> is one ?",
            strategy="full",
            layer=[-2, 1],
            pictures=2,
        ),
        reference("llava-text", "what is in this picture ?", pictures=0),
    ]
