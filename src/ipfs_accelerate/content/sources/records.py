"""Records of names out of a gateway; whoever asked verifies them.

Source: specs.ipfs.tech/http-gateways/trustless-gateway (IPNS records).
"""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

from ipfs_accelerate.content.sources._http import HttpPool, Patience, refusal
from ipfs_accelerate.errors import ContentNotFoundError

if TYPE_CHECKING:
    from ipfs_accelerate.content.cid import Cid

__all__ = ["fetch_record"]

_MEDIA_TYPE = "application/vnd.ipfs.ipns-record"
_MAX_RECORD_BYTES = 10 * 1024
_PATIENCE_S = 10.0


def fetch_record(url: str, name: Cid, *, token: str | None = None) -> bytes:
    """The record a gateway has for a name, unverified.

    Raises:
        ContentNotFoundError: It has none.
        ContentLimitError: It sends more than a record may have.
        ConnectivityError: It cannot be reached.
        AccessDeniedError: It wants another token.
    """
    pool = HttpPool(token=token)
    target = f"{url.rstrip('/')}/ipns/{name}?format=ipns-record"
    try:
        with pool.request(
            "GET", target, patience=Patience(Event(), _PATIENCE_S), headers={"Accept": _MEDIA_TYPE}
        ) as reply:
            if reply.status in {404, 410}:
                raise ContentNotFoundError(f"{url} has no record for {name}")
            if reply.status != 200:
                raise refusal(reply, f"the record of {name}")
            return bytes(reply.read_body(_MAX_RECORD_BYTES))
    finally:
        pool.close()
