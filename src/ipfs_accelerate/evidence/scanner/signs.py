"""Signs that numbers were computed rather than measured; each says where it saw what."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import chain, combinations, islice
from typing import TYPE_CHECKING, Literal

from ipfs_accelerate.bench.roofline import TOLERANCE
from ipfs_accelerate.bench.simulate import DATASHEETS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from ipfs_accelerate.bench.simulate import Datasheet
    from ipfs_accelerate.evidence.scanner.claims import Claim, Document

__all__ = ["SIGNS", "Reason", "Strength", "View", "reasons_against"]

#: One strong sign is enough; of the others it takes two.
Strength = Literal["strong", "weak"]

_CHANGE = re.compile(r"delta|change|diff|overhead|shift|improve|saved|reduction", re.IGNORECASE)
#: Entries that two series have to share before their ratio says anything, and how equal the ratios
#: have to be. Measured series scatter by percents.
_FEWEST, _FEWER_IF_EXACT = 5, 4
_PROPORTIONAL, _EXACT = 1e-3, 1e-6
_FEWEST_ROUND = 8
_MOST_PAIRS = 2000
_NAMES = {
    "nvidia-a100": r"\ba100\b",
    "nvidia-h100": r"\bh100\b",
    "nvidia-rtx-4090": r"\b4090\b",
    "amd-mi300x": r"\bmi300x\b",
    "apple-m2": r"\bm2\b(?! (pro|max|ultra))",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One sign.

    Attributes:
        sign: Its name.
        strength: See `Strength`.
        line: Where.
        text: What was seen.
    """

    sign: str
    strength: Strength
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class View:
    """What a sign looks at.

    Attributes:
        document: The whole file.
        claims: Those that are not marked.
        missing: Kinds of hardware that were never available on the machine.
    """

    document: Document
    claims: Sequence[Claim]
    missing: Collection[str] = ()


def words(seen: View) -> Iterator[Reason]:
    """A word such as *mock* stands beside numbers that are not marked."""
    for claim in seen.claims:
        if claim.word:
            yield Reason(
                "words", "strong", claim.line, f"{claim.word}, and {claim.name} is unmarked"
            )


def absent(seen: View) -> Iterator[Reason]:
    """Numbers for hardware that was not there: by the file itself, or by the ledger."""
    for claim in seen.claims:
        names = re.split(r"[/:\s]", claim.hardware)
        own = next((name for name in names if name in seen.document.absent), None)
        if own is not None:
            text = (
                f"{claim.name} for {own}, which line {seen.document.absent[own]} says was not there"
            )
            yield Reason("absent", "strong", claim.line, text)
        elif kind := next((name for name in names if name in seen.missing), None):
            text = f"{claim.name} for {kind}, which hardware_availability_log never saw"
            yield Reason("absent", "weak", claim.line, text)


def impossible(seen: View) -> Iterator[Reason]:
    """Numbers that no machine gives: negative, not finite, beyond the datasheet."""
    for claim in seen.claims:
        if claim.value is None:
            yield Reason("impossible", "strong", claim.line, f"{claim.name} is no finite number")
        elif claim.value < 0 and not _CHANGE.search(claim.name):
            yield Reason("impossible", "strong", claim.line, f"{claim.name} is {claim.value:g}")
        elif (why := _beyond_datasheet(claim)) is not None:
            yield Reason("impossible", "strong", claim.line, why)


def proportional(seen: View) -> Iterator[Reason]:
    """One series is another one times a constant: a table of factors, or one seed for all."""
    table: dict[str, dict[str, dict[str, Claim]]] = defaultdict(lambda: defaultdict(dict))
    for claim in seen.claims:
        if claim.value and claim.value > 0:
            table[claim.name][claim.hardware].setdefault(claim.series, claim)
    pairs = chain.from_iterable(combinations(group.items(), 2) for group in table.values())
    for (a, first), (b, second) in islice(pairs, _MOST_PAIRS):
        keys = [key for key in first if key in second]
        ratio = _constant_ratio([_pair(first[key], second[key]) for key in keys])
        if ratio is not None:
            text = f"{len(keys)} values of {a} are those of {b} times {ratio:.4g}"
            yield Reason("proportional", "strong", first[keys[0]].line, text)


def jitter(seen: View) -> Iterator[Reason]:
    """Raw samples of one result are those of another times a constant."""
    if not seen.claims:
        return
    for (a, first), (b, second) in list(combinations(seen.document.samples.items(), 2))[
        :_MOST_PAIRS
    ]:
        ratio = _constant_ratio(list(zip(first, second, strict=False)))
        if ratio is not None and min(len(first), len(second)) >= _FEWEST:
            text = f"samples of {a} are those of {b} times {ratio:.4g}"
            yield Reason("jitter", "strong", seen.claims[0].line, text)


