"""A hub repository as a source: leaves are byte ranges of its files at one commit.

The commit is part of every URL and is compared with what the hub says it answered for; the
sha256 the hub states for a large file is compared with the release's. Blocks are verified by
whoever asked, as from any source.

Source: https://huggingface.co/docs/hub/api (resolve URLs, X-Repo-Commit, X-Linked-ETag) and
RFC 9110, sections 14.2 and 15.3.7 (ranges).
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from ipfs_accelerate.content.sources._http import Cancelled, HttpPool, Patience, refusal
from ipfs_accelerate.content.sources.protocol import SourceKind
from ipfs_accelerate.errors import (
    AccelerateError,
    AccessDeniedError,
    ConnectivityError,
    ContentFormatError,
    ContentNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from threading import Event

    from ipfs_accelerate.content.sources._http import Reply
    from ipfs_accelerate.content.sources.protocol import Deliver, Want
    from ipfs_accelerate.content.sources.ranges import RangeMap, Span
    from ipfs_accelerate.hardware import Support

__all__ = ["HubRevision", "HubSource"]

#: Bytes one request asks for: long enough to hide the redirect to the CDN.
SPAN_BYTES = 8 * 2**20
_PROBE_S = 10.0
_MAX_HOPS = 5
_SHA256 = re.compile(r'"?([0-9a-f]{64})"?\Z')
_ABSENT = frozenset({404, 410})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class HubRevision:
    """One commit of a repository.

    Attributes:
        repository: ``org/name``.
        commit: Forty hex digits.
        endpoint: Base URL of the hub.
    """

    repository: str
    commit: str
    endpoint: str = "https://huggingface.co"


class HubSource:
    """Blocks out of the files of a hub repository.

    Args:
        revision: Which commit.
        ranges: Which of its files hold what.
        token: Credential; the one of the environment or of ``hf auth login`` when ``None``,
            none at all when ``False``. It goes to the hub alone, never to its CDN.
    """

    kind = SourceKind.HUB

    def __init__(
        self, revision: HubRevision, ranges: RangeMap, *, token: str | bool | None = None
    ) -> None:
        self._revision = revision
        self._ranges = ranges
        self._token = token
        self._pool = HttpPool()

    @property
    def name(self) -> str:
        """``hub:org/name@commit``."""
        return f"hub:{self._revision.repository}@{self._revision.commit[:12]}"

    def probe(self) -> Support:
        """See `Source.probe`: whether the hub knows the commit."""
        from threading import Event

        from ipfs_accelerate.hardware import Support

        about = self._revision
        url = f"{about.endpoint}/api/models/{about.repository}/revision/{about.commit}"
        patience = Patience(Event(), _PROBE_S)
        try:
            with self._answer(url, patience, {}) as (reply, _):
                status = reply.status
        except AccelerateError as error:
            return Support.no(error.message, "check the network")
        if status != 200:
            return Support.no(
                f"{about.endpoint} answers {status} for {self.name}",
                "a private repository needs HF_TOKEN",
            )
        return Support.yes(f"{about.endpoint} serves {self.name}")

    def available(self, wants: Sequence[Want]) -> list[bool | None]:
        """See `Source.available`: leaves of the release's files may be here, nothing else is."""
        return [None if self._ranges.locate(want) else False for want in wants]

    def fetch(
        self, wants: Sequence[Want], deliver: Deliver, *, cancel: Event, timeout_s: float
    ) -> None:
        """See `Source.fetch`."""
        for want in wants:
            if self._ranges.locate(want) is None:
                raise self._absent(want, "it is in none of its files")
        with contextlib.suppress(Cancelled):
            for span in self._ranges.spans(wants, longest_bytes=SPAN_BYTES):
                if cancel.is_set():
                    return
                self._fetch_span(span, deliver, Patience(cancel, timeout_s), cancel)

    def close(self) -> None:
        """See `Source.close`."""
        pool, self._pool = self._pool, HttpPool()
        pool.close()

    def _fetch_span(self, span: Span, deliver: Deliver, patience: Patience, cancel: Event) -> None:
        if span.start == span.end:  # an empty file: there is nothing to ask for
            for piece in span.pieces:
                deliver(piece.want, piece.block(b""))
            return
        from huggingface_hub import hf_hub_url

        about = self._revision
        url = hf_hub_url(
            about.repository, span.file.path, revision=about.commit, endpoint=about.endpoint
        )
        headers = {"Range": f"bytes={span.start}-{span.end - 1}"}
        with self._answer(url, patience, headers) as (reply, pins):
            self._check(reply, pins, span)
            for piece in span.pieces:
                if cancel.is_set():
                    return
                view = reply.buffer[: piece.size_bytes]
                if reply.read_into(view) < piece.size_bytes:
                    raise self._broke_off("ended early")
                deliver(piece.want, piece.block(view))

    @contextlib.contextmanager
    def _answer(
        self, url: str, patience: Patience, headers: dict[str, str]
    ) -> Iterator[tuple[Reply, list[dict[str, str]]]]:
        """The answer behind all redirects, and the pins of every hop.

        No error names a URL behind a redirect: it carries a signature.
        """
        pins: list[dict[str, str]] = []
        for _ in range(_MAX_HOPS):
            sent = headers | (self._credentials if self._is_hub(url) else {})
            try:
                request = self._pool.request(
                    "GET", url, patience=patience, headers=sent, follows=False
                )
                with request as reply:
                    pins.append({name: reply.header(name) for name in _PINS})
                    location = reply.header("Location")
                    if reply.status not in _REDIRECTS or not location:
                        yield reply, pins
                        return
                    target = urljoin(url, location)
            except ConnectivityError as error:
                if self._is_hub(url):
                    raise
                raise self._broke_off("broke off") from error.__cause__
            if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
                raise ContentFormatError(f"{self.name} redirects from https to plain http")
            url = target
        raise ContentFormatError(f"{self.name} redirects more than {_MAX_HOPS} times")

    @cached_property
    def _credentials(self) -> dict[str, str]:
        from huggingface_hub.utils import (  # type: ignore[attr-defined]  # public, not in __all__
            build_hf_headers,
        )

        headers: dict[str, str] = build_hf_headers(
            token=self._token, library_name="ipfs-accelerate"
        )
        return headers

    def _is_hub(self, url: str) -> bool:
        hub, other = urlsplit(self._revision.endpoint), urlsplit(url)
        return (hub.scheme, hub.netloc) == (other.scheme, other.netloc)

    def _check(self, reply: Reply, pins: list[dict[str, str]], span: Span) -> None:
        is_whole = span.start == 0 and span.end == span.file.size_bytes
        if reply.status != 206 and not (reply.status == 200 and is_whole):
            raise self._refusal(reply, span)
        wanted = f"bytes {span.start}-{span.end - 1}/{span.file.size_bytes}"
        if reply.status == 206 and reply.header("Content-Range") != wanted:
            raise ContentFormatError(
                f"{self.name} answered {reply.header('Content-Range')!r} when asked for {wanted!r}"
                f" of {span.file.path}"
            )
        for pin in pins:
            self._check_pin(pin, span)

    def _check_pin(self, pin: dict[str, str], span: Span) -> None:
        commit = pin["X-Repo-Commit"]
        if commit and commit != self._revision.commit:
            raise ContentFormatError(f"{self.name} answered for commit {commit}")
        linked = _SHA256.match(pin["X-Linked-ETag"])
        if linked and linked[1] != span.file.sha256:
            raise ContentFormatError(
                f"{span.file.path} of {self.name} has sha256 {linked[1]},"
                f" not {span.file.sha256} as released"
            )

    def _refusal(self, reply: Reply, span: Span) -> AccelerateError:
        if reply.status in _ABSENT:
            return self._absent(span.pieces[0].want, f"the hub answers {reply.status}")
        found = refusal(reply, span.file.path)
        message = f"{self.name} answers {reply.status} for {span.file.path}"
        if isinstance(found, AccessDeniedError):
            return AccessDeniedError(message, hint="set HF_TOKEN to a token that may read it")
        if isinstance(found, ConnectivityError):
            return ConnectivityError(message, details=found.details)
        return ContentFormatError(message)

    def _broke_off(self, how: str) -> ConnectivityError:
        return ConnectivityError(f"{self.name} {how}", details={"source": self.name})

    def _absent(self, want: Want, why: str) -> ContentNotFoundError:
        return ContentNotFoundError(
            f"{self.name} does not have {want.cid}: {why}",
            details={"cid": str(want.cid), "source": self.name},
        )


_PINS = ("X-Repo-Commit", "X-Linked-ETag")
