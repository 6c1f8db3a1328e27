"""What can go wrong with a service, as values.

Where to look: `RefuseConnection`, `WrongCertificate` and `UnknownHost` concern the whole server;
all others concern single requests and share the fields of `RequestFault`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = [
    "CutMidStream",
    "EmptyAnswer",
    "EmptyBody",
    "Fault",
    "HtmlPage",
    "MalformedChunk",
    "ModelNotFound",
    "NoEndMarker",
    "OtherSchema",
    "RefuseConnection",
    "RefuseContent",
    "RequestFault",
    "ResetBeforeHeaders",
    "ServerFault",
    "SlowFirst",
    "StallMidStream",
    "Status",
    "UnknownHost",
    "WrongCertificate",
    "WrongCount",
    "WrongLength",
]


@dataclass(frozen=True, slots=True)
class ServerFault:
    """Goes wrong before a request can be sent."""


@dataclass(frozen=True, slots=True)
class RefuseConnection(ServerFault):
    """Nobody listens at the port (which is kept, so that nobody else can)."""


@dataclass(frozen=True, slots=True)
class WrongCertificate(ServerFault):
    """The address is ``https:``; the certificate is self-signed and for another name."""


@dataclass(frozen=True, slots=True)
class UnknownHost(ServerFault):
    """The address has a name that does not exist.

    Source: RFC 2606, section 2, ``.invalid``.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFault:
    """Goes wrong with single requests.

    Attributes:
        times: How many requests it hits, then no more; ``None`` for all.
        skip: How many fitting requests are let through before.
        key: Hits only requests with the key of this name.
    """

    times: int | None = None
    skip: int = 0
    key: str | None = None


@dataclass(frozen=True, slots=True)
class ResetBeforeHeaders(RequestFault):
    """The request is read, and the connection reset."""


@dataclass(frozen=True, slots=True)
class Status(RequestFault):
    """A refusal in the words of the service.

    Attributes:
        status: Of HTTP.
        retry_after: Seconds, a moment (with its zone), or a text to send as it is.
        code: In place of the service's usual code for the status.
    """

    status: int = 500
    retry_after: float | datetime | str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class ModelNotFound(RequestFault):
    """The service does not have the model."""


@dataclass(frozen=True, slots=True)
class RefuseContent(RequestFault):
    """The content filter refuses; services without one answer as usual."""


@dataclass(frozen=True, slots=True)
class SlowFirst(RequestFault):
    """The answer begins late.

    Attributes:
        wait_s: How late.
        has_headers: The status and headers come at once, only the first piece is late.
    """

    wait_s: float = 3600.0
    has_headers: bool = False


@dataclass(frozen=True, slots=True)
class _Partial(RequestFault):
    """Goes wrong after some pieces of a stream, or after half of a whole answer.

    Attributes:
        after: Pieces of text that are sent before.
    """

    after: int = 2


@dataclass(frozen=True, slots=True)
class StallMidStream(_Partial):
    """The connection stays, but nothing comes any more."""


@dataclass(frozen=True, slots=True)
class CutMidStream(_Partial):
    """The connection is reset."""


@dataclass(frozen=True, slots=True)
class MalformedChunk(_Partial):
    """A piece is half an object; what follows it is in order."""


@dataclass(frozen=True, slots=True)
class NoEndMarker(_Partial):
    """The answer ends in the order of HTTP but not of the service's protocol."""


@dataclass(frozen=True, slots=True)
class WrongLength(RequestFault):
    """``Content-Length`` is wrong.

    Attributes:
        extra_bytes: Announced beyond the true length; below 0, so many are not announced.
    """

    extra_bytes: int = 10


@dataclass(frozen=True, slots=True)
class EmptyAnswer(RequestFault):
    """An answer in good form with nothing in it: no text, no tokens, no vectors."""


@dataclass(frozen=True, slots=True)
class EmptyBody(RequestFault):
    """Status 200 without any body."""


@dataclass(frozen=True, slots=True)
class HtmlPage(RequestFault):
    """Status 200 with a page for people, as proxies and captive portals send."""


@dataclass(frozen=True, slots=True)
class OtherSchema(RequestFault):
    """Status 200 with a JSON object of some other service."""


@dataclass(frozen=True, slots=True)
class WrongCount(RequestFault):
    """One vector or score less than was asked for; chats are answered as usual."""


Fault = ServerFault | RequestFault
