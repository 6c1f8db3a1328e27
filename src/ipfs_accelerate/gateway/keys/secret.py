"""A secret that shows itself only when it is asked to by name."""

from __future__ import annotations

import hmac
from typing import NoReturn

from ipfs_accelerate.errors import ConfigurationError, InputError

__all__ = ["Secret"]

_HIDDEN = "Secret(***)"


class Secret:
    """A credential; ``repr``, ``str``, formats, JSON and pickle never hold it.

    Args:
        value: The credential; blanks around it, as a file's last newline, are not part of it.
        origin: Where it comes from, in words that may be shown.

    Raises:
        ConfigurationError: Nothing is left, or a character that no HTTP header may hold is in it
            (RFC 9110, section 5.5); the message does not show it.

    Example:
        >>> f"{Secret('sk-1')} {Secret('sk-1')!r} {Secret('sk-1').reveal()}"
        'Secret(***) Secret(***) sk-1'
    """

    __slots__ = ("__value",)

    def __init__(self, value: str, *, origin: str = "a secret") -> None:
        value = value.strip()
        if not value:
            raise ConfigurationError(f"{origin} is empty", hint="put the key there")
        if not (value.isascii() and value.isprintable()):
            raise ConfigurationError(
                f"{origin} holds characters which no HTTP header may hold",
                hint="a key is one line of printable ASCII characters",
            )
        self.__value = value

    def reveal(self) -> str:
        """The credential itself, for the line that puts it into a request."""
        return self.__value

    def __repr__(self) -> str:
        return _HIDDEN

    def __format__(self, format_spec: str, /) -> str:
        return format(_HIDDEN, format_spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__value, other.__value)

    def __hash__(self) -> int:
        return hash(("Secret", self.__value))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, object], /) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise InputError("a secret is not pickled", hint="send its reference, e.g. env:NAME")
