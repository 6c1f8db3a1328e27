"""``python -m ipfs_accelerate.testing.providers``: a mock, a recorder or a replay by hand."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ipfs_accelerate.errors import AccelerateError, InputError, UnknownNameError
from ipfs_accelerate.testing.providers import Latency, MockProvider, Recorder, Replay, faults
from ipfs_accelerate.testing.providers.dialects import dialect_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ipfs_accelerate.testing.providers.faults import Fault

__all__ = ["main"]

_EXAMPLE = """\
faults, each with its fields:
  {faults}

example:
  python -m ipfs_accelerate.testing.providers openai --port 8080 --latency 0.3 --gap 0.02 \\
      --fault Status:status=429,retry_after=2,times=1
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted; 2 for bad usage."""
    options = _parser().parse_args(arguments)
    try:
        server = _server(options)
        with server:
            sys.stderr.write(f"listening at {server.url} (a mock; stop with Ctrl-C)\n")
            sys.stderr.flush()
            threading.Event().wait()
    except KeyboardInterrupt:
        return 0
    except (AccelerateError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def parse_fault(text: str) -> Fault:
    """A fault from ``Name`` or ``Name:field=value,field=value``.

    Raises:
        InputError: There is no such fault or field, or the value does not fit.

    Example:
        >>> parse_fault("CutMidStream:after=3,times=1")
        CutMidStream(times=1, skip=0, key=None, after=3)
    """
    name, _, rest = text.partition(":")
    kinds = _kinds()
    if name not in kinds:
        raise UnknownNameError(name, kinds)
    pairs = [pair.partition("=") for pair in rest.split(",") if pair]
    given: dict[str, str] = {field: value for field, _, value in pairs}
    types = {field.name: str(field.type) for field in dataclasses.fields(kinds[name])}
    values: dict[str, object] = {}
    for field, value in given.items():
        if field not in types:
            raise UnknownNameError(field, types)
        try:
            values[field] = _value(types[field], value)
        except ValueError as error:
            raise InputError(f"{field} of {name} cannot be {value!r}") from error
    return cast("Callable[..., Fault]", kinds[name])(**values)


def _value(kind: str, text: str) -> object:
    if kind.startswith("int"):
        return int(text)
    if kind.startswith("bool"):
        return {"true": True, "false": False}.get(text.lower(), text == "1")
    if kind.startswith("float"):
        try:
            return float(text)
        except ValueError:
            if "str" not in kind:
                raise
    return text


def _kinds() -> dict[str, type[Fault]]:
    every = (getattr(faults, name) for name in faults.__all__)
    leaves = (faults.ServerFault, faults.RequestFault)
    return {
        kind.__name__: kind
        for kind in every
        if isinstance(kind, type) and issubclass(kind, leaves) and kind not in leaves
    }


def _server(options: argparse.Namespace) -> MockProvider | Recorder | Replay:
    if options.record is not None:
        if options.upstream is None:
            raise InputError("--record needs --upstream, the address of the service")
        return Recorder(options.upstream, options.record, port=options.port)
    if options.replay is not None:
        return Replay(options.replay, is_paced=options.paced, port=options.port)
    return MockProvider(
        options.dialect,
        answers=options.answer or None,
        latency=Latency(options.latency, options.gap),
        faults=[parse_fault(text) for text in options.fault],
        keys={f"key {place}": key for place, key in enumerate(options.key, 1)} or None,
        port=options.port,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ipfs_accelerate.testing.providers",
        description="Serve a mock of a model service on loopback, or record and replay a real one.",
        epilog=_EXAMPLE.format(faults="\n  ".join(map(_described, _kinds().values()))),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    names = ", ".join(dialect_names())
    add("dialect", nargs="?", default="openai", help=f"whose protocol: {names} (default: openai)")
    add("--port", type=int, default=0, help="0 for any (default)")
    add("--answer", action="append", default=[], help="text to answer; several are given in turn")
    add("--latency", type=float, default=0.0, metavar="S", help="seconds before an answer begins")
    add("--gap", type=float, default=0.0, metavar="S", help="seconds between pieces of a stream")
    add("--fault", action="append", default=[], metavar="NAME[:FIELD=VALUE,…]", help="see below")
    add("--key", action="append", default=[], help="a key to take; without, any and none are taken")
    add("--record", type=Path, metavar="FILE", help="record --upstream into this file instead")
    add("--upstream", metavar="URL", help="the service to record")
    add("--replay", type=Path, metavar="FILE", help="serve this recording instead")
    add("--paced", action="store_true", help="replay with the pauses that were recorded")
    return parser


def _described(kind: type[Fault]) -> str:
    fields = ", ".join(field.name for field in dataclasses.fields(kind))
    summary = (kind.__doc__ or "").partition("\n")[0]
    return f"{kind.__name__}({fields})\n      {summary}"


if __name__ == "__main__":
    sys.exit(main())
