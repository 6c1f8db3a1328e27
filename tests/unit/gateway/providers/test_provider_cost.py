"""Cost by the user's prices, and estimates of tokens."""

from dataclasses import replace

import pytest

from ipfs_accelerate.errors import ConfigurationError, UnknownNameError
from ipfs_accelerate.gateway.messages import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    ImagePart,
    Message,
    RerankRequest,
    TextPart,
    Tool,
    Usage,
)
from ipfs_accelerate.gateway.providers.cost import check_prices, cost
from ipfs_accelerate.gateway.providers.estimate import estimate_tokens

PRICES = {"prompt": 2.0, "completion": 10.0}
CHAT = ChatRequest("m", (Message("user", "a" * 400),))


@pytest.mark.parametrize(
    ("usage", "prices", "expected"),
    [
        (Usage(1_000_000, 500_000), PRICES, 7.0),
        (Usage(1_000_000, 0, 400_000), {**PRICES, "cached": 0.5}, 1.4),
        (Usage(1_000_000, 0, 400_000), PRICES, 2.0),
        (Usage(0, 0), PRICES, 0.0),
        (Usage(100, 5), {}, None),
        (Usage(None, 5), PRICES, None),
        (Usage(100, None), PRICES, None),
        (Usage(100, 5), {"prompt": 2.0}, None),
        (Usage(1_000_000, None), {"prompt": 2.0}, 2.0),
        (Usage(10, 0, 20), {**PRICES, "cached": 1_000_000.0}, 10.0),
    ],
)
def test_a_cost_is_the_sum_of_its_tokens_or_not_known(usage, prices, expected):
    found = cost(usage, prices)
    assert found == pytest.approx(expected) if expected is not None else found is None


@pytest.mark.parametrize("price", [-1.0, float("nan"), float("inf"), "2", True, None])
def test_prices_that_cannot_be_meant_are_refused(price):
    with pytest.raises(ConfigurationError):
        check_prices({"prompt": price})


def test_kinds_of_tokens_that_have_no_price_are_refused():
    check_prices(PRICES)
    with pytest.raises(UnknownNameError):
        check_prices({"promt": 1.0})


def test_an_estimate_counts_four_bytes_as_a_token():
    assert estimate_tokens(CHAT) == 104
    assert estimate_tokens(replace(CHAT, max_tokens=50)) == 154
    assert estimate_tokens(CHAT, answer_tokens=20) == 124
    assert estimate_tokens(EmbeddingRequest("m", ("ä" * 4, "x"))) == 3
    assert estimate_tokens(CompletionRequest("m", ("abcd", "abcd"), max_tokens=3)) == 8
    assert estimate_tokens(RerankRequest("m", "abcd", ("abcd", "abcd"))) == 4


def test_an_estimate_counts_images_and_tools():
    image = ImagePart(data=b"x" * 10**6, media_type="image/png")
    with_image = ChatRequest("m", (Message("user", (TextPart("a" * 400), image)),))
    assert estimate_tokens(with_image) == 104 + 85
    assert estimate_tokens(replace(CHAT, tools=(Tool("f", {"a": 1}, "d"),))) > 104


def test_an_estimate_of_half_a_character_is_a_number():
    assert estimate_tokens(EmbeddingRequest("m", ("\ud800",))) == 1
