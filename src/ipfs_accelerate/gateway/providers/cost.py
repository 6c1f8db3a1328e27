"""What an answer cost, by a price table of the user; no prices are shipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.gateway.messages import Usage

__all__ = ["cost"]


def cost(usage: Usage, price_per_million: Mapping[str, float]) -> float | None:
    """Cost in the currency of the table.

    Args:
        usage: As the service counted.
        price_per_million: Price of a million tokens: ``prompt``, ``completion``, and ``cached``
            for those of the prompt which the service had in its cache (as ``prompt`` if absent).

    Returns:
        ``None`` when tokens were used that have no price, or were not counted.

    Example:
        >>> from ipfs_accelerate.gateway.messages import Usage
        >>> cost(Usage(1_000_000, 500_000), {"prompt": 1.0, "completion": 4.0})
        3.0
    """
    if not price_per_million or usage.prompt_tokens is None:
        return None
    cached = usage.cached_tokens or 0
    prompt = price_per_million.get("prompt")
    counts = (
        (usage.prompt_tokens - cached, prompt),
        (cached, price_per_million.get("cached", prompt)),
        (usage.completion_tokens or 0, price_per_million.get("completion")),
    )
    if any(price is None for count, price in counts if count):
        return None
    return sum(count * (price or 0.0) for count, price in counts) / 1e6
