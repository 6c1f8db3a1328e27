"""Where secrets come from: the environment, a file, or the keyring of the system."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import ConfigurationError, MissingExtraError
from ipfs_accelerate.gateway.keys.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["load_secret"]

_FORMS = "write env:NAME, file:/path or keyring:service/name"
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*\Z")
_MOST_FILE_BYTES = 64 * 1024


def load_secret(reference: str, *, environ: Mapping[str, str]) -> Secret:
    """The secret that ``env:NAME``, ``file:/path`` or ``keyring:service/name`` points to.

    What is not such a reference may be a key that was pasted by mistake: no message repeats it.

    Args:
        reference: As in the configuration.
        environ: Variables, e.g. ``os.environ``.

    Raises:
        ConfigurationError: No reference; nothing is there; or a file others can read.
        MissingExtraError: The library for keyrings is not installed.
    """
    scheme, _, rest = reference.partition(":")
    if scheme == "env":
        return _from_variable(rest, environ)
    if scheme == "file":
        return _from_file(rest)
    if scheme == "keyring":
        return _from_keyring(rest)
    raise ConfigurationError("a key is not given by reference", hint=_FORMS)


def _from_variable(name: str, environ: Mapping[str, str]) -> Secret:
    if not _VARIABLE.match(name):
        raise ConfigurationError(
            "what follows env: is not the name of a variable",
            hint="names are upper case letters, digits and _, e.g. env:OPENAI_API_KEY",
        )
    if name not in environ:
        raise ConfigurationError(
            f"the environment has no variable {name}",
            hint=f"export {name}=…",
            details={"variable": name},
        )
    return Secret(environ[name], origin=f"the variable {name}")


def _from_file(written: str) -> Secret:
    path = Path(written).expanduser()
    if not path.is_absolute():
        raise ConfigurationError("a key file is not given by an absolute path", hint=_FORMS)
    try:
        return Secret(_read_private(path), origin=f"the file {path}")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        # from None: the bytes of a file that is not text are in the cause
        raise ConfigurationError(
            f"the key file {path} cannot be read: {reason}",
            hint="it holds one key in one line",
            details={"path": str(path)},
        ) from None


def _read_private(path: Path) -> str:
    """The text of a file that only its owner can read; checked on what was opened, not its name."""
    with path.open("rb") as opened:
        facts = os.fstat(opened.fileno())
        if os.name == "posix" and facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigurationError(
                f"the key file {path} may be read by others (mode {stat.S_IMODE(facts.st_mode):o})",
                hint=f"chmod 600 {path}",
                details={"path": str(path)},
            )
        data = opened.read(_MOST_FILE_BYTES + 1)
    if len(data) > _MOST_FILE_BYTES:
        raise ConfigurationError(f"the key file {path} is larger than any key")
    return data.decode()


def _from_keyring(rest: str) -> Secret:
    service, _, name = rest.partition("/")
    if not service or not name:
        raise ConfigurationError("what follows keyring: is not service/name", hint=_FORMS)
    try:
        keyring = importlib.import_module("keyring")
    except ImportError as error:
        raise MissingExtraError("keyring", needed_for="a key from the keyring") from error
    found: object = None
    reason = "it has no such entry"
    try:
        found = keyring.get_password(service, name)
    except Exception as error:  # noqa: BLE001 - back ends of other parties raise what they like
        reason = type(error).__name__
    with contextlib.suppress(TypeError):
        if found:
            return Secret(str(found), origin=f"the keyring's {service}/{name}")
    raise ConfigurationError(
        f"the keyring gives no {service}/{name}: {reason}",
        hint=f"keyring set {service} {name}",
        details={"service": service, "name": name},
    )
