"""Who may ask: token, Host (against DNS rebinding), Origin (against other pages). Pure."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from ipfs_accelerate.content.serving.routes import Request, Response, text
from ipfs_accelerate.errors import ConfigurationError

__all__ = ["Access", "Refusal", "is_loopback", "open_access"]

#: What a page may read. Source: specs.ipfs.tech/http-gateways/path-gateway (CORS).
_EXPOSED = (
    "Content-Length, Content-Range, Content-Type, Content-Disposition, Etag, Retry-After,"
    " X-Ipfs-Path, X-Ipfs-Roots, X-Chunked-Output, X-Stream-Output"
)
_ALLOWED = "Accept, Authorization, Cache-Control, Content-Type, If-None-Match, If-Range, Range"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not served.

    Attributes:
        reason: Under what it is counted.
        response: What to answer.
    """

    reason: str
    response: Response


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one server; made by `open_access`.

    Attributes:
        token: Asked for as ``Authorization: Bearer``; ``None`` asks for nothing.
        is_local: Bound to loopback: only loopback names are taken as Host.
        origins: Origins of pages that may read; ``*`` for all. The server's own always may.
    """

    token: str | None
    is_local: bool
    origins: tuple[str, ...] = ()

    def refuse(self, request: Request, *, needs_token: bool = True) -> Refusal | None:
        """Why ``request`` must not be served; ``None`` when it may be."""
        host = request.headers.get("host", "")
        if not host or (self.is_local and not is_loopback(_hostname(host))):
            return _refusal(
                "host", 403, f"this server is not {host!r}: ask it as 127.0.0.1 or localhost"
            )
        origin = request.headers.get("origin")
        if origin is not None and not self._may_read(origin, host):
            return _refusal("origin", 403, f"pages of {origin!r} may not read from this server")
        if needs_token and not self._knows_token(request.headers.get("authorization", "")):
            return _refusal(
                "token", 401, "send the server's token as Authorization: Bearer <token>"
            )
        return None

    def cors(self, request: Request) -> dict[str, str]:
        """Headers that let an allowed page read the answer; empty when CORS is off."""
        origin = request.headers.get("origin")
        if not self.origins:
            return {}
        if origin is None or not ({origin, "*"} & set(self.origins)):
            return {"Vary": "Origin"}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": _EXPOSED,
            "Vary": "Origin",
        }

    def preflight(self, request: Request) -> Response | None:
        """The answer to a page's question whether it may ask; ``None`` when it is no such one."""
        is_asking = request.method == "OPTIONS" and self.origins
        if not is_asking or "access-control-request-method" not in request.headers:
            return None
        if self.refuse(request, needs_token=False):
            return None
        return Response(
            204,
            {
                "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
                "Access-Control-Allow-Headers": _ALLOWED,
                "Access-Control-Max-Age": "600",
            },
        )

    def _may_read(self, origin: str, host: str) -> bool:
        own = urlsplit(origin)
        return "*" in self.origins or origin in self.origins or own.netloc == host

    def _knows_token(self, authorization: str) -> bool:
        if self.token is None:
            return True
        scheme, _, given = authorization.partition(" ")
        same = hmac.compare_digest(
            given.strip().encode("utf-8", "surrogateescape"), self.token.encode()
        )
        return same and scheme.lower() == "bearer"


def open_access(host: str, token: str | None, origins: tuple[str, ...] = ()) -> Access:
    """Rules for a server bound to ``host``.

    Args:
        host: Address or name.
        token: ``"generate"`` makes one of 256 bits; ``None`` asks for none, on loopback only.
        origins: See `Access`.

    Raises:
        ConfigurationError: Others could reach the server and would need no token.
    """
    is_local = is_loopback(host)
    if token is None and not is_local:
        raise ConfigurationError(
            f"serving on {host!r} without a token would let everybody who reaches it read",
            hint='pass a token (or "generate"), or bind to 127.0.0.1',
        )
    if token is not None and (not token or not token.isascii() or not token.isprintable()):
        raise ConfigurationError("a token must be printable ASCII", hint='pass "generate"')
    return Access(secrets.token_urlsafe(32) if token == "generate" else token, is_local, origins)  # noqa: S105


def is_loopback(hostname: str) -> bool:
    """Whether a name can only mean this machine."""
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return hostname.lower() == "localhost"


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _refusal(reason: str, status: int, message: str) -> Refusal:
    challenge = {"WWW_Authenticate": 'Bearer realm="ipfs-accelerate"'} if status == 401 else {}
    return Refusal(reason, text(status, message, **challenge))
