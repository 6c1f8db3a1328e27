"""Assessments and audits of certificates for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.cli.text import console

if TYPE_CHECKING:
    from rich.text import Text

    from ipfs_accelerate.evidence.certification import Assessment, Audit, Certificate, Verdict
    from ipfs_accelerate.evidence.certification.verdicts import Effect

__all__ = ["print_assessment", "print_audit"]

_MARKS = {"pass": ("✓", "green"), "fail": ("✗", "red"), "unknown": ("?", "yellow")}
_EFFECTS: dict[Effect, str] = {"refused": "refused by", "provisional": "not certified because of"}
_COLOURS = {"certified": "green", "provisional": "yellow", "refused": "red"}


def print_assessment(found: Assessment) -> None:
    """Every rule with what it says, then the level and why it is not higher."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    screen, row = console(), found.evidence.subject
    screen.print(f"{row.result_id[:8]}  {row.target}  {row.test_case}", markup=False, emoji=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("", "rule", "weight", "quality", "what was found"):
        table.add_column(title, overflow="fold")
    for rule, verdict in found.verdicts:
        quality = f"{verdict.quality:.2f}" if rule.weight else ""
        weight = str(rule.weight or "")
        table.add_row(_mark(verdict), rule.id, weight, quality, Text(verdict.text))
    screen.print(table)
    score = "no score" if found.score is None else f"score {found.score:.0f} of 100"
    screen.print(f"[{_COLOURS[found.level]}]{found.level}[/], {score}")
    for effect, words in _EFFECTS.items():
        held = [rule.id for rule, _ in found.held_by(effect)]
        if held:
            screen.print(f"  {words}: {', '.join(held)}", markup=False, emoji=False, soft_wrap=True)


def print_audit(certificate: Certificate, found: Audit, *, has_ledger: bool) -> None:
    """What was certified, by whom, and whether it still stands."""
    screen, body = console(), certificate.body
    subject = body["subject"]
    if isinstance(subject, dict):
        for name in ("model", "target", "test_case", "executed_precision", "device", "host"):
            screen.print(
                f"{name.replace('_', ' '):<20}{subject.get(name)}", markup=False, emoji=False
            )
    screen.print(
        f"{'level':<20}{body['level']}, score {_number(body['score'])}", markup=False, emoji=False
    )
    for claim in _claims(body["claims"]):
        screen.print(f"{'claim':<20}{claim}", markup=False, emoji=False)
    screen.print(
        f"{'issued':<20}{certificate.issued:%Y-%m-%d %H:%M} UTC", markup=False, emoji=False
    )
    signers = ", ".join(map(str, certificate.signers))
    screen.print(f"{'signed by':<20}{signers}", markup=False, emoji=False, soft_wrap=True)
    checked = f"{found.rows_checked} rows are what they were" if has_ledger else "not checked"
    screen.print(f"{'evidence':<20}{checked}", markup=False, emoji=False)
    if found.level_now is not None:
        now = f"{found.level_now}, score {_number(found.score_now)}"
        screen.print(f"{'rules of today':<20}{now}", markup=False, emoji=False)
    screen.print("[green]it holds[/]" if found.holds else "[red]it does not hold[/]")
    for problem in found.problems:
        screen.print(f"  {problem}", markup=False, emoji=False, soft_wrap=True)


def _mark(verdict: Verdict) -> Text:
    from rich.text import Text

    sign, colour = _MARKS[verdict.outcome]
    return Text(sign, style=colour)


def _claims(claims: object) -> list[str]:
    found = []
    for claim in claims if isinstance(claims, list) else ():
        if isinstance(claim, dict):
            values = [_number(claim.get(f"{name}_ns"), 1e6) for name in ("estimate", "low", "high")]
            found.append(f"{claim.get('what')}: {values[0]} ms ({values[1]}–{values[2]})")
    return found


def _number(value: object, unit: float = 1.0) -> str:
    return f"{value / unit:.4g}" if isinstance(value, (int, float)) else "–"
