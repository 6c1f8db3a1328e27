"""Trustless gateways: raw blocks, and runs of leaves as one CAR.

Source: specs.ipfs.tech/http-gateways/trustless-gateway.
"""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import TYPE_CHECKING

from ipfs_accelerate.content.cid import Codec
from ipfs_accelerate.content.limits import MAX_BLOCK_BYTES
from ipfs_accelerate.content.sources._http import Cancelled, HttpPool, Patience, Reply, refusal
from ipfs_accelerate.content.sources._http_car import iter_frames
from ipfs_accelerate.content.sources.protocol import SourceKind, Want
from ipfs_accelerate.errors import (
    AccelerateError,
    BlockMismatchError,
    ConnectivityError,
    ContentFormatError,
    ContentLimitError,
    ContentNotFoundError,
    InputError,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence
    from threading import Event

    from ipfs_accelerate.content.cid import Cid
    from ipfs_accelerate.content.sources.protocol import Deliver
    from ipfs_accelerate.hardware import Support

__all__ = ["GatewaySource"]

_RAW = "application/vnd.ipld.raw"
_CAR = "application/vnd.ipld.car"
_ACCEPT_CAR = f"{_CAR}; version=1; order=dfs; dups=n"
_ABSENT = frozenset({404, 410, 451})
#: Answers of a gateway that speaks raw blocks only.
_NO_CAR = frozenset({400, 405, 406, 415, 501})
#: Bytes of a CAR nobody asked for: nodes above the leaves of one run.
_MAX_UNASKED_BYTES = 16 * 2**20
#: The empty block. Source: the gateway specification's probe.
_PROBE_CID = "bafkqaaa"
_PROBE_S = 5.0
_MAX_LABEL = 63


class GatewaySource:
    """Blocks from one trustless gateway.

    Args:
        url: Base of the gateway, ``http://127.0.0.1:8080``; with ``{cid}`` in its host it is of the
            subdomain style: ``https://{cid}.ipfs.dweb.link``.
        token: Bearer token.
        kind: What it counts as; a peer is a gateway too.
        name: For tables; made of kind and URL by default.
        context: TLS settings.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        kind: SourceKind = SourceKind.GATEWAY,
        name: str | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        if not url.startswith(("http://", "https://")) or any(c in url for c in "?#@ "):
            raise InputError(
                f"not the base URL of a gateway: {url!r}",
                hint="like http://127.0.0.1:8080 or https://{cid}.ipfs.dweb.link",
            )
        self.url = url.rstrip("/")
        self._name = name or f"{kind}:{self.url}"
        self._kind = kind
        self._pool = HttpPool(token=token, context=context)
        self._speaks_car = True

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return self._name

    @property
    def kind(self) -> SourceKind:
        """See `Source.kind`."""
        return self._kind

    def probe(self) -> Support:
        """See `Source.probe`."""
        from ipfs_accelerate.hardware import Support

        patience = Patience(threading.Event(), _PROBE_S)
        url = f"{self.url.replace('{cid}', _PROBE_CID)}/ipfs/{_PROBE_CID}?format=raw"
        if "{cid}" in self.url:
            url = f"{self.url.replace('{cid}', _PROBE_CID)}/?format=raw"
        try:
            with self._pool.request("GET", url, patience=patience, headers={"Accept": _RAW}) as r:
                if r.status in {200, *_ABSENT}:
                    return Support.yes(f"{self.url} answers")
                return Support.no(str(refusal(r, "a probe")))
        except AccelerateError as error:
            return Support.no(error.message, error.hint)

    def available(self, wants: Sequence[Want]) -> list[bool | None]:
        """Only trying tells."""
        return [None] * len(wants)

    def fetch(
        self, wants: Sequence[Want], deliver: Deliver, *, cancel: Event, timeout_s: float
    ) -> None:
        """See `Source.fetch`. Neighbouring leaves of one file come in one request."""
        patience = Patience(cancel, timeout_s)
        try:
            for run in runs_of(wants):
                patience.check()
                if (
                    len(run) == 1
                    or not self._speaks_car
                    or not self._fetch_run(run, deliver, patience)
                ):
                    for want in run:
                        patience.check()
                        self._fetch_raw(want, deliver, patience)
        except Cancelled:
            return

    def close(self) -> None:
        """See `Source.close`."""
        self._pool.close()

    def url_of(self, cid: Cid, query: str) -> str:
        """Where a CID is asked for.

        Raises:
            ContentFormatError: It does not fit a host name and the gateway wants it there.
        """
        if "{cid}" not in self.url:
            return f"{self.url}/ipfs/{cid}?{query}"
        label = str(cid.to_v1())
        if len(label) > _MAX_LABEL:
            raise ContentFormatError(f"{label} is too long for the host name of {self.url}")
        return f"{self.url.replace('{cid}', label)}/?{query}"

    def _fetch_raw(self, want: Want, deliver: Deliver, patience: Patience) -> None:
        url = self.url_of(want.cid, "format=raw")
        headers = {"Accept": _RAW}
        with self._pool.request("GET", url, patience=patience, headers=headers) as reply:
            if reply.status in _ABSENT:
                raise self._lacks(want, f"answers {reply.status}")
            if reply.status != 200:
                raise refusal(reply, f"block {want.cid}")
            block = reply.read_body(MAX_BLOCK_BYTES)
            if not reply.is_framed and not _is_right(want, block):
                raise ConnectivityError(f"{url} cut off, after {len(block)} bytes or before")
            deliver(want, block)

    def _fetch_run(self, run: Sequence[Want], deliver: Deliver, patience: Patience) -> bool:
        """Deliver neighbouring leaves out of one CAR; false where the gateway has none to give."""
        first, last = run[0], run[-1]
        assert first.file is not None
        end = (last.offset or 0) + (last.size_bytes or 0) - 1
        query = f"format=car&dag-scope=entity&entity-bytes={first.offset}:{end}"
        url = self.url_of(first.file, query)
        with self._pool.request(
            "GET", url, patience=patience, headers={"Accept": _ACCEPT_CAR}
        ) as reply:
            if reply.status in _NO_CAR or (reply.status == 200 and reply.media_type != _CAR):
                self._speaks_car = False
                return False
            if reply.status in _ABSENT:
                return False
            if reply.status != 200:
                raise refusal(reply, f"a CAR of {first.file}")
            missing = _deliver_frames(reply, run, deliver)
        if missing is not None:
            raise self._lacks(missing, "leaves it out of a CAR")
        return True

    def _lacks(self, want: Want, how: str) -> ContentNotFoundError:
        return ContentNotFoundError(
            f"{self._name} lacks {want.cid}: it {how}", details={"cid": str(want.cid)}
        )


def runs_of(wants: Sequence[Want]) -> list[list[Want]]:
    """Cut a batch where the next want does not follow in the same file."""
    runs: list[list[Want]] = [[want] for want in wants[:1]]
    for before, want in pairwise(wants):
        if _follows(before, want):
            runs[-1].append(want)
        else:
            runs.append([want])
    return runs


def _follows(before: Want, want: Want) -> bool:
    if want.file is None or want.file != before.file or want.file.codec == Codec.RAW:
        return False
    if None in {before.offset, before.size_bytes, want.offset, want.size_bytes}:
        return False
    return want.offset == (before.offset or 0) + (before.size_bytes or 0)


def _is_right(want: Want, block: memoryview) -> bool:
    """Where nothing tells a cut body from a whole one, only its hash does: no proof of a lie."""
    try:
        want.cid.verify(block)
    except BlockMismatchError:
        return False
    return True


def _deliver_frames(reply: Reply, run: Sequence[Want], deliver: Deliver) -> Want | None:
    """Hand on what was asked for; returns the first want that did not come."""
    expected = {want.cid.multihash: want for want in run}
    unasked_bytes = 0
    for cid, block in iter_frames(reply):
        want = expected.pop(cid.multihash, None)
        if want is not None:
            deliver(want, block)
            continue
        unasked_bytes += len(block)
        if unasked_bytes > _MAX_UNASKED_BYTES:
            raise ContentLimitError(f"{reply.url} sends {unasked_bytes} bytes nobody asked for")
    return next(iter(expected.values()), None)
