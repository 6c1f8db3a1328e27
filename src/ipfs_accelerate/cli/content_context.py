"""What the commands of ``accel content`` share: the store, CIDs with paths, progress, Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Self

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType, TracebackType

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.content import Cid
    from ipfs_accelerate.content.blockstore import FileBlockStore

__all__ = [
    "Address",
    "Bar",
    "open_store",
    "parse_address",
    "profile_option",
    "stoppable",
    "the_settings",
    "wait_for_signal",
]

#: A bar appears when the work has taken this long.
_QUIET_NS = 2_000_000_000

profile_option = click.option(
    "--profile",
    metavar="NAME",
    help="unixfs-v1-2025, unixfs-v0-2015 or dedup-v1-2026; the setting content_profile otherwise.",
)


class Address(NamedTuple):
    """``CID[/path]`` as people write it."""

    cid: Cid
    path: str


def parse_address(text: str) -> Address:
    """Read ``CID``, ``CID/path``, ``ipfs://CID/path`` or ``/ipfs/CID/path``.

    Raises:
        ModelReferenceError: It begins with no CID.
    """
    from ipfs_accelerate.content import Cid

    bare = text.removeprefix("ipfs://").removeprefix("/ipfs/")
    cid, _, path = bare.partition("/")
    return Address(Cid.parse(cid), path.strip("/"))


def the_settings() -> Settings:
    """The settings in effect."""
    from ipfs_accelerate.config import load_settings

    return load_settings()


@contextmanager
def open_store(settings: Settings | None = None) -> Iterator[FileBlockStore]:
    """The block store of the settings."""
    from ipfs_accelerate.content.blockstore import FileBlockStore

    path = (settings or the_settings()).content_path
    path.mkdir(parents=True, exist_ok=True)
    with FileBlockStore(path) as store:
        yield store


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """An event that is set on Ctrl-C, so that threads end before the command does."""
    cancel = threading.Event()
    try:
        yield cancel
    except KeyboardInterrupt:
        cancel.set()
        raise


def wait_for_signal() -> None:
    """Wait until SIGINT or SIGTERM; on the main thread."""
    asked = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        asked.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Bar:
    """Progress in bytes on stderr: only on a terminal, only when it takes more than two seconds.

    Args:
        what: Verb shown before the bar.
        total_bytes: ``None`` while it is unknown.
    """

    def __init__(self, what: str, total_bytes: int | None = None) -> None:
        from ipfs_accelerate.telemetry import MonotonicClock

        self._what = what
        self._total = total_bytes
        self._now = MonotonicClock.now_ns
        self._start_ns = self._now()
        self._wanted = sys.stderr.isatty()
        self._show: Callable[[int], None] | None = None
        self._close: Callable[[], None] | None = None
        self._sum = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._close is not None:
            self._close()

    def to(self, done_bytes: int, total_bytes: int | None = None) -> None:
        """So much is done of so much."""
        self._total = total_bytes or self._total
        if self._show is not None:
            self._show(done_bytes)
        elif self._wanted and self._now() - self._start_ns > _QUIET_NS:
            self._open()

    def by(self, more_bytes: int) -> None:
        """So much more is done."""
        self._sum += more_bytes
        self.to(self._sum)

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns = (
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True),
            TransferSpeedColumn(), TimeRemainingColumn(),
        )  # fmt: skip
        bar = Progress(*columns, console=Console(stderr=True), transient=True)
        task = bar.add_task(self._what, total=self._total)
        bar.start()
        self._show = lambda done: bar.update(task, completed=done, total=self._total)
        self._close = bar.stop
