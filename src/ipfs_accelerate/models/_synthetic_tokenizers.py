"""Small real tokenizers over a synthetic vocabulary, for models with random weights.

Built from fixed word lists without training, so that equal calls write equal bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["SPECIAL_TOKENS", "write"]

_WORDS = (
    "the of and to in is was for that it on as with his he be by at from are this not have had "
    "which they you were their an or one all we can has there been if more when will would who "
    "so no said what up its about into than them only some time could these two may then do "
    "first any my now such like our over man me even most made after also did many before must "
    "through back years where much your way well down should because each just those people "
    "how too little state good very make world still own see men work long get here between "
    "both life being under never day same another know while last might us great old year off "
    "come since against go came right used take three model runs machine fast slow picture "
    "sound speech text question answer city house water river train house cat dog light dark"
)
# In id order. Roles: pad, bos, eos, unk, mask, … name the fields ``<role>_token_id`` of a config.
SPECIAL_TOKENS: dict[str, dict[str, str]] = {
    "wordpiece": {
        "pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]",
    },
    "roberta": {"bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>", "mask": "<mask>"},
    "gpt2": {"eos": "<|endoftext|>"},
    "llama": {"unk": "<unk>", "bos": "<s>", "eos": "</s>"},
    "llava": {"unk": "<unk>", "bos": "<s>", "eos": "</s>", "image": "<image>"},
    "qwen": {"pad": "<|endoftext|>", "im_start": "<|im_start|>", "eos": "<|im_end|>"},
    "t5": {"pad": "<pad>", "eos": "</s>", "unk": "<unk>"},
    "clip": {"bos": "<|startoftext|>", "eos": "<|endoftext|>", "pad": "<|padding|>"},
    "whisper": {
        "eos": "<|endoftext|>", "decoder_start": "<|startoftranscript|>", "en": "<|en|>",
        "transcribe": "<|transcribe|>", "no_timestamps": "<|notimestamps|>",
    },
    "ctc": {"pad": "<pad>", "bos": "<s>", "eos": "</s>", "unk": "<unk>"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Wrapping:
    """Roles put before and behind a sentence."""

    before: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()


_WRAPPINGS = {
    "wordpiece": _Wrapping(("cls",), ("sep",)),
    "roberta": _Wrapping(("bos",), ("eos",)),
    "llama": _Wrapping(("bos",)),
    "llava": _Wrapping(("bos",)),
    "t5": _Wrapping((), ("eos",)),
    "clip": _Wrapping(("bos",), ("eos",)),
    "whisper": _Wrapping(("decoder_start", "en", "transcribe", "no_timestamps"), ("eos",)),
}


def write(kind: str, directory: Path, *, max_length: int | None) -> dict[str, int]:
    """Write ``tokenizer.json`` and ``tokenizer_config.json``.

    Args:
        kind: Key of `SPECIAL_TOKENS`.
        directory: An existing folder.
        max_length: Longest input in tokens; ``None`` for no limit.

    Returns:
        Role of each special token → its id.
    """
    tokens = SPECIAL_TOKENS[kind]
    builder = {"wordpiece": _wordpiece, "ctc": _characters}.get(kind, _byte_pairs)
    tokenizer = builder(list(tokens.values()))
    _wrap(tokenizer, tokens, _WRAPPINGS.get(kind))
    from tokenizers import AddedToken

    tokenizer.add_special_tokens(
        [AddedToken(t, special=True, normalized=False) for t in tokens.values()]
    )
    tokenizer.save(str(directory / "tokenizer.json"))
    settings: dict[str, object] = {"tokenizer_class": "PreTrainedTokenizerFast"}
    if max_length:
        settings["model_max_length"] = max_length
    roles = ("pad", "bos", "eos", "unk", "cls", "sep", "mask")
    settings |= {f"{role}_token": tokens[role] for role in roles if role in tokens}
    text = json.dumps(settings, indent=2, sort_keys=True)
    (directory / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")
    return {role: tokenizer.token_to_id(token) for role, token in tokens.items()}


def _words() -> list[str]:
    return list(dict.fromkeys(_WORDS.split()))


def _letters() -> list[str]:
    return [chr(code) for code in range(33, 127)]


def _wordpiece(special: Sequence[str]) -> Any:  # noqa: ANN401 (a tokenizer)
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    tokens = [*special, *_letters(), *(f"##{c}" for c in _letters()), *_words()]
    vocabulary = {token: n for n, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106 (not a secret)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def _byte_pairs(special: Sequence[str]) -> Any:  # noqa: ANN401
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = dict.fromkeys([*special, *alphabet])
    merges: dict[tuple[str, str], None] = {}
    for word in _words():
        left = "Ġ"  # the byte alphabet's spelling of a space
        for letter in word:
            merges[left, letter] = None
            left += letter
            tokens[left] = None
    vocabulary = {token: n for n, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, list(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _characters(special: Sequence[str]) -> Any:  # noqa: ANN401
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    tokens = [*special, "|", *"EATONIHSRDLUMWCFGYPBVK'XJQZ"]
    vocabulary = {token: n for n, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))  # noqa: S106 (not a secret)
    tokenizer.normalizer = normalizers.Replace(" ", "|")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = decoders.CTC(pad_token="<pad>", word_delimiter_token="|")  # noqa: S106
    return tokenizer


def _wrap(tokenizer: Any, tokens: dict[str, str], wrapping: _Wrapping | None) -> None:  # noqa: ANN401
    if wrapping is None:
        return
    from tokenizers import processors

    before = [tokens[role] for role in wrapping.before]
    behind = [tokens[role] for role in wrapping.behind]
    single = " ".join([*before, "$A", *behind])
    middle = behind or before
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single,
        pair=" ".join([*before, "$A:0", *middle, "$B:1", *(f"{t}:1" for t in behind)]),
        special_tokens=[(t, tokenizer.token_to_id(t)) for t in dict.fromkeys([*before, *behind])],
    )
