"""``accel run``: run a model on the best target of this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import click

from ipfs_accelerate.cli.output import emit_json, json_option, note
from ipfs_accelerate.cli.rendering import as_json_value, as_text
from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ipfs_accelerate.inference import Accelerator, RunResult

__all__ = ["command"]


@click.command(
    epilog="Example: accel run ./all-MiniLM-L6-v2 --input 'a cat' --input 'a dog' "
    "-o similarity=true --explain"
)
@click.argument("ref")
@click.option(
    "--input",
    "-i",
    "inputs",
    multiple=True,
    required=True,
    metavar="TEXT|@FILE|-",
    help="Text, @file with text or .npz tensors, - for stdin; a path for images and sound. "
    "Repeat for a batch.",
)
@click.option("--task", help="What to do; the model's own task when not given.")
@click.option("--target", help="Run here and nowhere else, e.g. onnxruntime/cpu/int8.")
@click.option("--fallback", is_flag=True, help="With --target: try others when it fails.")
@click.option("--explain", is_flag=True, help="Say why this target (stderr, or in the JSON).")
@click.option("--stream", is_flag=True, help="Print generated text as it comes.")
@click.option("--max-new-tokens", type=click.IntRange(min=1), help="For generated text.")
@click.option("--top-k", type=click.IntRange(min=1), help="Labels shown, or tokens drawn from.")
@click.option(
    "--option",
    "-o",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Of the task; JSON value.",
)
@click.option("--timeout", "timeout_s", type=float, metavar="SECONDS", help="For the whole call.")
@click.option("--low-memory", is_flag=True, help="Free the model right after use.")
@click.option("--db", "db_path", type=click.Path(path_type=Path), help="Ledger to choose by.")
@json_option
def command(**given: Any) -> None:  # noqa: ANN401 (click's values)
    """Run the model REF on the best target of this machine.

    REF is a hub id, a directory, a file, ipfs://CID, s3://bucket/key or random://architecture.
    """
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.inference import Accelerator

    settings = load_settings({"db_path": given["db_path"]})
    options = _options(given)
    with Accelerator(settings=settings, low_memory=given["low_memory"]) as accelerator:
        inputs = _inputs(given["inputs"], given["task"])
        if given["stream"]:
            _stream(accelerator, given, inputs, options)
        else:
            _run(accelerator, given, inputs, options)


def _run(
    accelerator: Accelerator,
    given: Mapping[str, Any],
    inputs: object,
    options: Mapping[str, object],
) -> None:
    result = accelerator.run(
        given["ref"],
        inputs,
        task=given["task"],
        target=given["target"],
        timeout_s=given["timeout_s"],
        fallback=given["fallback"] or None,
        **options,
    )
    if given["as_json"]:
        emit_json("run/1", _document(given, result))
        return
    if given["explain"]:
        note(str(result.choice))
        note(
            f"ran on {result.target} in {result.latency_ns / 1e6:.3f} ms, "
            f"executed in {result.executed_precision.value}"
        )
    print(as_text(result.output))


def _document(given: Mapping[str, Any], result: RunResult) -> dict[str, object]:
    choice = result.choice
    brief = {"basis": choice.basis.value, "reason": choice.reason}
    return {
        "ref": given["ref"],
        "target": str(result.target),
        "executed_precision": result.executed_precision.value,
        "latency_ns": result.latency_ns,
        "output": as_json_value(result.output),
        "attempts": [attempt.to_dict() for attempt in result.attempts],
        "choice": choice.to_dict() if given["explain"] else brief,
    }


def _stream(
    accelerator: Accelerator,
    given: Mapping[str, Any],
    inputs: object,
    options: Mapping[str, object],
) -> None:
    if not isinstance(inputs, str):
        raise InputError("--stream takes exactly one text", hint="drop --stream for a batch")
    if given["as_json"] or given["task"] not in {None, "text-generation"}:
        raise InputError("--stream is for text generation, and not with --json")
    if given["explain"]:
        choice = accelerator.explain(
            given["ref"], inputs, task="text-generation", target=given["target"], **options
        )
        note(str(choice))
    pieces = accelerator.generate(
        given["ref"],
        inputs,
        target=given["target"],
        fallback=given["fallback"] or None,
        **options,
    )
    for piece in pieces:
        sys.stdout.write(piece.text)
        sys.stdout.flush()
    sys.stdout.write("\n")


def _options(given: Mapping[str, Any]) -> dict[str, object]:
    options: dict[str, object] = {
        name: given[name] for name in ("max_new_tokens", "top_k") if given[name] is not None
    }
    for entry in given["options"]:
        name, separator, text = entry.partition("=")
        if not separator:
            raise InputError(f"option {entry!r} has no value", hint="write NAME=VALUE")
        options[name.replace("-", "_")] = _value(text)
    return options


def _value(text: str) -> object:
    """JSON where it is JSON (numbers, booleans, lists), else the text itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return tuple(value) if isinstance(value, list) else value


def _inputs(texts: Sequence[str], task: str | None) -> object:
    values = list(_read(texts))
    if len(values) == 1:
        return values[0]
    if task is None and any(isinstance(v, dict) for v in values):
        raise InputError("tensors cannot be combined with other inputs", hint="give one .npz file")
    return values


def _read(texts: Sequence[str]) -> Iterator[object]:
    for text in texts:
        if text == "-":
            yield sys.stdin.read()
        elif text.startswith("@"):
            yield _from_file(Path(text[1:]))
        else:
            yield text


def _from_file(path: Path) -> object:
    try:
        if path.suffix == ".npz":
            return _tensors(path)
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError, BadZipFile) as error:
        raise InputError(
            f"cannot read the input file {str(path)!r}: {error}",
            hint="@file is for text and .npz tensors; images and sound are named without @",
        ) from error


def _tensors(path: Path) -> dict[str, Any]:
    import numpy as np

    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
