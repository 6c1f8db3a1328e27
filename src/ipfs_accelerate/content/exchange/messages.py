"""What the scheduler is told, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.content.sources.protocol import SourceKind, Want

if TYPE_CHECKING:
    from ipfs_accelerate.content.cid import Cid

__all__ = [
    "Ask",
    "AskFailed",
    "Availability",
    "Ban",
    "BlockArrived",
    "BlockBad",
    "BlockKept",
    "Cancel",
    "Done",
    "Event",
    "Evidence",
    "ExchangeSettings",
    "Failed",
    "Gate",
    "Instruction",
    "Keep",
    "Request",
    "RequestEnded",
    "RequestFailed",
    "SourceAdded",
    "SourceRemoved",
    "Tick",
    "WantsAdded",
]

#: Whether a source may be asked for a block now. ``False`` leaves it to others for the moment; it
#: is asked again at every tick. Called under the scheduler's lock: quick, and no call back.
Gate = Callable[[str, Want], bool]

#: What a byte from each kind costs, relative to a peer on the same network: bandwidth somebody
#: pays for, and load on what everybody shares. A dearer source is used for what no cheaper one can
#: deliver, or when the cheaper ones together are slower by more than this ratio.
COSTS: dict[SourceKind, float] = {
    SourceKind.PEER: 1.0,
    SourceKind.KUBO: 1.5,
    SourceKind.BITSWAP: 2.0,
    SourceKind.GATEWAY: 4.0,
    SourceKind.HUB: 4.0,
    SourceKind.S3: 4.0,
}


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """How hard and how long is tried.

    Attributes:
        max_requests: At once, over all sources.
        requests_per_source: At once, once a source has delivered its first block.
        max_batch_bytes: Largest request.
        silence_s: Longest silence of a source before its request fails.
        stall_s: Silence after which others may take over what a source was asked for.
        max_failures: In a row without a block; then the source is given up.
        first_backoff_s: Pause after the first failure; it doubles with each further one.
        max_backoff_s: Longest such pause.
        max_retry_after_s: Longest pause a source may ask for; one that wants more is given up.
        linger_s: How long a block that no source has is waited for, as sources come and go.
        hold_s: How long a gate may hold everything back without a block arriving.
        tick_s: How often time alone leads to decisions, and progress is told.
    """

    max_requests: int = 8
    requests_per_source: int = 3
    max_batch_bytes: int = 8 * 2**20
    silence_s: float = 30.0
    stall_s: float = 2.0
    max_failures: int = 5
    first_backoff_s: float = 0.25
    max_backoff_s: float = 30.0
    max_retry_after_s: float = 120.0
    linger_s: float = 0.0
    hold_s: float = 120.0
    tick_s: float = 0.05


@dataclass(frozen=True, slots=True)
class Evidence:
    """Proof that a source sent wrong bytes.

    Attributes:
        cid: What it was asked for.
        sha256: Of what it sent, in hex.
        size_bytes: Of what it sent.
    """

    cid: Cid
    sha256: str
    size_bytes: int


# Events


@dataclass(frozen=True, slots=True)
class SourceAdded:
    """A source can be asked from now on."""

    source: str
    kind: SourceKind


@dataclass(frozen=True, slots=True)
class SourceRemoved:
    """A source went away."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class WantsAdded:
    """Further blocks are wanted. Urgent ones lead to others and go first."""

    wants: tuple[Want, ...]
    is_urgent: bool = False


@dataclass(frozen=True, slots=True)
class Availability:
    """What a source has or lacks now; what is in neither is not known.

    Attributes:
        source: Its name.
        has: Multihashes.
        lacks: Multihashes.
        asked: Those of the `Ask` that this answers, none in an announcement. What was announced
            since the question was put is newer than the answer and stays.
    """

    source: str
    has: frozenset[bytes] = frozenset()
    lacks: frozenset[bytes] = frozenset()
    asked: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class AskFailed:
    """A source did not say what it has."""

    source: str
    asked: frozenset[bytes]
    reason: str


@dataclass(frozen=True, slots=True)
class BlockArrived:
    """A request delivered a block whose bytes are right, or one that was here already."""

    request: int
    source: str
    want: Want
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BlockKept:
    """What `Keep` asked for is done."""

    want: Want


@dataclass(frozen=True, slots=True)
class BlockBad:
    """A request delivered wrong bytes."""

    request: int
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class RequestEnded:
    """A request returned: all delivered, or cancelled."""

    request: int


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """A request did not deliver everything.

    Attributes:
        request: Its number.
        reason: For the report.
        missing: The block the source lacks; ``None`` when that is not why.
        retry_after_s: How long the source wants to be left alone.
        is_final: Trying this source again is of no use.
    """

    request: int
    reason: str
    missing: Cid | None = None
    retry_after_s: float | None = None
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = (
    SourceAdded
    | SourceRemoved
    | WantsAdded
    | Availability
    | AskFailed
    | BlockArrived
    | BlockKept
    | BlockBad
    | RequestEnded
    | RequestFailed
    | Tick
)


# Instructions


@dataclass(frozen=True, slots=True)
class Ask:
    """Find out what a source has of these."""

    source: str
    wants: tuple[Want, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """Ask a source for these blocks."""

    number: int
    source: str
    wants: tuple[Want, ...]


@dataclass(frozen=True, slots=True)
class Cancel:
    """End a request: what it would still deliver is here or comes from elsewhere."""

    number: int


@dataclass(frozen=True, slots=True)
class Keep:
    """Store the block that just arrived; it is the first copy."""

    want: Want


@dataclass(frozen=True, slots=True)
class Ban:
    """A source sent wrong bytes and is not asked again."""

    source: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Done:
    """Everything wanted is kept."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Nobody delivers these; everything else is kept.

    Attributes:
        missing: The wants.
        reasons: Source → why it did not deliver the first of them.
    """

    missing: tuple[Want, ...]
    reasons: dict[str, str]


Instruction = Ask | Request | Cancel | Keep | Ban | Done | Failed
