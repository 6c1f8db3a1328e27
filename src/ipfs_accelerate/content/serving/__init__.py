"""Serving: what a store holds, as a trustless gateway that any IPFS tool can read from.

The rules are pure (`access`, `rates`, `negotiation`, `paths`), handlers are plain functions
(`routes`), and only the modules with an underscore know the HTTP library.
"""

from ipfs_accelerate.content.serving.gateway import Options
from ipfs_accelerate.content.serving.limits import Limits
from ipfs_accelerate.content.serving.routes import FileRange, Request, Response, Route, text
from ipfs_accelerate.content.serving.server import GatewayServer
from ipfs_accelerate.content.serving.statistics import Statistics

__all__ = [
    "FileRange",
    "GatewayServer",
    "Limits",
    "Options",
    "Request",
    "Response",
    "Route",
    "Statistics",
    "text",
]
