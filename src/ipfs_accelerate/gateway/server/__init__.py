"""The gateway as a server which speaks the OpenAI API, for any client that exists.

Reading and writing bodies is pure; `app` is the only part that knows aiohttp.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.server.app import GatewayServer

__all__ = ["GatewayServer"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.app"), name)
