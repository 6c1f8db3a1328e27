"""The public face of fetching."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ipfs_accelerate.content.cid import Cid
from ipfs_accelerate.content.exchange.messages import ExchangeSettings
from ipfs_accelerate.content.exchange.run import Run
from ipfs_accelerate.telemetry import MonotonicClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np

    from ipfs_accelerate.content.exchange.messages import Gate
    from ipfs_accelerate.content.exchange.report import FetchProgress, FetchReport
    from ipfs_accelerate.content.exchange.walk import TargetStore
    from ipfs_accelerate.content.sources.protocol import Source
    from ipfs_accelerate.telemetry import Clock

__all__ = ["Exchange"]


class Exchange:
    """Fetches from many sources at once into a store, verifying every block.

    Sources may be added and removed, and may change what they have, while fetches run. It does
    not own them: whoever made a source closes it.

    Args:
        store: Takes blocks and files; what it has is not fetched.
        sources: Where from.
        settings: Limits and patience.
        gate: May leave a block to another source for now; see `Gate`.
        generator: Draws the jitter of pauses; seeded anew when ``None``.
        clock: Measures.

    Example::

        exchange = Exchange(store, [GatewaySource("http://127.0.0.1:8080")])
        report = exchange.fetch(root)
        store.file_path(root)
    """

    def __init__(
        self,
        store: TargetStore,
        sources: Iterable[Source] = (),
        *,
        settings: ExchangeSettings | None = None,
        gate: Gate | None = None,
        generator: np.random.Generator | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._store = store
        self._settings = settings or ExchangeSettings()
        self._gate = gate
        self._generator = generator
        self._clock = clock or MonotonicClock()
        self._lock = threading.Lock()
        self._sources = {source.name: source for source in sources}
        self._runs: list[Run] = []

    @property
    def sources(self) -> list[Source]:
        """Those in use."""
        with self._lock:
            return list(self._sources.values())

    def add_source(self, source: Source) -> None:
        """Use a source, in running fetches too. A banned one stays banned in those."""
        with self._lock:
            self._sources[source.name] = source
            for run in self._runs:
                run.add(source)

    def remove_source(self, name: str, *, reason: str = "was removed") -> None:
        """Use a source no more."""
        with self._lock:
            self._sources.pop(name, None)
            for run in self._runs:
                run.remove(name, reason)

    def announce(self, name: str, *, has: Iterable[Cid] = (), lacks: Iterable[Cid] = ()) -> None:
        """Tell running fetches what a source has or lacks now."""
        has, lacks = tuple(has), tuple(lacks)
        for run in self._running():
            run.announce(name, has, lacks)

    def announce_all(self, said: Mapping[str, Iterable[Cid]]) -> None:
        """Tell running fetches, at once and so for one round of decisions, what sources have now.

        Args:
            said: Name of a source → what else it has.
        """
        kept = {name: tuple(has) for name, has in said.items()}
        for run in self._running():
            run.announce_all(kept)

    def poke(self) -> None:
        """Tell running fetches that the gate may decide otherwise now."""
        for run in self._running():
            run.poke()

    def fetch(
        self,
        root: Cid | str,
        *,
        progress: Callable[[FetchProgress], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> FetchReport:
        """Fetch everything below ``root`` that is not here. Resumes what was cut, block for block.

        Args:
            root: A file, a directory, or any DAG of the supported codecs.
            progress: Called about every 50 ms on the calling thread, and at the end.
            cancel: Ends it within a second; what has come is kept.

        Returns:
            What was done; ``is_cancelled`` when it ended before its time.

        Raises:
            ContentNotFoundError: Blocks are nowhere to be had; its details name the sources and
                why each did not deliver. Everything else is kept.
            ContentFormatError: The content itself is not valid.
            ContentLimitError: It is larger or deeper than accepted.
            DiskFullError: No space; what has come is kept.
        """
        import numpy as np

        cid = Cid.parse(root)
        run = Run(
            self._store,
            self._settings,
            clock=self._clock,
            generator=self._generator or np.random.default_rng(),
            gate=self._gate,
        )
        with self._lock:
            for source in self._sources.values():
                run.add(source)
            self._runs.append(run)
        try:
            with self._store.protecting(cid):
                return run.wait(cid, progress=progress, cancel=cancel)
        finally:
            with self._lock:
                self._runs.remove(run)

    def _running(self) -> list[Run]:
        with self._lock:
            return list(self._runs)
