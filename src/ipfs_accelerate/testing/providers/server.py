"""The mock: one service on a port of loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ipfs_accelerate.testing.providers._loopback import Loopback
from ipfs_accelerate.testing.providers._serving import ClientLeftError, silent_socket
from ipfs_accelerate.testing.providers.answers import Answer, Asked, invented
from ipfs_accelerate.testing.providers.dialect import Failure
from ipfs_accelerate.testing.providers.dialects import dialect_named
from ipfs_accelerate.testing.providers.faults import (
    RefuseConnection,
    RequestFault,
    ServerFault,
    UnknownHost,
    WrongCertificate,
)
from ipfs_accelerate.testing.providers.script import End, Latency, refusal, script

if TYPE_CHECKING:
    import socket

    from ipfs_accelerate.testing.providers._http import Incoming
    from ipfs_accelerate.testing.providers._serving import Wire
    from ipfs_accelerate.testing.providers.dialect import Dialect
    from ipfs_accelerate.testing.providers.faults import Fault
    from ipfs_accelerate.testing.providers.script import Step

__all__ = ["MockProvider", "Seen"]

Answers = str | Answer | Sequence[str | Answer] | Callable[[Asked], Answer]

_SECRETS = {"authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie"}


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as the mock saw it; no credential is in it.

    Attributes:
        path: Without the query.
        headers: Names in lower case.
        key: Name of the key; ``unknown`` for any other credential, ``None`` for no credential.
        asked: What it asks; ``None`` where the service has no such path.
        fault: What went wrong with it on purpose.
        outcome: ``open`` while it is being answered, then ``answered``, ``client_left`` or
            ``broken`` (the mock ended the connection).
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, object]
    key: str | None
    asked: Asked | None
    fault: RequestFault | None
    outcome: str = "open"


class MockProvider(Loopback):
    """A service that answers as told; a context manager, also an asynchronous one.

    It says of itself that it is a mock, in the header ``X-Mock-Provider``.

    Args:
        dialect: Name of the provider whose protocol it speaks.
        answers: A text, an `Answer`, several to be given in turn (the last one for ever), or a
            function; when ``None``, what `invented` makes of the request.
        latency: How long it takes.
        faults: What goes wrong; of those that fit a request, the first.
        keys: Credentials it takes, by name; when ``None``, it takes any and none.
        port: 0 for any.

    Raises:
        UnknownNameError: There is no such dialect.

    Example:
        >>> import urllib.request
        >>> with MockProvider("openai") as mock:
        ...     with urllib.request.urlopen(mock.url + "/models") as answer:
        ...         answer.headers["X-Mock-Provider"]
        'openai'
    """

    def __init__(
        self,
        dialect: str = "openai",
        *,
        answers: Answers | None = None,
        latency: Latency = Latency(),  # noqa: B008 — frozen
        faults: Iterable[Fault] = (),
        keys: Mapping[str, str] | None = None,
        port: int = 0,
    ) -> None:
        every = tuple(faults)
        self._dialect: Dialect = dialect_named(dialect)
        self._script = _Answers(answers)
        self._latency = latency
        self._server_faults = {type(one) for one in every if isinstance(one, ServerFault)}
        self._faults = [_Due(one) for one in every if isinstance(one, RequestFault)]
        self._keys = None if keys is None else {secret: name for name, secret in keys.items()}
        self._seen: list[Seen] = []
        self._changed = threading.Condition()
        self._taken: socket.socket | None = None
        super().__init__(f"mock-{dialect}", port=port, is_distrusted=self._is_distrusted)

    @property
    def _is_distrusted(self) -> bool:
        return WrongCertificate in self._server_faults

    @property
    def name(self) -> str:
        """Of the provider."""
        return self._dialect.name

    @property
    def url(self) -> str:
        """Address to give to clients, as they would be given that of the service."""
        scheme = "https" if self._is_distrusted else "http"
        host = "mock-provider.invalid" if UnknownHost in self._server_faults else "127.0.0.1"
        return f"{scheme}://{host}:{self.port}{self._dialect.root}"

    @property
    def requests(self) -> list[Seen]:
        """What came so far, in the order of arrival."""
        with self._changed:
            return list(self._seen)

    def fail(self, fault: RequestFault) -> None:
        """Let this go wrong too, from now on."""
        with self._changed:
            self._faults.append(_Due(fault))

    def heal(self) -> None:
        """Let nothing go wrong with requests any more."""
        with self._changed:
            self._faults.clear()

    def wait_until(self, holds: Callable[[list[Seen]], bool], limit_s: float = 5.0) -> bool:
        """Wait until something holds of the requests seen; whether it came to hold in time.

        In a coroutine, use ``await asyncio.to_thread(mock.wait_until, …)``.
        """
        with self._changed:
            return self._changed.wait_for(lambda: holds(list(self._seen)), limit_s)

    def start(self) -> None:
        """Listen; done by entering the context."""
        if RefuseConnection in self._server_faults:
            self._taken = silent_socket(self._asked_port)
            self.port = self._taken.getsockname()[1]
        else:
            super().start()

    def stop(self) -> None:
        """Close all connections; done by leaving the context, and may be done twice."""
        if self._taken is not None:
            self._taken.close()
            self._taken = None
        super().stop()

    async def _handle(self, request: Incoming, wire: Wire) -> None:
        body = _object(request.body)
        place, steps = self._plan(request, body)
        outcome = "broken"
        try:
            outcome = await _play(steps, wire)
        except ClientLeftError:
            outcome = "client_left"
            raise
        finally:
            self._note(place, outcome)

    def _plan(self, request: Incoming, body: Mapping[str, object]) -> tuple[int, list[Step]]:
        """Record a request and decide what is done about it."""
        dialect = self._dialect
        path = urlsplit(request.path).path
        asked = dialect.read(request.method, request.path, body)
        key = self._key_name(request)
        with self._changed:
            fault = next((due.fault for due in self._faults if due.takes(key)), None)
            seen = Seen(request.method, path, _harmless(request), body, key, asked, fault)
            self._seen.append(seen)
            place = len(self._seen) - 1
            self._changed.notify_all()
        if self._keys is not None and key not in self._keys.values():
            return place, [refusal(dialect, Failure(401))]
        if asked is None:
            return place, [refusal(dialect, Failure(404))]
        steps = script(dialect, asked, self._script.answer, fault=fault, latency=self._latency)
        return place, steps

    def _key_name(self, request: Incoming) -> str | None:
        secret = self._dialect.key(request.headers, request.path)
        return None if secret is None else (self._keys or {}).get(secret, "unknown")

    def _note(self, place: int, outcome: str) -> None:
        with self._changed:
            self._seen[place] = replace(self._seen[place], outcome=outcome)
            self._changed.notify_all()


class _Due:
    """A fault and how often it has still to be let through or to hit."""

    def __init__(self, fault: RequestFault) -> None:
        self.fault = fault
        self._skip = fault.skip
        self._left = fault.times

    def takes(self, key: str | None) -> bool:
        """Whether it hits the request that comes now with a key of this name."""
        if self.fault.key not in {None, key} or self._left == 0:
            return False
        if self._skip:
            self._skip -= 1
            return False
        if self._left is not None:
            self._left -= 1
        return True


class _Answers:
    """What is answered next."""

    def __init__(self, answers: Answers | None) -> None:
        given: Sequence[str | Answer] = ()
        if isinstance(answers, (str, Answer)):
            given = (answers,)
        elif answers is not None and not callable(answers):
            given = tuple(answers)
        self._invent = answers if callable(answers) else invented
        self._left = [Answer.of(one) if isinstance(one, str) else one for one in given]

    def answer(self, asked: Asked) -> Answer:
        """For this request; one without vectors or scores does not answer a request for them."""
        if asked.kind in {"models", "embedding", "rerank"}:
            found = next((one for one in self._left if one.vectors or one.scores), None)
            return found or self._invent(asked)
        if len(self._left) > 1:
            return _continued(self._left.pop(0), asked.begun)
        return _continued(self._left[0] if self._left else self._invent(asked), asked.begun)


def _continued(answer: Answer, begun: str) -> Answer:
    """What of an answer comes after its beginning."""
    if not begun or not answer.text.startswith(begun):
        return answer
    left, pieces = len(begun), []
    for piece in answer.pieces:
        pieces.append(piece[left:])
        left = max(0, left - len(piece))
    rest = tuple(piece for piece in pieces if piece)
    # a model that has nothing to add spends one token to say so
    return replace(answer, pieces=rest, completion_tokens=len(rest) or 1)


async def _play(steps: Sequence[Step], wire: Wire) -> str:
    for step in steps:
        if isinstance(step, bytes):
            await wire.send(step)
        elif isinstance(step, End):
            if step is End.HANG:
                await wire.wait(None)
            (wire.reset if step is End.RESET else wire.close)()
            return "broken"
        else:
            await wire.wait(step)
    return "answered"


def _harmless(request: Incoming) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name not in _SECRETS}


def _object(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body) if body else {}
    except ValueError:
        value = {}
    return value if isinstance(value, dict) else {}
