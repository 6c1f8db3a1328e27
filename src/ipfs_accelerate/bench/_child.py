"""The process of one case: reads commands, loads, runs, times, replies.

``python -m ipfs_accelerate.bench._child REQUESTS_FD REPLIES_FD PARENT_PID [PLUGIN…]``

One JSON object per line. Request: ``{"command": name, …arguments}``; reply: ``{"result": {…}}`` or
``{"error": error.to_dict() + type, trace}``. The commands are the public methods of `Worker`.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import traceback
from typing import TYPE_CHECKING

from ipfs_accelerate.bench._tree import die_with_parent
from ipfs_accelerate.errors import AccelerateError, InternalError, MemoryLimitError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ipfs_accelerate.bench.loading import LoadedCase
    from ipfs_accelerate.bench.remote.case import RemoteCase

__all__ = ["Worker", "main"]


class Worker:
    """One case, step by step."""

    def __init__(self) -> None:
        self._loaded: LoadedCase | RemoteCase | None = None

    def load(
        self,
        *,
        case: Mapping[str, object],
        settings: Mapping[str, object],
        seed: int,
        threads: int | None = None,
        input_file: str | None = None,
    ) -> dict[str, object]:
        """Resolve the model, load it on the target and make the inputs."""
        from ipfs_accelerate.bench.case import BenchCase
        from ipfs_accelerate.bench.loading import load_case
        from ipfs_accelerate.bench.remote import is_remote
        from ipfs_accelerate.config import Settings

        chosen = Settings(**settings)  # type: ignore[arg-type]  # validated by pydantic
        wanted = BenchCase.from_dict(case)
        if is_remote(wanted.target):
            from ipfs_accelerate.bench.remote.case import load_remote

            self._loaded = load_remote(wanted, chosen, seed=seed, input_file=input_file)
        else:
            self._loaded = load_case(
                wanted, chosen, seed=seed, threads=threads, input_file=input_file
            )
        gc.collect()
        gc.freeze()
        return self._loaded.facts()

    def sample(self, *, count: int, budget_ns: int, skip: int = 0) -> dict[str, object]:
        """Call ``skip`` times, then up to ``count`` times until ``budget_ns`` have passed."""
        from ipfs_accelerate.telemetry import MonotonicClock, observe_process

        now_ns, call = MonotonicClock().now_ns, self._require().call
        samples: list[int] = []
        for _ in range(skip):
            call()
        call.take_phases()
        cpu_ns = observe_process().cpu_ns
        gc.disable()
        end_ns = now_ns() + budget_ns
        while len(samples) < count:
            started_ns = now_ns()
            call()
            ended_ns = now_ns()
            samples.append(ended_ns - started_ns)
            if ended_ns >= end_ns:
                break
        gc.enable()
        cpu_ns = observe_process().cpu_ns - cpu_ns
        return {"samples_ns": samples, "cpu_ns": cpu_ns, "phases": call.take_phases()}

    def placement(self) -> dict[str, object]:
        """Ask the runtime what ran where."""
        found = self._on_this_machine().placement()
        return {
            "nodes": {device: dict(ops) for device, ops in found.nodes.items()},
            "precisions": dict(found.precisions),
            "node_ns": dict(found.node_ns),
            "source": found.source,
        }

    def reference(self, *, path: str) -> dict[str, object]:
        """Keep this case's outputs for the parity of others, and count its work."""
        from ipfs_accelerate.bench.parity import save_outputs

        loaded = self._on_this_machine()
        save_outputs(path, loaded.call.outputs())
        return loaded.work()

    def parity(self, *, path: str, precision: str, target: str) -> dict[str, object]:
        """Compare this case's outputs with kept ones of a target."""
        return self._require().parity(path=path, precision=precision, target=target)

    def peaks(self, *, threads: int | None, home: str) -> dict[str, object]:
        """Measure the machine's peak, or read it back."""
        from pathlib import Path

        from ipfs_accelerate.bench.roofline import measure_peaks

        return measure_peaks(threads=threads, home=Path(home)).to_dict()

    def profile(self, *, repetitions: int) -> dict[str, object]:
        """Time every operator under the runtime's own profiler."""
        from ipfs_accelerate.bench.profiling.loaded import profile_loaded

        return profile_loaded(self._on_this_machine(), repetitions=repetitions)

    def finish(self) -> dict[str, object]:
        """Free everything."""
        self._require().close()
        self._loaded = None
        return {}

    def _on_this_machine(self) -> LoadedCase:
        from ipfs_accelerate.bench.loading import LoadedCase

        loaded = self._require()
        if not isinstance(loaded, LoadedCase):
            raise UsageError(f"{loaded.case.target} runs elsewhere", hint="take a local target")
        return loaded

    def _require(self) -> LoadedCase | RemoteCase:
        if self._loaded is None:
            raise UsageError("nothing is loaded", hint="send `load` first")
        return self._loaded


COMMANDS = ("load", "sample", "placement", "reference", "parity", "peaks", "profile", "finish")


def main(arguments: Sequence[str]) -> None:
    """Serve requests until their pipe closes."""
    requests_fd, replies_fd, parent, *plugins = arguments
    die_with_parent(int(parent))
    os.set_inheritable(int(requests_fd), False)
    os.set_inheritable(int(replies_fd), False)
    worker = Worker()
    with os.fdopen(int(requests_fd)) as requests, os.fdopen(int(replies_fd), "w") as replies:
        for line in requests:
            reply = _answer(worker, json.loads(line), plugins)
            sys.stdout.flush()
            sys.stderr.flush()
            replies.write(json.dumps(reply) + "\n")
            replies.flush()


def _answer(
    worker: Worker, request: dict[str, object], plugins: Sequence[str]
) -> dict[str, object]:
    try:
        _load_plugins(plugins)
        command = str(request.pop("command"))
        if command not in COMMANDS:
            raise InternalError(f"no command {command!r}")
        return {"result": getattr(worker, command)(**request)}
    except AccelerateError as error:
        return {"error": {**error.to_dict(), "type": type(error).__name__, "trace": _trace()}}
    except MemoryError:
        refused = MemoryLimitError("the case's process could not allocate memory")
        return {"error": {**refused.to_dict(), "type": "MemoryError", "trace": _trace()}}
    except Exception as error:  # noqa: BLE001 (the process border: the parent stores it)
        name = type(error).__name__
        unexpected = InternalError(f"{name}: {error}")
        return {"error": {**unexpected.to_dict(), "type": name, "trace": _trace()}}


def _load_plugins(plugins: Sequence[str]) -> None:
    from ipfs_accelerate.plugins import load_plugin

    for plugin in plugins:
        load_plugin(plugin)


def _trace() -> str:
    return traceback.format_exc()[-8192:]


if __name__ == "__main__":
    main(sys.argv[1:])
