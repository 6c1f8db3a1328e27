"""From logits to tokens."""

from __future__ import annotations

import numpy as np
import pytest

from ipfs_accelerate.inference.sampling import GenerationOptions, pick_tokens

LOGITS = np.log(np.asarray([[0.5, 0.3, 0.15, 0.05]], dtype=np.float32))


def draw(count: int, **options: object) -> np.ndarray:
    chosen = GenerationOptions(**options)
    rng = np.random.default_rng(0)
    rows = np.repeat(LOGITS, count, axis=0)
    return pick_tokens(rows, [np.asarray([], dtype=np.int64)] * count, chosen, rng)


def test_without_temperature_the_likeliest_token_is_taken():
    assert set(draw(5)) == {0}


def test_draws_follow_the_probabilities():
    counts = np.bincount(draw(20_000, temperature=1.0), minlength=4) / 20_000
    assert np.abs(counts - [0.5, 0.3, 0.15, 0.05]).max() < 0.015


def test_temperature_sharpens():
    counts = np.bincount(draw(20_000, temperature=0.5), minlength=4) / 20_000
    expected = np.square([0.5, 0.3, 0.15, 0.05])
    assert np.abs(counts - expected / expected.sum()).max() < 0.015


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ({"top_k": 2}, {0, 1}),
        ({"top_p": 0.79}, {0, 1}),
        ({"top_p": 0.81}, {0, 1, 2}),
        ({"top_p": 0.01}, {0}),
        ({"top_k": 3, "top_p": 0.6}, {0, 1}),
        ({"top_k": 99}, {0, 1, 2, 3}),
    ],
)
def test_only_allowed_tokens_are_drawn(options, allowed):
    assert set(draw(2000, temperature=1.0, **options)) == allowed


def test_equal_seeds_draw_equal_tokens():
    options = GenerationOptions(temperature=1.0, seed=7)
    a, b = (
        pick_tokens(LOGITS.repeat(50, 0), [()] * 50, options, options.generator()) for _ in "ab"
    )
    assert np.array_equal(a, b)


def test_seen_tokens_become_less_likely_whatever_their_sign():
    logits = np.asarray([[2.0, 1.9, -1.0, -1.1]], dtype=np.float32)
    options = GenerationOptions(repetition_penalty=1.5)
    rng = np.random.default_rng(0)
    assert pick_tokens(logits, [np.asarray([0])], options, rng)[0] == 1
    assert pick_tokens(logits[:, 2:], [np.asarray([0])], options, rng)[0] == 1
    assert logits[0, 0] == 2.0, "the caller's logits stay as they were"


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_new_tokens": 0},
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"top_k": 0},
        {"top_p": 1.5},
        {"top_p": -0.5},
        {"repetition_penalty": 0.0},
        {"stop": ("",)},
    ],
)
def test_options_outside_their_domain_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))[:4]):
        GenerationOptions(**wrong)


def test_one_stop_text_is_not_taken_for_its_letters():
    assert GenerationOptions(stop="end").stops == ("end",)
