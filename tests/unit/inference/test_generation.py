"""The decode loop, over decoders whose next token is known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.inference.generation import Decoder, Generation
from ipfs_accelerate.inference.sampling import GenerationOptions
from ipfs_accelerate.models import TensorSpec

VOCABULARY = 50


class Counter:
    """A decoder that says: position-weighted sum of all real ids so far, modulo 50."""

    def __init__(self, *, cached: bool) -> None:
        specs = [
            TensorSpec("input_ids", "int64", ("batch", "sequence")),
            TensorSpec("attention_mask", "int64", ("batch", "total_sequence")),
            TensorSpec("position_ids", "int64", ("batch", "sequence")),
        ]
        if cached:
            shape = ("batch", 2, "past_sequence", 1)
            specs.append(TensorSpec("past_key_values.0.key", "float32", shape))
        self.cached = cached
        self.widths: list[int] = []
        self.info = SimpleNamespace(inputs=tuple(specs))

    def run(self, inputs):
        ids, positions = inputs["input_ids"], inputs["position_ids"]
        self.widths.append(ids.shape[1])
        assert ids.shape == positions.shape
        values = (ids * (positions + 1)).astype(np.float32)[:, None, :, None]
        values = np.repeat(values, 2, axis=1)
        if self.cached:
            values = np.concatenate([inputs["past_key_values.0.key"], values], axis=2)
        mask = inputs["attention_mask"].astype(np.float32)
        assert values.shape[2] == mask.shape[1]
        total = (values[:, 0, :, 0] * mask).sum(axis=1).astype(int) % VOCABULARY
        logits = np.zeros((*ids.shape, VOCABULARY), dtype=np.float32)
        logits[np.arange(len(ids)), -1, total] = 1.0
        return {"logits": logits, "present.0.key": values}


def reference(prompt: list[int], steps: int) -> list[int]:
    ids = list(prompt)
    for _ in range(steps):
        ids.append(sum(t * (i + 1) for i, t in enumerate(ids)) % VOCABULARY)
    return ids[len(prompt) :]


def generate(session: Counter, prompts: list[list[int]], ends=(), **options: object) -> np.ndarray:
    width = max(map(len, prompts))
    ids = np.asarray([[9] * (width - len(p)) + p for p in prompts], dtype=np.int64)
    mask = np.asarray([[0] * (width - len(p)) + [1] * len(p) for p in prompts], dtype=np.int64)
    run = Generation(
        Decoder(session), ids, mask, options=GenerationOptions(**options), end_ids=ends
    )
    return np.stack(list(run), axis=1)


@pytest.mark.parametrize("cached", [True, False])
def test_a_left_padded_batch_gives_what_each_prompt_gives_alone(cached):
    prompts = [[3, 1, 4], [7], [2, 2]]
    tokens = generate(Counter(cached=cached), prompts, max_new_tokens=6)
    assert tokens.tolist() == [reference(p, 6) for p in prompts]


def test_with_a_cache_every_step_but_the_first_runs_one_token():
    session = Counter(cached=True)
    generate(session, [[3, 1, 4]], max_new_tokens=4)
    assert session.widths == [3, 1, 1, 1]
    whole = Counter(cached=False)
    generate(whole, [[3, 1, 4]], max_new_tokens=4)
    assert whole.widths == [3, 4, 5, 6]


def test_a_row_ends_at_its_end_token_and_the_others_go_on():
    prompts = [[3, 1, 4], [7]]
    expected = [reference(p, 6) for p in prompts]
    end = expected[0][1]
    assert end not in expected[1]
    tokens = generate(Counter(cached=True), prompts, ends={end}, max_new_tokens=6)
    assert tokens[0].tolist() == [*expected[0][:2], -1, -1, -1, -1]
    assert tokens[1].tolist() == expected[1]


def test_the_loop_stops_when_all_rows_have_ended():
    end = reference([3, 1, 4], 1)[0]
    session = Counter(cached=True)
    tokens = generate(session, [[3, 1, 4]], ends={end}, max_new_tokens=9)
    assert tokens.tolist() == [[end]]
    assert len(session.widths) == 1


def test_ignoring_the_end_gives_exactly_as_many_tokens_as_asked():
    end = reference([3, 1, 4], 1)[0]
    tokens = generate(
        Counter(cached=True), [[3, 1, 4]], ends={end}, max_new_tokens=9, ignore_eos=True
    )
    assert tokens.tolist() == [reference([3, 1, 4], 9)]


def test_adjusted_logits_decide():
    def forbid(logits: np.ndarray, index: int) -> None:
        logits[:] = 0
        logits[:, index] = 1

    ids = np.asarray([[1]], dtype=np.int64)
    run = Generation(
        Decoder(Counter(cached=True)),
        ids,
        np.ones_like(ids),
        options=GenerationOptions(max_new_tokens=3),
        adjust=forbid,
    )
    assert [int(t[0]) for t in run] == [0, 1, 2]


def test_a_graph_with_an_input_nobody_makes_is_refused_by_name():
    session = Counter(cached=True)
    session.info.inputs += (TensorSpec("pixel_values", "float32", ("batch", 3)),)
    with pytest.raises(InputError, match="pixel_values"):
        generate(session, [[1]])
