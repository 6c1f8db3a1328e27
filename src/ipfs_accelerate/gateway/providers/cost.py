"""What answers cost, by the prices the user has written down; no price is known here.

A cost that cannot be known is ``None``, never 0: when a price or a count of tokens is missing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import ConfigurationError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.gateway.messages import Usage

__all__ = ["PRICED", "check_prices", "cost"]

PRICED = ("prompt", "completion", "cached")
_MILLION = 1_000_000


def cost(usage: Usage, price_per_million: Mapping[str, float]) -> float | None:
    """Currency units for ``usage``.

    The sum over kinds of tokens of count x price / 1,000,000. Cached tokens are part of the
    prompt; they cost ``cached`` each, or ``prompt`` where no such price is given. A kind of which
    no token was used needs no price.

    Args:
        usage: As the service counted.
        price_per_million: Of `Endpoint.price_per_million`.

    Returns:
        ``None`` when the prompt's tokens, or a price that matters, are not known; tokens of the
        answer that are not known count as none only where the prices have no ``completion``.

    Example:
        >>> from ipfs_accelerate.gateway.messages import Usage
        >>> cost(Usage(1_000_000, 500_000), {"prompt": 1.0, "completion": 4.0})
        3.0
    """
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    if not price_per_million or prompt is None:
        return None
    if completion is None:
        if "completion" in price_per_million:
            return None
        completion = 0
    cached = min(usage.cached_tokens or 0, prompt)
    price = price_per_million.get("prompt")
    parts = (
        (prompt - cached, price),
        (cached, price_per_million.get("cached", price)),
        (completion, price_per_million.get("completion")),
    )
    if any(tokens and each is None for tokens, each in parts):
        return None
    return sum(tokens * each for tokens, each in parts if each is not None) / _MILLION


def check_prices(price_per_million: Mapping[str, float]) -> None:
    """Refuse prices that cannot be meant.

    Raises:
        UnknownNameError: A kind of tokens that is not priced.
        ConfigurationError: A price that is negative or not finite.
    """
    for kind, price in price_per_million.items():
        if kind not in PRICED:
            raise UnknownNameError(kind, PRICED)
        if isinstance(price, bool) or not isinstance(price, (int, float)):
            raise ConfigurationError(f"the price {price!r} of {kind} tokens is not a number")
        if not math.isfinite(price) or price < 0:
            raise ConfigurationError(f"the price {price!r} of {kind} tokens cannot be meant")
