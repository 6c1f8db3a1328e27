"""One fetch under way: threads around the scheduler and the walk."""

from __future__ import annotations

import hashlib
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ipfs_accelerate.content.cid import Cid
from ipfs_accelerate.content.exchange.core import Core
from ipfs_accelerate.content.exchange.messages import (
    Ask,
    AskFailed,
    Availability,
    Ban,
    BlockArrived,
    BlockBad,
    BlockKept,
    Cancel,
    Done,
    Event,
    Evidence,
    Failed,
    Keep,
    Request,
    RequestEnded,
    RequestFailed,
    SourceAdded,
    SourceRemoved,
    Tick,
    WantsAdded,
)
from ipfs_accelerate.content.exchange.report import (
    FetchProgress,
    FetchReport,
    source_report,
)
from ipfs_accelerate.content.exchange.walk import Walk
from ipfs_accelerate.errors import (
    AccelerateError,
    AccessDeniedError,
    BlockMismatchError,
    ContentFormatError,
    ContentLimitError,
    ContentNotFoundError,
    ModelReferenceError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np

    from ipfs_accelerate.content.exchange.messages import ExchangeSettings, Gate, Instruction
    from ipfs_accelerate.content.exchange.walk import Found, TargetStore
    from ipfs_accelerate.content.sources.protocol import Source, Want
    from ipfs_accelerate.telemetry import Clock

__all__ = ["Run"]

_log = logging.getLogger(__name__)
_MAX_NAMED = 20


class Run:
    """One fetch. It owns its threads; `wait` ends them.

    Every method may be called from any thread until `wait` has returned.
    """

    def __init__(
        self,
        store: TargetStore,
        settings: ExchangeSettings,
        *,
        clock: Clock,
        generator: np.random.Generator,
        gate: Gate | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._core = Core(settings, generator, gate=gate)
        self._walk = Walk(store)
        self._sources: dict[str, Source] = {}
        self._cancels: dict[int, threading.Event] = {}
        self._lock = threading.RLock()
        self._ended = threading.Condition(self._lock)
        self._outcome: Done | Failed | BaseException | None = None
        self._threads = ThreadPoolExecutor(4 * settings.max_requests + 4, "content-fetch")

    # -- from outside ----------------------------------------------------------------------------

    def add(self, source: Source) -> None:
        """Use a source from now on."""
        with self._lock:
            self._sources[source.name] = source
            self._tell(SourceAdded(source.name, source.kind))

    def remove(self, name: str, reason: str) -> None:
        """Use a source no more."""
        self._tell(SourceRemoved(name, reason))

    def announce(self, name: str, has: Iterable[Cid], lacks: Iterable[Cid]) -> None:
        """A source said what it has or lacks now."""
        has_keys = frozenset(cid.multihash for cid in has)
        self._tell(Availability(name, has_keys, frozenset(cid.multihash for cid in lacks)))

    def announce_all(self, said: Mapping[str, Iterable[Cid]]) -> None:
        """Several sources said what else they have."""
        events = [
            Availability(name, frozenset(cid.multihash for cid in has))
            for name, has in said.items()
        ]
        with self._lock:
            for event in events:
                self._core.note(event, self._clock.now_ns())
            self._tell(Tick())

    def poke(self) -> None:
        """Something a gate decides by has changed."""
        self._tell(Tick())

    # -- the fetch -------------------------------------------------------------------------------

    def wait(
        self,
        root: Cid,
        *,
        progress: Callable[[FetchProgress], None] | None,
        cancel: threading.Event | None,
    ) -> FetchReport:
        """Fetch everything below ``root``; see `Exchange.fetch`."""
        start_ns = self._clock.now_ns()
        is_cancelled = False
        try:
            self._want(self._walk.start(root))
            is_cancelled = not self._wait(progress, cancel)
        finally:
            self._stop()
        if isinstance(self._outcome, Failed):
            raise _not_found(root, self._outcome)
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        if progress is not None and not is_cancelled:
            progress(self._progress())
        return self._report(root, start_ns, is_cancelled=is_cancelled)

    def _wait(
        self,
        progress: Callable[[FetchProgress], None] | None,
        cancel: threading.Event | None,
    ) -> bool:
        while True:
            with self._ended:
                if self._outcome is None:
                    self._ended.wait(self._settings.tick_s)
                if self._outcome is not None:
                    return True
            if cancel is not None and cancel.is_set():
                return False
            if progress is not None:
                progress(self._progress())
            self._tell(Tick())

    def _stop(self) -> None:
        """End all requests and threads, and let go of unfinished files."""
        with self._lock:
            if self._outcome is None:
                self._outcome = Done()
            for event in self._cancels.values():
                event.set()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._walk.close()

    def _want(self, found: Found) -> None:
        with self._lock:
            if found.nodes:
                self._tell(WantsAdded(tuple(found.nodes), is_urgent=True))
            if found.leaves:
                self._tell(WantsAdded(tuple(found.leaves)))
            if self._core.is_idle:
                self._end(Done())

    # -- events and instructions -----------------------------------------------------------------

    def _tell(self, event: Event) -> bool:
        """Hand an event to the scheduler and do what it says; whether a block is to be kept."""
        with self._lock:
            keeps = False
            for instruction in self._core.handle(event, self._clock.now_ns()):
                keeps = keeps or isinstance(instruction, Keep)
                self._follow(instruction)
            return keeps

    def _follow(self, instruction: Instruction) -> None:
        match instruction:
            case Request(number, source, wants) if self._outcome is None:
                cancel = self._cancels[number] = threading.Event()
                self._threads.submit(self._request, number, self._sources[source], wants, cancel)
            case Ask(source, wants) if self._outcome is None:
                self._threads.submit(self._ask, self._sources[source], wants)
            case Cancel(number) if number in self._cancels:
                self._cancels[number].set()
            case Ban(source, evidence):
                _log.warning(
                    "source %s is banned: it sent wrong bytes for %s", source, evidence.cid
                )
            case Done() | Failed():
                self._end(instruction)
            case _:
                pass

    def _end(self, outcome: Done | Failed | BaseException) -> None:
        with self._ended:
            if self._outcome is None:
                self._outcome = outcome
                self._ended.notify_all()

    # -- on threads of the pool ------------------------------------------------------------------

    def _ask(self, source: Source, wants: tuple[Want, ...]) -> None:
        asked = frozenset(want.cid.multihash for want in wants)
        try:
            answers = source.available(wants)
        except AccelerateError as error:
            self._tell(AskFailed(source.name, asked, error.message))
        except Exception as error:  # noqa: BLE001 — the border of a thread
            self._end(error)
        else:
            keys = [want.cid.multihash for want in wants]
            lacks = frozenset(k for k, answer in zip(keys, answers, strict=True) if answer is False)
            self._tell(Availability(source.name, frozenset(), lacks, asked))

    def _request(
        self, number: int, source: Source, wants: tuple[Want, ...], cancel: threading.Event
    ) -> None:
        def deliver(want: Want, data: bytes | memoryview) -> None:
            self._deliver(number, source.name, want, data)

        event: Event = RequestEnded(number)
        try:
            if not cancel.is_set():
                source.fetch(wants, deliver, cancel=cancel, timeout_s=self._settings.silence_s)
        except _Aborted:
            pass
        except AccelerateError as error:
            event = _failure(number, error)
        except Exception as error:  # noqa: BLE001 — the border of a thread
            self._end(error)
        with self._lock:
            self._cancels.pop(number, None)
            self._tell(event)

    def _deliver(self, number: int, source: str, want: Want, data: bytes | memoryview) -> None:
        if self._core.is_needed(want.cid.multihash):
            self._verify(number, want, data)
        if not self._tell(BlockArrived(number, source, want, len(data))):
            return
        try:
            found = self._walk.keep(want, data)
        except Exception as error:  # the store or the content is at fault, not the source
            self._end(error)
            raise _Aborted from error
        with self._lock:
            self._want(found)
            self._tell(BlockKept(want))

    def _verify(self, number: int, want: Want, data: bytes | memoryview) -> None:
        try:
            want.cid.verify(data)
        except (BlockMismatchError, ContentLimitError):
            digest = hashlib.sha256(data).hexdigest()
            self._tell(BlockBad(number, Evidence(want.cid, digest, len(data))))
            raise

    # -- what it says ----------------------------------------------------------------------------

    def _progress(self) -> FetchProgress:
        with self._lock:
            parties = self._core.parties
            by_source = {name: party.received_bytes for name, party in parties.items()}
            is_final = not self._core.is_searching
        total, local = self._walk.total_bytes, self._walk.local_bytes
        done = min(local + self._walk.written_bytes, total)
        return FetchProgress(done, total, is_final, by_source)

    def _report(self, root: Cid, start_ns: int, *, is_cancelled: bool) -> FetchReport:
        sources = {name: source_report(party) for name, party in self._core.parties.items()}
        return FetchReport(
            root=root,
            is_cancelled=is_cancelled,
            elapsed_ns=self._clock.now_ns() - start_ns,
            total_bytes=self._walk.total_bytes,
            local_bytes=self._walk.local_bytes,
            received_bytes=sum(s.received_bytes for s in sources.values()),
            received_blocks=sum(s.received_blocks for s in sources.values()),
            duplicate_bytes=sum(s.duplicate_bytes for s in sources.values()),
            files=self._walk.files_finished,
            moved_blocks=self._core.moved_blocks,
            raced_blocks=self._core.raced_blocks,
            sources=sources,
        )


class _Aborted(Exception):  # noqa: N818
    """Ends a source's work because the whole fetch has ended."""


def _failure(number: int, error: AccelerateError) -> RequestFailed:
    retry_after = error.details.get("retry_after_s")
    return RequestFailed(
        number,
        error.message,
        missing=_missing(error) if isinstance(error, ContentNotFoundError) else None,
        retry_after_s=retry_after if isinstance(retry_after, int | float) else None,
        is_final=isinstance(error, AccessDeniedError | ContentFormatError),
    )


def _missing(error: AccelerateError) -> Cid | None:
    try:
        return Cid.parse(str(error.details.get("cid")))
    except ModelReferenceError:
        return None


def _not_found(root: Cid, outcome: Failed) -> ContentNotFoundError:
    first = outcome.missing[0].cid
    tried = "; ".join(f"{name}: {reason}" for name, reason in outcome.reasons.items())
    return ContentNotFoundError(
        f"{len(outcome.missing)} blocks of {root} are nowhere to be had, the first is {first}"
        f" ({tried or 'there is no source'})",
        hint="what has come is kept; add a source and fetch again",
        details={
            "root": str(root),
            "missing": [str(want.cid) for want in outcome.missing[:_MAX_NAMED]],
            "missing_blocks": len(outcome.missing),
            "sources": outcome.reasons,
        },
    )
