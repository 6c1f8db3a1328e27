"""A release or tree to this machine: its manifest first, judged before anything else is fetched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Protocol

from ipfs_accelerate.content.cid import Codec
from ipfs_accelerate.content.exchange import Exchange
from ipfs_accelerate.content.release.contents import Contents, open_contents
from ipfs_accelerate.content.sources import Want
from ipfs_accelerate.errors import AccelerateError, BlockMismatchError, ContentNotFoundError

if TYPE_CHECKING:
    from ipfs_accelerate.content.blocks import BlockStore
    from ipfs_accelerate.content.blockstore import FileBlockStore
    from ipfs_accelerate.content.cid import Cid
    from ipfs_accelerate.content.exchange import FetchProgress, FetchReport
    from ipfs_accelerate.content.release.keys import PublicKey
    from ipfs_accelerate.content.release.manifest import Release
    from ipfs_accelerate.content.release.signing import Trust
    from ipfs_accelerate.content.sources import Source

__all__ = ["Fetched", "Fetching", "Origins", "Through", "bring_block", "fetch"]

#: Makes the sources that a release names, such as its commit on a hub; they are closed after use.
Origins = Callable[["Release"], Sequence["Source"]]

_PATIENCE_S = 30.0


class Fetching(Protocol):
    """What brings everything below a root; see `Exchange.fetch`."""

    def fetch(
        self,
        root: Cid | str,
        *,
        progress: Callable[[FetchProgress], None] | None = None,
        cancel: Event | None = None,
    ) -> FetchReport:
        """Fetch it."""
        ...


#: Makes what fetches into a store from sources.
Through = Callable[["FileBlockStore", Sequence["Source"]], Fetching]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What is here now.

    Attributes:
        contents: What the CID stands for.
        report: What came from where; only of what was missing.
        signer: The trusted key that signed the release; ``None`` for a bare tree, or where an
            untrusted release was allowed.
    """

    contents: Contents
    report: FetchReport
    signer: PublicKey | None


def fetch(  # noqa: PLR0913 - all but the first three by name
    cid: Cid,
    store: FileBlockStore,
    sources: Sequence[Source],
    *,
    trust: Trust,
    origins: Origins | None = None,
    through: Through = Exchange,
    progress: Callable[[FetchProgress], None] | None = None,
    cancel: Event | None = None,
) -> Fetched:
    """Bring everything below a CID into a store; what is here already is not fetched again.

    Args:
        cid: A release or the root of a tree.
        store: Keeps it; what came before an error or a cancel stays.
        sources: Where to ask.
        trust: Whose releases count. A bare tree needs no signature: its CID is the proof.
        origins: Makes further sources once the release is known.
        through: Makes what fetches; a node of a team, for example.
        progress: See `Exchange.fetch`.
        cancel: Ends the work soon after it is set.

    Raises:
        ContentNotFoundError: No source has a block; ``details["sources"]`` says who was asked.
        SignatureError: The release is not signed by whom it must be; nothing more was fetched.
        BlockMismatchError: Every source that had a block sent wrong bytes.
        ContentFormatError: The release lists other files than its tree holds.
        DiskFullError: No space.
    """
    cancel = cancel or Event()
    if cid.codec == Codec.DAG_CBOR:
        bring_block(cid, store, sources, cancel=cancel)
        contents = open_contents(cid, store)
        assert contents.signed is not None
        signer = trust.check(contents.signed)
    else:
        contents, signer = Contents(cid, cid), None
    with ExitStack() as stack:
        more = list(origins(contents.release)) if origins and contents.release else []
        for source in more:
            stack.enter_context(closing(source))
        fetching = through(store, [*sources, *more])
        report = fetching.fetch(contents.tree, progress=progress, cancel=cancel)
    if contents.release is not None and not report.is_cancelled:
        contents.entries(store)  # raises when the release and its tree disagree
    return Fetched(contents, report, signer)


def bring_block(cid: Cid, store: BlockStore, sources: Sequence[Source], *, cancel: Event) -> None:
    """One block into a store, from the first source that has it.

    Raises:
        ContentNotFoundError: None has it.
        BlockMismatchError: What came was wrong.
    """
    if store.has(cid):
        return
    reasons: dict[str, str] = {}
    wrong: BlockMismatchError | None = None

    def keep(want: Want, data: bytes | memoryview) -> None:
        store.put(want.cid, data)

    for source in sources:
        try:
            source.fetch([Want(cid)], keep, cancel=cancel, timeout_s=_PATIENCE_S)
        except AccelerateError as error:
            reasons[source.name] = error.message
            wrong = error if isinstance(error, BlockMismatchError) else wrong
        if store.has(cid) or cancel.is_set():
            return
    if wrong is not None:
        raise wrong
    raise nowhere(cid, reasons)


def nowhere(cid: Cid, reasons: dict[str, str]) -> ContentNotFoundError:
    """The error that says who was asked and what each said."""
    asked = "; ".join(f"{name}: {why}" for name, why in reasons.items())
    return ContentNotFoundError(
        f"nobody has {cid}"
        + (f" ({asked})" if asked else ": it is not here, and no source is set"),
        hint="name sources in content_peers, content_gateways, content_bitswap or content_kubo;"
        " accel content sources check says which of them answer",
        details={"cid": str(cid), "sources": reasons},
    )
