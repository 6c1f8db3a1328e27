"""Peers on the local network by multicast DNS; only when asked for.

A service of type `SERVICE` says the version of the protocol and the id of the node, never the
token. Whoever is found has to prove that it holds the token before anything is sent to it.

Source: RFC 6762 and RFC 6763, through the package zeroconf.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ipfs_accelerate.errors import ConfigurationError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SERVICE", "Discovery"]

_log = logging.getLogger(__name__)
SERVICE = "_ipfs-accelerate._tcp.local."
_ANSWER_MS = 1500


class Discovery:
    """Announces this node and finds others, on one interface.

    Args:
        peer_id: Of this node.
        url: Where this node answers; its host is an address.
        found: Called with the URL of each other node, on a thread of its own.
        interface: Address of the interface; that of ``url`` by default.

    Raises:
        ConfigurationError: The host of ``url`` is a name or a wildcard.
        MissingExtraError: zeroconf is not installed.
    """

    def __init__(
        self,
        peer_id: str,
        url: str,
        *,
        found: Callable[[str], None],
        interface: str | None = None,
    ) -> None:
        try:
            from zeroconf import ServiceBrowser, ServiceInfo, Zeroconf
        except ImportError as error:
            raise MissingExtraError(
                "content", needed_for="finding peers on the network", module="zeroconf"
            ) from error
        parts = urlsplit(url)
        address = _address(parts.hostname or "")
        self._peer_id, self._found = peer_id, found
        self._service = ServiceInfo(
            SERVICE,
            f"{peer_id}.{SERVICE}",
            addresses=[address.packed],
            port=parts.port or 80,
            properties={"v": "1", "id": peer_id},
            server=f"{peer_id}.local.",
        )
        self._zeroconf = Zeroconf(interfaces=[interface or str(address)])
        self._zeroconf.register_service(self._service)
        self._browser = ServiceBrowser(self._zeroconf, SERVICE, handlers=[self._changed])

    def close(self) -> None:
        """Say good-bye and stop."""
        self._browser.cancel()
        self._zeroconf.unregister_service(self._service)
        self._zeroconf.close()

    def _changed(
        self,
        zeroconf: Any,  # noqa: ANN401 - zeroconf calls with keywords and types of its own
        service_type: str,
        name: str,
        state_change: Any,  # noqa: ANN401
    ) -> None:
        if state_change.name == "Removed" or name.startswith(self._peer_id):
            return
        info = zeroconf.get_service_info(service_type, name, timeout=_ANSWER_MS)
        if info is None or info.properties.get(b"v") != b"1" or not info.port:
            return
        for packed in info.addresses_by_version(_every_version())[:4]:
            family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
            host = socket.inet_ntop(family, packed)
            _log.debug("found %s at %s", name, host)
            self._found(f"http://{host if len(packed) == 4 else f'[{host}]'}:{info.port}")


def _every_version() -> Any:  # noqa: ANN401
    from zeroconf import IPVersion

    return IPVersion.All


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = ipaddress.ip_address(0)
    if address.is_unspecified:
        raise ConfigurationError(
            f"others cannot be told to come to {host!r}",
            hint="bind to the address of one interface, or advertise one",
        )
    return address
