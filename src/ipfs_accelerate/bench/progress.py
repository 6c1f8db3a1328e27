"""What a run shows while it works: a live display on a terminal, lines elsewhere, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from ipfs_accelerate.bench.case import BenchCase
    from ipfs_accelerate.store import MeasurementRecord

__all__ = ["LineProgress", "LiveProgress", "Progress", "SilentProgress", "progress_for"]


class Progress(Protocol):
    """Told what happens, in order."""

    def begin(self, count: int) -> None:
        """So many cases are to come."""
        ...

    def stage(self, case: BenchCase, text: str) -> None:
        """A case entered a stage (``loading``, ``warming up``, ``sampling ±3.1 %``)."""
        ...

    def finished(self, record: MeasurementRecord) -> None:
        """A case ended and is stored."""
        ...

    def end(self) -> None:
        """Nothing more comes."""
        ...


class SilentProgress:
    """Shows nothing."""

    def begin(self, count: int) -> None:
        """See `Progress.begin`."""

    def stage(self, case: BenchCase, text: str) -> None:
        """See `Progress.stage`."""

    def finished(self, record: MeasurementRecord) -> None:
        """See `Progress.finished`."""

    def end(self) -> None:
        """See `Progress.end`."""


class LineProgress:
    """One line per finished case."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._count = 0
        self._done = 0

    def begin(self, count: int) -> None:
        """See `Progress.begin`."""
        self._count = count

    def stage(self, case: BenchCase, text: str) -> None:
        """See `Progress.stage`; not shown."""

    def finished(self, record: MeasurementRecord) -> None:
        """See `Progress.finished`."""
        self._done += 1
        print(f"[{self._done}/{self._count}] {describe(record)}", file=self._stream, flush=True)

    def end(self) -> None:
        """See `Progress.end`."""


class LiveProgress:
    """A bar with the stage of the working case; finished cases scroll by above it."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self._console = Console(file=stream)
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None

    def begin(self, count: int) -> None:
        """See `Progress.begin`."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        # Redrawn only when told: a refreshing thread would disturb what is measured.
        self._bar = Progress(
            MofNCompleteColumn(),
            BarColumn(bar_width=24),
            TextColumn("{task.description}", markup=False),
            console=self._console,
            auto_refresh=False,
        )
        self._task = self._bar.add_task("starting", total=count)
        self._bar.start()

    def stage(self, case: BenchCase, text: str) -> None:
        """See `Progress.stage`."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=f"{case.target}  {case.name}  {text}")
            self._bar.refresh()

    def finished(self, record: MeasurementRecord) -> None:
        """See `Progress.finished`."""
        self._console.print(describe(record), markup=False, highlight=False)
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)
            self._bar.refresh()

    def end(self) -> None:
        """See `Progress.end`."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def progress_for(stream: TextIO) -> Progress:
    """The display that suits a stream."""
    return LiveProgress(stream) if stream.isatty() else LineProgress(stream)


def describe(record: MeasurementRecord) -> str:
    """A finished case in one line."""
    head = f"{record.target}  {record.test_case}"
    if record.latency_p50_ns is None:
        facts = record.error or {}
        error = facts.get("error")
        message = error.get("message") if isinstance(error, dict) else None
        return f"{head}  {record.status.value}" + (f": {message}" if message else "")
    text = f"{head}  {record.latency_p50_ns / 1e6:.3f} ms"
    if record.latency_low_ns is not None and record.latency_high_ns is not None:
        text += f" ({record.latency_low_ns / 1e6:.3f}–{record.latency_high_ns / 1e6:.3f})"
    if not record.origin.is_real:
        text += f"  [{record.origin.value}]"
    return text + ("  " + ", ".join(record.flags) if record.flags else "")
