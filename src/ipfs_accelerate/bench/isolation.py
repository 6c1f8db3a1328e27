"""A process of its own for each case, commanded line by line and watched while it works.

Requests and replies are JSON lines on two dedicated pipes. Whatever libraries print goes to stdout
and stderr, of which the tail is kept. There is no watching thread: the parent waits for a reply in
one ``select`` loop that also drains the output, and enforces time, memory and cancellation every
`TICK_NS`. Between requests the process is stopped (SIGSTOP), so that spinning thread pools of a
waiting case cannot disturb the one that is measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shlex
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Self

from ipfs_accelerate.bench import _tree
from ipfs_accelerate.errors import (
    AccelerateError,
    ChildFailedError,
    ConversionError,
    DeadlineExceededError,
    MemoryLimitError,
    ParityError,
)
from ipfs_accelerate.store import CaseStatus
from ipfs_accelerate.telemetry import MonotonicClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from ipfs_accelerate.bench.case import Limits
    from ipfs_accelerate.telemetry import Clock

__all__ = ["Child", "failure_of"]

TICK_NS = 50 * 10**6
TAIL_BYTES = 16 * 1024
MAX_REPLY_BYTES = 4 * 2**20
_CHUNK_BYTES = 64 * 1024


class Child:
    """One case's process. It dies with the thread that made it, so make it in a lasting one.

    Args:
        limits: Time and memory it may take.
        plugins: Further plugins it loads (see `plugins.load_plugin`).
        program: What the interpreter runs: something that speaks the protocol of `_child`.
        is_cancelled: Asked every tick; ``True`` ends the work with the status ``cancelled``.
        clock: For the deadline.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        plugins: Sequence[str] = (),
        program: Sequence[str] = ("-m", "ipfs_accelerate.bench._child"),
        is_cancelled: Callable[[], bool] = lambda: False,
        clock: Clock | None = None,
    ) -> None:
        self._limits = limits
        self._is_cancelled = is_cancelled
        self._clock = clock or MonotonicClock()
        self._left_ns = limits.timeout_ns
        self._buffer = bytearray()
        self._tails = {"stdout": b"", "stderr": b""}
        self._stopped = False
        self._is_open = True
        self.peak_tree_bytes = 0
        self._oom_kills = _tree.oom_kills()
        self._start([*program], [*plugins])

    def _start(self, program: list[str], plugins: list[str]) -> None:
        request_read, self._requests = os.pipe()
        self._replies, reply_write = os.pipe()
        fds = [str(request_read), str(reply_write), str(os.getpid())]
        self.command = [
            *(sys.executable, "-P", "-X", "faulthandler"),
            *(*program, *fds, *plugins),
        ]
        try:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(request_read, reply_write),
                start_new_session=True,
                env={**os.environ, "ORT_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"},
            )
        finally:
            os.close(request_read)
            os.close(reply_write)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._selector = selectors.DefaultSelector()
        for stream, name in (
            (self._process.stdout.fileno(), "stdout"),
            (self._process.stderr.fileno(), "stderr"),
            (self._replies, "replies"),
        ):
            os.set_blocking(stream, False)
            self._selector.register(stream, selectors.EVENT_READ, name)

    @property
    def pid(self) -> int:
        """Process id, which is also its group and session."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can still be asked something."""
        return self._process.returncode is None and not _tree.has_exited(self.pid)

    def request(self, command: str, /, **arguments: object) -> dict[str, object]:
        """Have it do one thing and wait for the result; its clock runs only meanwhile.

        Raises:
            DeadlineExceededError: The case's time is used up; the process was killed.
            MemoryLimitError: Its tree grew beyond the limit, or the kernel killed it for memory.
            ChildFailedError: It reported an error, died, broke the protocol or was cancelled.

        ``details`` of all of these are read by `failure_of`.
        """
        line = json.dumps({"command": command, **arguments}).encode() + b"\n"
        self._resume()
        started = self._clock.now_ns()
        try:
            self._send(line)
            reply = self._wait(started)
        finally:
            self._left_ns -= self._clock.now_ns() - started
        self._stop()
        if "result" in reply:
            result = reply["result"]
            assert isinstance(result, dict)
            return result
        raise self._reported(command, reply)

    def close(self) -> None:
        """Kill it and everything it started; idempotent."""
        if self._is_open:
            self._is_open = False
            self._kill()
            self._drain_all()
            self._selector.close()
            os.close(self._requests)
            os.close(self._replies)
            for stream in (self._process.stdout, self._process.stderr):
                if stream is not None:
                    stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- waiting ---

    def _send(self, line: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # `_wait` finds out what became of it
            os.write(self._requests, line)

    def _wait(self, started_ns: int) -> dict[str, object]:
        deadline_ns = started_ns + self._left_ns
        next_check_ns = started_ns
        while True:
            now_ns = self._clock.now_ns()
            if now_ns >= next_check_ns:
                self._enforce(now_ns, deadline_ns)
                next_check_ns = now_ns + TICK_NS
            for key, _ in self._selector.select(TICK_NS / 1e9):
                self._read(key.fd, key.data)
            if b"\n" in self._buffer:
                line, _, self._buffer = self._buffer.partition(b"\n")
                return self._parse(line)
            if len(self._buffer) > MAX_REPLY_BYTES:
                raise self._broken("sent an endless line")
            if _tree.has_exited(self.pid):
                self._drain_all()
                if b"\n" not in self._buffer:
                    raise self._died()

    def _enforce(self, now_ns: int, deadline_ns: int) -> None:
        if self._is_cancelled():
            raise self._ended(ChildFailedError, "the run was cancelled", CaseStatus.CANCELLED)
        if now_ns >= deadline_ns:
            limit_s = self._limits.timeout_ns / 1e9
            raise self._ended(
                DeadlineExceededError,
                f"the case took longer than {limit_s:g} s",
                CaseStatus.TIMEOUT,
                hint="raise --timeout, or measure a smaller batch or length",
            )
        used = _tree.resident_bytes(self.pid)
        self.peak_tree_bytes = max(self.peak_tree_bytes, used)
        limit = self._limits.memory_bytes
        if limit is not None and used > limit:
            raise self._ended(
                MemoryLimitError,
                f"the case took {used >> 20} MiB of memory, more than its {limit >> 20} MiB",
                CaseStatus.EXECUTION_ERROR,
                hint="raise --memory-limit",
            )

    def _read(self, fd: int, name: str) -> bool:
        try:
            chunk = os.read(fd, _CHUNK_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            chunk = b""
        if not chunk:
            with contextlib.suppress(KeyError):
                self._selector.unregister(fd)
            return False
        if name == "replies":
            self._buffer += chunk
        else:
            self._tails[name] = (self._tails[name] + chunk)[-TAIL_BYTES:]
        return True

    def _drain_all(self) -> None:
        """Read what is left; bounded, as a stray process may keep a pipe open and write."""
        for _ in range(1000):
            ready = self._selector.select(0) if self._selector.get_map() else []
            if not sum(self._read(key.fd, key.data) for key, _ in ready):
                return

    def _parse(self, line: bytearray) -> dict[str, object]:
        try:
            reply = json.loads(line)
        except ValueError:
            reply = None
        if not isinstance(reply, dict) or not reply.keys() & {"result", "error"}:
            raise self._broken("sent something that is not a reply")
        return reply

    # --- pausing and killing ---

    def _stop(self) -> None:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.killpg(self.pid, signal.SIGSTOP)
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        self._stopped = True

    def _resume(self) -> None:
        if self._stopped:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGCONT)
            self._stopped = False

    def _kill(self) -> None:
        # The leader is not reaped before its group was signalled: its id cannot be another's.
        if self._process.returncode is None:
            _tree.kill(self.pid)
            self._process.wait()

    # --- failures ---

    def _facts(self) -> dict[str, object]:
        code = self._process.returncode
        return {
            "command": shlex.join(self.command),
            "exit_code": code if code is not None and code >= 0 else None,
            "signal": signal.Signals(-code).name if code is not None and code < 0 else None,
            "stdout": self._tails["stdout"].decode(errors="replace"),
            "stderr": self._tails["stderr"].decode(errors="replace"),
        }

    def _ended(
        self,
        kind: type[AccelerateError],
        message: str,
        status: CaseStatus,
        *,
        hint: str | None = None,
    ) -> AccelerateError:
        """Kill it and describe why."""
        self._kill()
        self._drain_all()
        described = kind(message, hint=hint).to_dict()
        facts = {**self._facts(), "error": described, "status": status.value}
        return kind(message, hint=hint, details=facts)

    def _broken(self, what: str) -> AccelerateError:
        return self._ended(
            ChildFailedError, f"the case's process {what}", CaseStatus.UNEXPECTED_ERROR
        )

    def _died(self) -> AccelerateError:
        self._kill()
        code = self._process.returncode
        if code == -signal.SIGKILL and _tree.oom_kills() > self._oom_kills:
            return self._ended(
                MemoryLimitError,
                "the kernel killed the case's process for lack of memory",
                CaseStatus.EXECUTION_ERROR,
                hint="measure a smaller batch, or fewer cases at once with --no-interleave",
            )
        if code < 0:
            name = signal.Signals(-code).name
            message, status = f"died by {name}", CaseStatus.EXECUTION_ERROR
        else:
            message, status = f"exited with {code}", CaseStatus.UNEXPECTED_ERROR
        return self._ended(ChildFailedError, f"the case's process {message}", status)

    def _reported(self, command: str, reply: Mapping[str, object]) -> AccelerateError:
        remote = reply["error"]
        assert isinstance(remote, dict)
        self._drain_all()
        message = f"{command}: {remote.get('message')}"
        error = ChildFailedError(message, hint=remote.get("hint"), details=self._facts())
        error.details |= {"error": remote, "status": _status_of(remote).value}
        return error


def failure_of(error: AccelerateError) -> tuple[CaseStatus, dict[str, object]]:
    """Status and stored facts of an error that `Child.request` raised."""
    details = dict(error.details)
    status = CaseStatus(str(details.pop("status", CaseStatus.UNEXPECTED_ERROR.value)))
    return status, details or {"error": error.to_dict()}


_STATUS_OF_CATEGORY = {
    "unavailable": CaseStatus.UNAVAILABLE,
    "internal": CaseStatus.UNEXPECTED_ERROR,
}


def _status_of(remote: Mapping[str, object]) -> CaseStatus:
    if remote.get("code") == DeadlineExceededError.code:
        return CaseStatus.TIMEOUT
    if remote.get("code") in {ConversionError.code, ParityError.code}:
        return CaseStatus.UNAVAILABLE  # we refuse to offer this target for this model
    return _STATUS_OF_CATEGORY.get(str(remote.get("category")), CaseStatus.EXECUTION_ERROR)
