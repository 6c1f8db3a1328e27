"""``accel bench plan`` and ``accel bench run --missing``: what to measure next, and only that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import click

from ipfs_accelerate.cli.output import emit_json, json_option, note
from ipfs_accelerate.cli.quantities import duration, integers, names, share

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ipfs_accelerate.bench.plan import Sizes
    from ipfs_accelerate.bench.run import BenchRequest
    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.evidence.coverage import PlanRequest
    from ipfs_accelerate.store import Ledger

__all__ = ["case_budget", "increment_options", "missing_request", "plan"]

F = TypeVar("F", bound="Callable[..., object]")
_SIZES = {
    "batch": "batch",
    "seq": "sequence",
    "image": "image",
    "audio_seconds": "audio_seconds",
    "new_tokens": "new_tokens",
}


def _weight(text: str) -> tuple[str, float]:
    """Pattern and factor from ``org/name=2``."""
    pattern, separator, number = text.rpartition("=")
    try:
        factor = float(number)
    except ValueError:
        factor = 0.0
    if not separator or not pattern or not 0 < factor < float("inf"):
        raise click.BadParameter(f"{text!r} is not of the form MODEL=2 with a positive factor")
    return pattern, factor


def _rules_options(function: F, *, prefix: str = "") -> F:
    for option in (
        click.option("--ignore", type=names, metavar="FACT,...",
                     help=prefix + "Changes that do not make a result stale, e.g. commit."),
        click.option("--attempts", type=click.IntRange(1, 100), default=3,
                     help=prefix + "Tries without change, then a cell is left alone."),
        click.option("--weights", type=click.Path(exists=True, dir_okay=False, path_type=Path),
                     help=prefix + "TOML file with a table [weights]."),
        click.option("--weight", type=_weight, multiple=True, metavar="PATTERN=FACTOR",
                     help=prefix + "Importance of a model or target; repeatable."),
        click.option("--only", is_flag=True, help=prefix + "Leave out models of the ledger."),
    ):  # fmt: skip
        function = option(function)
    return function


def increment_options(function: F) -> F:
    """Add ``--missing`` and what belongs to it to ``accel bench run``."""
    function = _rules_options(function, prefix="With --missing: ")
    text = "With --missing: counted time per case, 10s if not given."
    function = click.option("--case-budget", type=duration, help=text)(function)
    text = "Measure only what `accel bench plan` finds; --budget is then for the whole."
    return click.option("--missing", is_flag=True, help=text)(function)


@click.command(epilog="Example: accel bench plan ./model --targets 'onnxruntime/*' --budget 10m")
@click.argument("refs", nargs=-1, metavar="[REF]...")
@click.option("--targets", type=names, default="all", help="all, globs or names, by comma.")
@click.option("--batch", type=integers, help="Batch sizes; those in use if no size is given.")
@click.option("--seq", type=integers, help="Tokens per text, by comma.")
@click.option("--image", type=integers, help="Pixels per side, by comma.")
@click.option("--audio-seconds", type=integers, help="Length of audio, by comma.")
@click.option("--new-tokens", type=integers, help="Tokens to generate, by comma.")
@click.option("--budget", type=duration, help="Time for the whole, e.g. 10m.")
@click.option("--case-budget", type=duration, default="10s", help="Counted time per case.")
@click.option("--precision-goal", type=share, default="2%", help="Width of the interval.")
@click.option("--threads", type=click.IntRange(min=1), help="Intra-op threads; all cores.")
@_rules_options
@click.option("--plugin", "plugins", multiple=True, help="Further plugin: module or .py file.")
@click.option("--db", type=click.Path(path_type=Path), help="Ledger file; see the setting db_path.")
@json_option
def plan(
    *,
    refs: tuple[str, ...],
    plugins: tuple[str, ...],
    db: Path | None,
    as_json: bool,
    **given: object,
) -> None:
    """Show what is measured of models, targets and shapes, and what to measure next.

    Models are those of the ledger and every REF. Nothing is run; `accel bench run --missing` with
    the same options runs what is chosen here.
    """
    from ipfs_accelerate.cli.bench_plan_view import plan_to_json, print_plan
    from ipfs_accelerate.config import load_settings
    from ipfs_accelerate.evidence.coverage import plan_coverage
    from ipfs_accelerate.plugins import load_plugin
    from ipfs_accelerate.store import Ledger

    for plugin in plugins:
        load_plugin(plugin)
    settings = load_settings({"db_path": db})
    budget_ns = cast("int | None", given["budget"])
    request = _plan_request(refs, settings, given, budget_ns=budget_ns)
    ledger = None
    if settings.ledger_path.is_file():
        timeout_s = settings.lock_timeout_s
        ledger = Ledger(settings.ledger_path, read_only=True, lock_timeout_s=timeout_s)
    found = plan_coverage(ledger, request)
    if as_json:
        emit_json("bench-plan/1", plan_to_json(found, budget_s=request.budget_s))
    else:
        print_plan(found, budget_s=request.budget_s)


def case_budget(given: Mapping[str, object], refs: tuple[str, ...]) -> dict[str, object]:
    """Options of ``bench run`` with the counted time per case under ``budget``.

    Raises:
        UsageError: Options of ``--missing`` without it, or no model.
    """
    from ipfs_accelerate.errors import UsageError

    if given["missing"]:
        if given["simulate"]:
            raise UsageError("--missing measures, it does not simulate", hint="drop --simulate")
        return {**given, "budget": given["case_budget"] or 10 * 10**9}
    for name in ("only", "weight", "weights", "attempts", "ignore", "case_budget"):
        if _is_given(name):
            text = "--" + name.replace("_", "-")
            raise UsageError(f"{text} without --missing", hint="see `accel bench plan --help`")
    if not refs:
        raise UsageError("no model given", hint="accel bench run org/name, or --missing")
    return dict(given)


def missing_request(
    request: BenchRequest, ledger: Ledger, given: Mapping[str, object], *, as_json: bool
) -> tuple[BenchRequest | None, Callable[[], bool]]:
    """The request for the cells that are missing, and whether the next may begin.

    Args:
        request: What ``bench run`` was asked for.
        ledger: What is known.
        given: All options as typed.
        as_json: How to say that there is nothing to do.

    Returns:
        ``None`` when there is nothing to do, after saying so.
    """
    from ipfs_accelerate.cli.bench_plan_view import sentence
    from ipfs_accelerate.evidence.coverage import plan_coverage
    from ipfs_accelerate.telemetry import MonotonicClock

    budget_ns = cast("int", given["budget"]) if _is_given("budget") else None
    settings = request.options.settings
    given = {**given, "case_budget": request.options.limits.budget_ns}
    given |= {name: given[name] if _is_given(name) else None for name in _SIZES}
    wanted = _plan_request(request.models, settings, given, budget_ns=budget_ns)
    found = plan_coverage(ledger, wanted)
    text = sentence(found, budget_s=wanted.budget_s)
    if not found.choice.chosen:
        if as_json:
            emit_json("bench/1", {"run": None, "results": [], "reason": text})
        else:
            print(text)
        return None, lambda: False
    note(text)
    cases = tuple(cell.wanted.case for cell in found.choice.chosen)
    models = tuple(dict.fromkeys(case.model for case in cases))
    clock = MonotonicClock()
    end_ns = None if budget_ns is None else clock.now_ns() + budget_ns
    return (
        replace(request, models=models, cases=cases),
        lambda: end_ns is None or clock.now_ns() < end_ns,
    )


def _plan_request(
    refs: tuple[str, ...],
    settings: Settings,
    given: Mapping[str, object],
    *,
    budget_ns: int | None,
) -> PlanRequest:
    from ipfs_accelerate.evidence.coverage import PlanRequest, Rules

    ignored = cast("tuple[str, ...] | None", given["ignore"])
    return PlanRequest(
        settings=settings,
        models=refs,
        is_exclusive=bool(given["only"]),
        targets=cast("tuple[str, ...]", given["targets"]),
        sizes=_sizes(given),
        rules=Rules(
            goal=cast("float", given["precision_goal"]),
            attempts=cast("int", given["attempts"]),
            ignored=frozenset(ignored or ()),
        ),
        weights=_weights(given),
        counted_s=cast("int", given["case_budget"]) / 1e9,
        threads=cast("int | None", given["threads"]),
        budget_s=None if budget_ns is None else budget_ns / 1e9,
    )


def _sizes(given: Mapping[str, object]) -> Sizes | None:
    from ipfs_accelerate.bench.plan import Sizes

    found = {name: given[option] for option, name in _SIZES.items() if given[option]}
    return Sizes(**cast("dict[str, tuple[int, ...]]", found)) if found else None


def _weights(given: Mapping[str, object]) -> dict[str, float]:
    path = cast("Path | None", given["weights"])
    return _weights_of(path) | dict(cast("tuple[tuple[str, float], ...]", given["weight"]))


def _weights_of(path: Path | None) -> dict[str, float]:
    import tomllib

    from ipfs_accelerate.errors import InputError

    if path is None:
        return {}
    hint = '[weights]\n"org/name" = 2'
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("weights")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}", hint=hint) from error
    if not isinstance(table, dict):
        raise InputError(f"{path} has no table [weights]", hint=hint)
    for name, factor in table.items():
        if isinstance(factor, bool) or not isinstance(factor, (int, float)):
            raise InputError(f"weight {factor!r} of {name!r} in {path} is no number", hint=hint)
    return {name: float(factor) for name, factor in table.items()}


def _is_given(name: str) -> bool:
    from click.core import ParameterSource

    source = click.get_current_context().get_parameter_source(name)
    return source is not None and source is not ParameterSource.DEFAULT
