"""Every error the product raises, in one tree with stable codes.

::

    AccelerateError
    ├── UsageError                    the caller can fix it by changing the request
    │   ├── ConfigurationError
    │   ├── InputError
    │   ├── ModelReferenceError
    │   └── UnknownNameError
    │       ├── UnknownModelError
    │       ├── UnknownTargetError
    │       └── UnknownTaskError
    ├── UnavailableError              something needed is not here
    │   ├── MissingExtraError
    │   ├── DeviceUnavailableError
    │   ├── RuntimeUnavailableError
    │   ├── TargetUnsupportedError
    │   ├── SourceUnavailableError
    │   ├── ModelNotFoundError
    │   ├── ContentNotFoundError
    │   ├── AccessDeniedError
    │   └── ConnectivityError
    ├── ModelError                    the bytes of a model are not what they should be
    │   ├── IntegrityError
    │   │   ├── BlockMismatchError
    │   │   └── SignatureError
    │   ├── UnsafeModelError
    │   ├── ModelFormatError
    │   ├── ContentFormatError
    │   │   └── ContentLimitError
    │   ├── ConversionError
    │   └── ParityError
    ├── ExecutionError                a runtime failed while loading or running
    │   ├── LoadError
    │   ├── InferenceError
    │   ├── PlacementError
    │   ├── MemoryLimitError
    │   ├── DeadlineExceededError
    │   └── ChildFailedError
    ├── StoreError                    the ledger cannot be read or written
    │   ├── StoreLockedError
    │   ├── SchemaTooNewError
    │   ├── StoreCorruptError
    │   ├── DiskFullError
    │   ├── QuotaExceededError
    │   ├── MixedOriginsError
    │   └── QueryError
    ├── ProviderError                 a remote model service failed or refused
    │   ├── KeyRefusedError
    │   ├── RateLimitedError
    │   │   └── AllowanceSpentError
    │   ├── ProviderOverloadedError
    │   ├── ProviderFailedError
    │   ├── RequestRefusedError
    │   ├── ContentRefusedError
    │   ├── MalformedAnswerError
    │   │   └── StreamTruncatedError
    │   ├── StreamStalledError
    │   ├── CircuitOpenError
    │   ├── QueueFullError
    │   └── AllProvidersFailedError
    └── InternalError                 a defect of ours

Codes never change their meaning; they are shared with the TypeScript SDK.
"""

from __future__ import annotations

import difflib
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "AccelerateError",
    "AccessDeniedError",
    "AllProvidersFailedError",
    "AllowanceSpentError",
    "BlockMismatchError",
    "Category",
    "ChildFailedError",
    "CircuitOpenError",
    "ConfigurationError",
    "ConnectivityError",
    "ContentFormatError",
    "ContentLimitError",
    "ContentNotFoundError",
    "ContentRefusedError",
    "ConversionError",
    "DeadlineExceededError",
    "DeviceUnavailableError",
    "DiskFullError",
    "ExecutionError",
    "InferenceError",
    "InputError",
    "IntegrityError",
    "InternalError",
    "KeyRefusedError",
    "LoadError",
    "MalformedAnswerError",
    "MemoryLimitError",
    "MissingExtraError",
    "MixedOriginsError",
    "ModelError",
    "ModelFormatError",
    "ModelNotFoundError",
    "ModelReferenceError",
    "ParityError",
    "PlacementError",
    "ProviderError",
    "ProviderFailedError",
    "ProviderOverloadedError",
    "QueryError",
    "QueueFullError",
    "QuotaExceededError",
    "RateLimitedError",
    "Recovery",
    "RequestRefusedError",
    "RuntimeUnavailableError",
    "SchemaTooNewError",
    "SignatureError",
    "SourceUnavailableError",
    "StoreCorruptError",
    "StoreError",
    "StoreLockedError",
    "StreamStalledError",
    "StreamTruncatedError",
    "TargetUnsupportedError",
    "UnavailableError",
    "UnknownModelError",
    "UnknownNameError",
    "UnknownTargetError",
    "UnknownTaskError",
    "UnsafeModelError",
    "UsageError",
    "error_types",
]


