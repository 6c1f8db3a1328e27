"""Reads the statistics of a server that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from ipfs_accelerate.errors import AccessDeniedError, ConnectivityError, MalformedAnswerError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["read_statistics"]

_TIMEOUT_S = 10.0


def read_statistics(url: str, *, token: str | None) -> Mapping[str, object]:
    """What the server at ``url`` counted.

    Raises:
        ConnectivityError: Nobody answers there.
        AccessDeniedError: The token is wrong or missing.
        MalformedAnswerError: It is another kind of server.
    """
    address = url.rstrip("/").removesuffix("/v1") + "/v1/gateway/stats"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = httpx.get(address, headers=headers, timeout=_TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ConnectivityError(
            f"no gateway answers at {url}: {error}", hint="start one with accel gateway serve"
        ) from error
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise AccessDeniedError(
            f"the gateway at {url} wants its token",
            hint="set IPFS_ACCELERATE_GATEWAY_TOKEN to what serve printed",
        )
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict) or "routes" not in found:
        raise MalformedAnswerError(f"what answers at {url} is no gateway", hint="check the address")
    return found