def generated(seen: View) -> Iterator[Reason]:
    """Code of a notebook draws its latencies."""
    if seen.claims:
        for cell in seen.document.generators:
            yield Reason("generated", "strong", cell, "code that draws results at random")


def rounded(seen: View) -> Iterator[Reason]:
    """Many different numbers, and all of them are round."""
    for name, of_name in _by_name(seen.claims).items():
        values = {claim.value for claim in of_name if claim.value}
        if len(values) >= _FEWEST_ROUND and all(_is_round(value) for value in values):
            text = f"all {len(values)} different values of {name} are round"
            yield Reason("rounded", "weak", of_name[0].line, text)


def bare(seen: View) -> Iterator[Reason]:
    """Neither samples nor an environment stand by the numbers."""
    alone = [c for c in seen.claims if not c.has_samples and not c.has_environment]
    if alone:
        text = f"{len(alone)} numbers without samples and without an environment"
        yield Reason("bare", "weak", alone[0].line, text)


SIGNS: tuple[Callable[[View], Iterator[Reason]], ...] = (
    words,
    absent,
    impossible,
    proportional,
    jitter,
    generated,
    rounded,
    bare,
)


def reasons_against(seen: View) -> list[Reason]:
    """What all signs say, strong ones first, each kind on a line once."""
    found: dict[tuple[str, int], Reason] = {}
    for sign in SIGNS:
        for reason in sign(seen):
            found.setdefault((reason.sign, reason.line), reason)
    return sorted(found.values(), key=lambda reason: (reason.strength != "strong", reason.line))


def _pair(a: Claim, b: Claim) -> tuple[float, float]:
    return float(a.value or 0), float(b.value or 0)


def _constant_ratio(pairs: Sequence[tuple[float, float]]) -> float | None:
    """The ratio of two series when it is constant beyond chance and they are not equal."""
    if len(pairs) < _FEWER_IF_EXACT or any(min(pair) <= 0 for pair in pairs):
        return None
    ratios = [a / b for a, b in pairs]
    scatter = max(ratios) / min(ratios) - 1
    allowed = _PROPORTIONAL if len(pairs) >= _FEWEST else _EXACT
    values = [a for a, _ in pairs]
    is_told = len({_digits(v) for v in values}) >= _FEWER_IF_EXACT and max(values) > 1.02 * min(
        values
    )
    coarse = max(map(_coarseness, zip(*pairs, strict=True)))
    if scatter > allowed or not is_told or coarse > _PROPORTIONAL:
        return None
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def _digits(value: float) -> str:
    return f"{value:.6g}"


def _coarseness(values: Sequence[float]) -> float:
    """Relative size, at the smallest value, of a step of the last digit that a series has."""
    texts = [repr(value).rstrip("0") for value in values]
    decimals = max(12 if "e" in text else len(text.partition(".")[2]) for text in texts)
    return float(10.0**-decimals / min(values))


def _is_round(value: float) -> bool:
    """At most two digits that say something, or a multiple of 0.5 (5, 50, …) of its size."""
    scale = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    steps = value / scale
    return bool(abs(steps - round(steps)) < 1e-9 and round(steps) % 5 == 0)


def _by_name(claims: Sequence[Claim]) -> dict[str, list[Claim]]:
    found: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        found[claim.name].append(claim)
    order = Counter({name: len(of_name) for name, of_name in found.items()})
    return {name: found[name] for name, _ in order.most_common()}


def _beyond_datasheet(claim: Claim) -> str | None:
    """More operations or bytes a second than the vendor states, where the device is named."""
    sheet = next((DATASHEETS[k] for k, p in _NAMES.items() if re.search(p, claim.hardware)), None)
    if sheet is None or not claim.value:
        return None
    if claim.metric == "rate":
        unit = 1e12 if re.search(r"t(fl)?ops", claim.name, re.IGNORECASE) else 1e9
        best = max(sheet.ops_per_s.values())
        if claim.value * unit > best * (1 + TOLERANCE):
            return f"{claim.value:g} {claim.name}; {sheet.name} has {best / unit:g} at most"
    return _too_fast(claim, sheet)


def _too_fast(claim: Claim, sheet: Datasheet) -> str | None:
    """A call reads every parameter once, at four bits at least."""
    unit = {"ns": 1.0, "us": 1e3, "ms": 1e6}.get(claim.name.rpartition("_")[2].lower())
    if claim.metric != "latency" or claim.parameters is None or unit is None or not claim.value:
        return None
    least_ns = claim.parameters * 0.5 / sheet.bandwidth_bytes_per_s * 1e9
    if claim.value * unit * (1 + TOLERANCE) >= least_ns:
        return None
    name = f"{claim.name} {claim.value:g} for {claim.parameters:.3g} parameters"
    return f"{name}; {sheet.name} needs {least_ns / unit:.3g} to read them"
