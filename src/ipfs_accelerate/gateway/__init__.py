"""Remote model services, and the local models, behind one reliable client.

Providers translate, the reliability core decides, the transport sends. Nothing of the runtimes
lives here: local models come in through a plugin hook.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.answer import Answer
    from ipfs_accelerate.gateway.backend import Backend, CallContext
    from ipfs_accelerate.gateway.blocking import BlockingGateway
    from ipfs_accelerate.gateway.gateway import Gateway
    from ipfs_accelerate.gateway.messages import ChatRequest, ImagePart, Message, TextPart, Tool
    from ipfs_accelerate.gateway.options import CallOptions, GatewaySettings
    from ipfs_accelerate.gateway.records import AttemptRecord, CallRecord
    from ipfs_accelerate.gateway.reliability import ReliabilitySettings
    from ipfs_accelerate.gateway.routes import (
        Allowance,
        Candidate,
        Endpoint,
        Key,
        KeyStrategy,
        OnRefusal,
        Priority,
        Route,
    )
    from ipfs_accelerate.gateway.sharing.settings import SharingSettings
    from ipfs_accelerate.gateway.stream import ChatStream
    from ipfs_accelerate.gateway.transport import TimeLimits

__all__ = [
    "Allowance",
    "Answer",
    "AttemptRecord",
    "Backend",
    "BlockingGateway",
    "CallContext",
    "CallOptions",
    "CallRecord",
    "Candidate",
    "ChatRequest",
    "ChatStream",
    "Endpoint",
    "Gateway",
    "GatewaySettings",
    "ImagePart",
    "Key",
    "KeyStrategy",
    "Message",
    "OnRefusal",
    "Priority",
    "ReliabilitySettings",
    "Route",
    "SharingSettings",
    "TextPart",
    "TimeLimits",
    "Tool",
]

# Imported when first used: a provider's messages do not need the reliability core.
_LATE = {
    "Allowance": "routes",
    "Answer": "answer",
    "AttemptRecord": "records",
    "Backend": "backend",
    "BlockingGateway": "blocking",
    "CallContext": "backend",
    "CallOptions": "options",
    "CallRecord": "records",
    "Candidate": "routes",
    "ChatRequest": "messages",
    "ChatStream": "stream",
    "Endpoint": "routes",
    "Gateway": "gateway",
    "GatewaySettings": "options",
    "ImagePart": "messages",
    "Key": "routes",
    "KeyStrategy": "routes",
    "Message": "messages",
    "OnRefusal": "routes",
    "Priority": "routes",
    "ReliabilitySettings": "reliability",
    "Route": "routes",
    "SharingSettings": "sharing.settings",
    "TextPart": "messages",
    "TimeLimits": "transport",
    "Tool": "messages",
}


def __getattr__(name: str) -> object:
    home = _LATE.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
