"""Tokenizers of every kind, trained on a few sentences, against the Rust crate."""

from __future__ import annotations

import itertools
import json

import torch
from case import Reference
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    "Zürich, naïve café — über 1,000 €!",
    "日本語のテキスト と 한국어",
    "emoji 🦊🚀 and tabs\tand\nlines",
    "don't you're   spaced  out",
    "",
    "x",
]
CORPUS = [text * 3 for text in TEXTS] + ["the fox and the dog and the text are quick and lazy"] * 5
BERT_SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA_SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=BERT_SPECIALS)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=ROBERTA_SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=150, special_tokens=ROBERTA_SPECIALS, unk_token="<unk>"
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 2)]
    )
    return tokenizer


def byte_fallback() -> Tokenizer:
    """As LLaMA 2: a piece for every byte, words marked by a bar."""
    specials = ["<unk>", "<s>", "</s>"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=360,
        special_tokens=specials + [f"<0x{byte:02X}>" for byte in range(256)],
        limit_alphabet=30,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return tokenizer


def matrices(encodings: list, prefix: str) -> dict[str, torch.Tensor]:
    return {
        f"{prefix}Ids": torch.tensor([encoding.ids for encoding in encodings]),
        f"{prefix}Mask": torch.tensor([encoding.attention_mask for encoding in encodings]),
        f"{prefix}Types": torch.tensor([encoding.type_ids for encoding in encodings]),
    }


def reference(name: str, tokenizer: Tokenizer, pad: str) -> Reference:
    config = {"pad_token": pad, "unk_token": None, "clean_up_tokenization_spaces": False}
    pairs = list(itertools.product(TEXTS, repeat=2))
    tokenizer.no_padding()
    decoded = [tokenizer.decode(tokenizer.encode(text).ids) for text in TEXTS]
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id(pad), pad_token=pad)
    expected = matrices(tokenizer.encode_batch(TEXTS), "single")
    tokenizer.enable_truncation(11)
    expected |= matrices(tokenizer.encode_batch(pairs), "pair")
    return Reference(
        f"tokenizer-{name}",
        "tokenization",
        config,
        {"unused": torch.zeros(1)},
        {},
        expected,
        settings={"texts": TEXTS, "pairs": pairs, "decoded": decoded, "maxLength": 11},
        files={"tokenizer.json": tokenizer.to_str(), "tokenizer_config.json": json.dumps(config)},
    )


def references() -> list[Reference]:
    return [
        reference("wordpiece", wordpiece(), "[PAD]"),
        reference("byte-level", byte_level(), "<pad>"),
        reference("unigram", unigram(), "<pad>"),
        reference("byte-fallback", byte_fallback(), "</s>"),
    ]