class Category(StrEnum):
    """Who has to act, and with which exit code the command line ends."""

    USAGE = "usage"
    UNAVAILABLE = "unavailable"
    DATA = "data"
    EXECUTION = "execution"
    STORE = "store"
    INTERNAL = "internal"

    @property
    def exit_code(self) -> int:
        """Exit status of the command line: 1 finding, 2 usage, 3 unavailable, 4 internal."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    Category.USAGE: 2,
    Category.UNAVAILABLE: 3,
    Category.DATA: 1,
    Category.EXECUTION: 1,
    Category.STORE: 3,
    Category.INTERNAL: 4,
}


class Recovery(StrEnum):
    """What a program that caught the error may do about it."""

    NONE = "none"
    FIX_REQUEST = "fix_request"
    INSTALL = "install"
    RETRY = "retry"
    FALL_BACK = "fall_back"
    REFETCH = "refetch"
    FREE_RESOURCES = "free_resources"


class AccelerateError(Exception):
    """Base of every error raised on purpose.

    Args:
        message: One sentence that contains the offending value.
        hint: The next step for the person who reads it; ``None`` when there is none.
        details: JSON-serialisable facts for programs (no secrets, no tensors).
    """

    code: ClassVar[str] = "error"
    category: ClassVar[Category] = Category.INTERNAL
    recovery: ClassVar[Recovery] = Recovery.NONE

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = dict(details or {})

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def to_dict(self) -> dict[str, object]:
        """The machine-readable form used in logs, ``--json`` output and stored results."""
        return {
            "code": self.code,
            "category": self.category.value,
            "recovery": self.recovery.value,
            "message": self.message,
            "hint": self.hint,
            "details": self.details,
        }


class UsageError(AccelerateError):
    """The request itself cannot be honoured as written."""

    code = "usage"
    category = Category.USAGE
    recovery = Recovery.FIX_REQUEST


class ConfigurationError(UsageError):
    """A setting has an unknown name or a value outside its domain."""

    code = "configuration"


class InputError(UsageError):
    """An input has the wrong name, shape, dtype or modality for the model."""

    code = "input"


class ModelReferenceError(UsageError):
    """A model reference cannot be parsed."""

    code = "model_reference"


class UnknownNameError(UsageError):
    """A name is not one of the known ones; the hint names the nearest."""

    code = "unknown_name"
    noun: ClassVar[str] = "name"

    def __init__(self, name: str, known: Iterable[str], *, hint: str | None = None) -> None:
        choices = sorted(set(known))
        near = difflib.get_close_matches(name, choices, n=3, cutoff=0.4)
        if hint is None and near:
            hint = "did you mean " + " or ".join(repr(n) for n in near) + "?"
        elif hint is None and choices:
            hint = "known: " + ", ".join(choices[:20])
        super().__init__(
            f"unknown {self.noun} {name!r}", hint=hint, details={"name": name, "nearest": near}
        )


class UnknownTargetError(UnknownNameError):
    """A target (or its runtime, device or precision) does not exist under that name."""

    code = "unknown_target"
    noun = "target"


class UnknownModelError(UnknownNameError):
    """No route of the gateway has this name."""

    code = "unknown_model"
    noun = "model"


class UnknownTaskError(UnknownNameError):
    """A task is not one of those with pre- and post-processing."""

    code = "unknown_task"
    noun = "task"


class UnavailableError(AccelerateError):
    """Something the request needs is not present or not usable here."""

    code = "unavailable"
    category = Category.UNAVAILABLE
    recovery = Recovery.FALL_BACK


class MissingExtraError(UnavailableError):
    """An optional dependency is not installed; the hint is the install command."""

    code = "missing_extra"
    recovery = Recovery.INSTALL

    def __init__(self, extra: str, *, needed_for: str, module: str | None = None) -> None:
        super().__init__(
            f"{needed_for} needs {module or extra}, which is not installed",
            hint=f"pip install 'ipfs-accelerate[{extra}]'",
            details={"extra": extra, "module": module},
        )


class DeviceUnavailableError(UnavailableError):
    """A device that was asked for is absent or unusable."""

    code = "device_unavailable"


class RuntimeUnavailableError(UnavailableError):
    """A runtime that was asked for cannot be used on this machine."""

    code = "runtime_unavailable"


class TargetUnsupportedError(UnavailableError):
    """Runtime and device exist, but not with this precision, option or model."""

    code = "target_unsupported"


class SourceUnavailableError(UnavailableError):
    """No installed source can resolve this kind of model reference."""

    code = "source_unavailable"


class ModelNotFoundError(UnavailableError):
    """The referenced model, revision or file does not exist at its source."""

    code = "model_not_found"
    recovery = Recovery.FIX_REQUEST


class ContentNotFoundError(UnavailableError):
    """No source that was asked has a block, a path inside a tree or a name."""

    code = "content_not_found"
    recovery = Recovery.RETRY


class AccessDeniedError(UnavailableError):
    """The source wants credentials, or refuses those given."""

    code = "access_denied"
    recovery = Recovery.FIX_REQUEST


class ConnectivityError(UnavailableError):
    """The source could not be reached after the allowed retries."""

    code = "connectivity"
    recovery = Recovery.RETRY


class ModelError(AccelerateError):
    """The bytes of a model are not what they should be."""

    code = "model"
    category = Category.DATA
    recovery = Recovery.REFETCH


class IntegrityError(ModelError):
    """A file is missing, truncated or does not have its expected hash."""

    code = "integrity"


class BlockMismatchError(IntegrityError):
    """Bytes do not hash to the content identifier they were offered as; none of them was used."""

    code = "block_mismatch"


class SignatureError(IntegrityError):
    """A signed manifest or name record is not signed by whom it must be, or is not valid now."""

    code = "signature"


class UnsafeModelError(ModelError):
    """A model asks for something only an explicit flag allows (pickle, remote code, paths)."""

    code = "unsafe_model"
    recovery = Recovery.FIX_REQUEST


class ModelFormatError(ModelError):
    """A file is whole but is not a valid model of its kind."""

    code = "model_format"


class ContentFormatError(ModelError):
    """A block, DAG or CAR has the right hash but is not valid for its codec."""

    code = "content_format"


class ContentLimitError(ContentFormatError):
    """Content goes past a stated bound: size of a block, depth, links, sizes that lie."""

    code = "content_limit"


class ConversionError(ModelError):
    """A model could not be converted to the format a runtime needs."""

    code = "conversion"
    recovery = Recovery.FALL_BACK


class ParityError(ModelError):
    """A converted or quantized model computes something else than its source."""

    code = "parity"
    recovery = Recovery.FALL_BACK


class ExecutionError(AccelerateError):
    """A runtime failed while loading or running a model."""

    code = "execution"
    category = Category.EXECUTION
    recovery = Recovery.FALL_BACK


class LoadError(ExecutionError):
    """A runtime refused to load a model."""

    code = "load"


class InferenceError(ExecutionError):
    """A runtime failed during a run."""

    code = "inference"


class PlacementError(ExecutionError):
    """Work ran somewhere else than where it was asked to run."""

    code = "placement"


class MemoryLimitError(ExecutionError):
    """A memory limit was or would be exceeded."""

    code = "memory_limit"
    recovery = Recovery.FREE_RESOURCES


class DeadlineExceededError(ExecutionError):
    """A time limit ended the work."""

    code = "deadline_exceeded"
    recovery = Recovery.RETRY


class ChildFailedError(ExecutionError):
    """An isolated process died or broke its protocol."""

    code = "child_failed"


class StoreError(AccelerateError):
    """The ledger cannot be read or written."""

    code = "store"
    category = Category.STORE


class StoreLockedError(StoreError):
    """Another process holds the ledger for writing longer than the allowed wait."""

    code = "store_locked"
    recovery = Recovery.RETRY


class SchemaTooNewError(StoreError):
    """The ledger was written by a newer version of the product."""

    code = "schema_too_new"
    recovery = Recovery.INSTALL


class StoreCorruptError(StoreError):
    """The file is not a ledger or cannot be opened as one."""

    code = "store_corrupt"


class DiskFullError(StoreError):
    """A write failed for lack of space; what was committed before is intact."""

    code = "disk_full"
    recovery = Recovery.FREE_RESOURCES


class QuotaExceededError(StoreError):
    """What is pinned leaves no room under the quota; nothing that was kept before is lost."""

    code = "quota_exceeded"
    recovery = Recovery.FREE_RESOURCES


class MixedOriginsError(StoreError):
    """A query would mix measured with simulated, predicted or imported rows unasked."""

    code = "mixed_origins"
    category = Category.USAGE
    recovery = Recovery.FIX_REQUEST


class QueryError(StoreError):
    """A query is not valid or not allowed on a read-only ledger."""

    code = "query"
    category = Category.USAGE
    recovery = Recovery.FIX_REQUEST


class ProviderError(AccelerateError):
    """A remote model service failed, refused, or cannot be asked now.

    ``details`` holds ``provider``, ``endpoint`` and, where the service gave them, ``status`` and
    ``provider_code``; never a key, a prompt or an answer.
    """

    code = "provider"
    category = Category.UNAVAILABLE
    recovery = Recovery.FALL_BACK


class KeyRefusedError(ProviderError):
    """The service does not accept this key, or not for this model (401, 403)."""

    code = "key_refused"


class RateLimitedError(ProviderError):
    """Too many requests or tokens; ``details["retry_after_s"]`` when the service said how long."""

    code = "rate_limited"
    recovery = Recovery.RETRY


class AllowanceSpentError(RateLimitedError):
    """The allowance or the credit behind a key is used up; waiting a moment does not help."""

    code = "allowance_spent"
    recovery = Recovery.FALL_BACK


class ProviderOverloadedError(ProviderError):
    """The service says that it is overloaded or starting (503, 529)."""

    code = "provider_overloaded"
    recovery = Recovery.RETRY


class ProviderFailedError(ProviderError):
    """The service failed inside (500, 502, 504, or an error in a stream)."""

    code = "provider_failed"
    recovery = Recovery.RETRY


class RequestRefusedError(ProviderError):
    """The service refuses the request as written (400, 413, 422); another key does not help."""

    code = "request_refused"
    category = Category.USAGE
    recovery = Recovery.FIX_REQUEST


class ContentRefusedError(ProviderError):
    """A content filter refused the request or its answer."""

    code = "content_refused"
    category = Category.USAGE
    recovery = Recovery.FIX_REQUEST


class MalformedAnswerError(ProviderError):
    """An answer that is not what its protocol promises: bad JSON, missing parts, nothing at all."""

    code = "malformed_answer"
    recovery = Recovery.RETRY


class StreamTruncatedError(MalformedAnswerError):
    """A stream or body ended before its end; what was delivered is not the whole answer."""

    code = "stream_truncated"


class StreamStalledError(ProviderError):
    """A stream went silent for longer than its allowed gap."""

    code = "stream_stalled"
    recovery = Recovery.RETRY


class CircuitOpenError(ProviderError):
    """Nothing was sent: the circuit of every possible key, endpoint or provider is open."""

    code = "circuit_open"
    recovery = Recovery.RETRY


class QueueFullError(ProviderError):
    """Nothing was sent: the queue is full of requests of the same or a higher priority."""

    code = "queue_full"
    recovery = Recovery.RETRY


class AllProvidersFailedError(ProviderError):
    """Every provider of the route failed; ``details["attempts"]`` says how, in order."""

    code = "all_providers_failed"
    recovery = Recovery.RETRY


class InternalError(AccelerateError):
    """An invariant of the product itself was violated; please report it."""

    code = "internal"


def error_types() -> dict[str, type[AccelerateError]]:
    """All error classes by their code, for documentation and for the TypeScript SDK."""
    found: dict[str, type[AccelerateError]] = {}
    pending: list[type[AccelerateError]] = [AccelerateError]
    while pending:
        cls = pending.pop()
        found[cls.code] = cls
        pending.extend(cls.__subclasses__())
    return dict(sorted(found.items()))
