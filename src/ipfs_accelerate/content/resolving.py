"""From settings to sources, and from a CID to content that is here."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from threading import Event
from typing import TYPE_CHECKING

from ipfs_accelerate.content.naming import RecordStore
from ipfs_accelerate.content.reading import resolve_path
from ipfs_accelerate.content.release import (
    KeyRing,
    PublicKey,
    Trust,
    bring_block,
    open_contents,
    range_map,
)
from ipfs_accelerate.content.release.fetching import nowhere
from ipfs_accelerate.content.sources.records import fetch_record
from ipfs_accelerate.errors import AccelerateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.content import Cid
    from ipfs_accelerate.content.blockstore import FileBlockStore
    from ipfs_accelerate.content.naming import IpnsRecord
    from ipfs_accelerate.content.release import Release
    from ipfs_accelerate.content.release.fetching import Origins
    from ipfs_accelerate.content.sources import Source
    from ipfs_accelerate.content.sources.ranges import RangeMap

__all__ = ["configured_sources", "newest_record", "origins_of", "path_in", "trust_of"]


@contextmanager
def configured_sources(settings: Settings) -> Iterator[list[Source]]:
    """The sources of the settings, cheapest first; none when offline. Closed at the end.

    The token goes to peers alone: gateways may be anybody's.
    """
    with ExitStack() as stack:
        yield [stack.enter_context(closing(source)) for source in _sources(settings)]


def _sources(settings: Settings) -> Iterator[Source]:
    if settings.offline:
        return
    from ipfs_accelerate.content.sources.bitswap import BitswapSource
    from ipfs_accelerate.content.sources.gateway import GatewaySource
    from ipfs_accelerate.content.sources.kubo import KuboClient, KuboSource
    from ipfs_accelerate.content.sources.peer import PeerSource

    for url in settings.content_peers:
        yield PeerSource(url, token=_token(settings))
    if settings.content_kubo is not None:
        yield KuboSource(KuboClient(settings.content_kubo))
    for address in settings.content_bitswap:
        yield BitswapSource(address)
    for url in settings.content_gateways:
        yield GatewaySource(url)


def _token(settings: Settings) -> str | None:
    return None if settings.content_token is None else settings.content_token.get_secret_value()


def origins_of(settings: Settings) -> Origins:
    """Makes the sources a release names: its commit on the hub, its object store."""

    def make(release: Release) -> Sequence[Source]:
        if settings.offline:
            return ()
        ranges = range_map(release)
        found: list[Source] = []
        if release.hub is not None:
            from ipfs_accelerate.content.sources.hub import HubRevision, HubSource

            endpoint = settings.hub_endpoint.rstrip("/")
            revision = HubRevision(release.hub.repository, release.hub.commit, endpoint)
            found.append(HubSource(revision, ranges))
        if release.s3 is not None:
            found.append(_object_store(release.s3, settings, ranges))
        return found

    return make


def _object_store(place: str, settings: Settings, ranges: RangeMap) -> Source:
    from ipfs_accelerate.content.objects import ObjectPool, endpoints_for, endpoints_from
    from ipfs_accelerate.content.sources.s3 import S3Source

    bucket, _, prefix = place.partition("/")
    pool = ObjectPool(endpoints_for(bucket, endpoints_from(settings.s3)), routing="least_loaded")
    return S3Source(pool, ranges, prefix=prefix)


def newest_record(name: Cid, settings: Settings) -> IpnsRecord:
    """The newest valid record of a name, here or at the configured peers and gateways; it is kept.

    Raises:
        ContentNotFoundError: Nobody has one.
    """
    records = RecordStore(settings.names_dir)
    reasons: dict[str, str] = {}
    for url, token in _record_servers(settings):
        try:
            records.put(name, fetch_record(url, name, token=token))
        except AccelerateError as error:
            reasons[url] = error.message
    found = records.get(name)
    if found is None:
        raise nowhere(name, reasons)
    return found


def _record_servers(settings: Settings) -> Iterator[tuple[str, str | None]]:
    if not settings.offline:
        yield from ((url, _token(settings)) for url in settings.content_peers)
        yield from ((url, None) for url in settings.content_gateways)


def path_in(
    cid: Cid, path: str, store: FileBlockStore, sources: Sequence[Source], *, trust: Trust
) -> tuple[Cid, str]:
    """What ``CID/path`` names, and its last name; only the folders on the way are fetched.

    Raises:
        ContentNotFoundError: There is no such path, or nobody has a folder on the way.
        SignatureError: The CID is a release that nobody trusted signed.
    """
    if not path:
        return cid, ""
    reader = _OnDemand(store, sources)
    contents = open_contents(cid, reader)
    if contents.signed is not None:
        trust.check(contents.signed)
    found = resolve_path(contents.tree, path, reader)
    return found.cid, found.path.rpartition("/")[2]


class _OnDemand:
    """A store that asks sources for what it lacks, block by block."""

    def __init__(self, store: FileBlockStore, sources: Sequence[Source]) -> None:
        self._store = store
        self._sources = sources

    def get(self, cid: Cid) -> bytes:
        bring_block(cid, self._store, self._sources, cancel=Event())
        return self._store.get(cid)

    def has(self, cid: Cid) -> bool:
        return self._store.has(cid)


def trust_of(
    settings: Settings, *, extra: Iterable[str] = (), allows_unsigned: bool = False
) -> Trust:
    """Whose releases count: keys of the settings, keys given now, and one's own.

    Raises:
        InputError: One is no key.
    """
    ring = KeyRing(settings.keys_dir)
    own = (public for name in ring.names() if (public := ring.public(name)) is not None)
    keys: list[str | PublicKey] = [*settings.content_trusted_keys, *extra, *own]
    return Trust.of(keys, allows_unsigned=allows_unsigned)
