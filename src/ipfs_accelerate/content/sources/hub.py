"""A hub repository as a source: leaves are byte ranges of its files at one commit.

The commit is part of every URL and is compared with what the hub says it answered for; the
sha256 the hub states for a large file is compared with the release's. Blocks are verified by
whoever asked, as from any source.

Source: https://huggingface.co/docs/hub/api (resolve URLs, X-Repo-Commit, X-Linked-ETag) and
RFC 9110, sections 14.2 and 15.3.7 (ranges).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.content.sources.protocol import SourceKind
from ipfs_accelerate.errors import (
    AccelerateError,
    AccessDeniedError,
    ConnectivityError,
    ContentFormatError,
    ContentNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from threading import Event

    import httpx

    from ipfs_accelerate.content.sources.protocol import Deliver, Want
    from ipfs_accelerate.content.sources.ranges import RangeMap, Span
    from ipfs_accelerate.hardware import Support

__all__ = ["HubRevision", "HubSource"]

#: Bytes one request asks for: long enough to hide the redirect to the CDN.
SPAN_BYTES = 8 * 2**20
_PROBE_S = 10.0
_READ_BYTES = 256 * 1024
_SHA256 = re.compile(r'"?([0-9a-f]{64})"?\Z')
_REFUSED = frozenset({401, 403})
_ABSENT = frozenset({404, 410})
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})


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
            none at all when ``False``.
    """

    kind = SourceKind.HUB

    def __init__(
        self, revision: HubRevision, ranges: RangeMap, *, token: str | bool | None = None
    ) -> None:
        self._revision = revision
        self._ranges = ranges
        self._token = token
        self._client_made: httpx.Client | None = None

    @property
    def name(self) -> str:
        """``hub:org/name@commit``."""
        return f"hub:{self._revision.repository}@{self._revision.commit[:12]}"

    def probe(self) -> Support:
        """See `Source.probe`: whether the hub knows the commit."""
        import httpx

        from ipfs_accelerate.hardware import Support

        about = self._revision
        url = f"{about.endpoint}/api/models/{about.repository}/revision/{about.commit}"
        try:
            status = self._client().get(url, timeout=_PROBE_S).status_code
        except httpx.HTTPError as error:
            return Support.no(
                f"{about.endpoint} cannot be reached ({type(error).__name__})", "check the network"
            )
        if status != 200:
            return Support.no(
                f"{about.endpoint} answers HTTP status {status} for {self.name}",
                "a private repository needs HF_TOKEN",
            )
        return Support.yes(f"{about.endpoint} serves {self.name}")

    def available(self, wants: Sequence[Want]) -> list[bool | None]:
        """See `Source.available`: leaves of the release's files are here, nothing else is."""
        return [None if self._ranges.locate(want) else False for want in wants]

    def fetch(
        self, wants: Sequence[Want], deliver: Deliver, *, cancel: Event, timeout_s: float
    ) -> None:
        """See `Source.fetch`."""
        for want in wants:
            if self._ranges.locate(want) is None:
                raise self._absent(want.cid, "it is in none of its files")
        for span in self._ranges.spans(wants, longest_bytes=SPAN_BYTES):
            if cancel.is_set():
                return
            self._fetch_span(span, deliver, cancel=cancel, timeout_s=timeout_s)

    def close(self) -> None:
        """See `Source.close`."""
        if self._client_made is not None:
            self._client_made.close()
            self._client_made = None

    def _fetch_span(self, span: Span, deliver: Deliver, *, cancel: Event, timeout_s: float) -> None:
        if span.start == span.end:  # an empty file: there is nothing to ask for
            for piece in span.pieces:
                deliver(piece.want, piece.block(b""))
            return
        import httpx

        try:
            with self._request(span, timeout_s) as response:
                self._check(response, span)
                self._deliver(response, span, deliver, cancel=cancel)
        except httpx.HTTPError as error:
            raise ConnectivityError(
                f"{self.name} broke off ({type(error).__name__})", details={"source": self.name}
            ) from error

    def _request(self, span: Span, timeout_s: float) -> AbstractContextManager[httpx.Response]:
        from huggingface_hub import hf_hub_url

        url = hf_hub_url(
            self._revision.repository,
            span.file.path,
            revision=self._revision.commit,
            endpoint=self._revision.endpoint,
        )
        headers = {"Range": f"bytes={span.start}-{span.end - 1}", "Accept-Encoding": "identity"}
        return self._client().stream("GET", url, headers=headers, timeout=timeout_s)

    def _client(self) -> httpx.Client:
        if self._client_made is None:
            import httpx
            from huggingface_hub.utils import (  # type: ignore[attr-defined]  # public, not in __all__
                build_hf_headers,
            )

            # A redirect to another host (the CDN) loses the Authorization header: httpx's rule.
            self._client_made = httpx.Client(
                headers=build_hf_headers(token=self._token, library_name="ipfs-accelerate"),
                follow_redirects=True,
            )
        return self._client_made

    def _check(self, response: httpx.Response, span: Span) -> None:
        if response.status_code != 206:
            if response.status_code == 200 and span.start == 0 and span.end == span.file.size_bytes:
                return
            raise self._refusal(response, span)
        wanted = f"bytes {span.start}-{span.end - 1}/{span.file.size_bytes}"
        found = response.headers.get("Content-Range", "")
        if found != wanted:
            raise ContentFormatError(
                f"{self.name} answered {found!r} when asked for {wanted!r} of {span.file.path}"
            )
        for answer in (*response.history, response):
            self._check_pin(answer, span)

    def _check_pin(self, answer: httpx.Response, span: Span) -> None:
        commit = answer.headers.get("X-Repo-Commit")
        if commit and commit != self._revision.commit:
            raise ContentFormatError(f"{self.name} answered for commit {commit}")
        linked = _SHA256.match(answer.headers.get("X-Linked-ETag", ""))
        if linked and linked[1] != span.file.sha256:
            raise ContentFormatError(
                f"{span.file.path} of {self.name} has sha256 {linked[1]},"
                f" not {span.file.sha256} as released"
            )

    def _deliver(
        self, response: httpx.Response, span: Span, deliver: Deliver, *, cancel: Event
    ) -> None:
        pieces = iter(span.pieces)
        piece = next(pieces, None)
        held = bytearray()
        for chunk in response.iter_raw(_READ_BYTES):
            held += chunk
            while piece is not None and len(held) >= piece.size_bytes:
                if cancel.is_set():
                    return
                data = bytes(held[: piece.size_bytes])
                del held[: piece.size_bytes]
                deliver(piece.want, piece.block(data))
                piece = next(pieces, None)
            if piece is None or cancel.is_set():
                return
        raise ConnectivityError(
            f"{self.name} ended {span.file.path} early", details={"source": self.name}
        )

    def _refusal(self, response: httpx.Response, span: Span) -> AccelerateError:
        status = response.status_code
        details: dict[str, object] = {"status": status, "source": self.name}
        if status in _REFUSED:
            return AccessDeniedError(
                f"{self.name} denies access (HTTP status {status})",
                hint="set HF_TOKEN to a token that may read the repository",
                details=details,
            )
        if status in _ABSENT:
            return self._absent(span.pieces[0].want.cid, f"HTTP status {status}")
        if status in _LATER:
            wait = response.headers.get("Retry-After", "").strip()
            if wait.isdigit():
                details["retry_after_s"] = float(wait)
            return ConnectivityError(f"{self.name} answered HTTP status {status}", details=details)
        return ContentFormatError(
            f"{self.name} answered a range of {span.file.path} with HTTP status {status}",
            details=details,
        )

    def _absent(self, cid: object, why: str) -> ContentNotFoundError:
        return ContentNotFoundError(
            f"{self.name} does not have {cid}: {why}",
            details={"cid": str(cid), "source": self.name},
        )
