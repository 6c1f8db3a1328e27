"""Where the keys of an endpoint come from; keys are shown nowhere."""

from __future__ import annotations

import configparser
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import AccessDeniedError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Keys", "Redactor", "find_keys"]

_SOURCES = ("environment", "environment:PREFIX_", "profile:NAME", "instance", "anonymous")
_CHAIN = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
          "AWS_CONTAINER_CREDENTIALS_FULL_URI")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys that sign requests.

    Attributes:
        access_key_id: Names the account.
        secret_access_key: Signs.
        session_token: Of temporary keys; ``None`` for permanent ones.
    """

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.access_key_id or not self.secret_access_key:
            raise ConfigurationError(
                "an access key without its secret, or the other way round",
                hint="give access_key_id and secret_access_key",
            )


class Redactor:
    """Takes keys out of text that others wrote."""

    def __init__(self, keys: Keys | None) -> None:
        parts = (keys.access_key_id, keys.secret_access_key, keys.session_token) if keys else ()
        self._secrets = sorted((part for part in parts if part), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text with every key replaced by ``[redacted]``."""
        for secret in self._secrets:
            text = text.replace(secret, "[redacted]")
        return text


def find_keys(
    source: str, *, endpoint: str, environment: Mapping[str, str] | None = None
) -> Keys | None:
    """The keys a source gives now; ``None`` when requests go unsigned or the client finds them.

    Args:
        source: ``environment`` (``AWS_ACCESS_KEY_ID`` and so on, else what runs in a container or
            with a web identity, else the default profile), ``environment:PREFIX_``,
            ``profile:NAME``, ``instance`` (the machine's own role) or ``anonymous``.
        endpoint: Named in errors.
        environment: Variables to read; ``os.environ`` when ``None``.

    Raises:
        AccessDeniedError: The source has no keys.
        ConfigurationError: There is no such source, or the profile cannot be read.
    """
    variables = os.environ if environment is None else environment
    kind, _, name = source.partition(":")
    if source in {"anonymous", "instance"}:
        return None
    if kind == "environment":
        return _from_environment(name or "AWS_", variables, endpoint)
    if kind == "profile" and name:
        return _from_profile(name, variables, endpoint)
    raise ConfigurationError(
        f"endpoint {endpoint!r}: no such source of credentials: {source!r}",
        hint="one of " + ", ".join(_SOURCES),
    )


def _from_environment(prefix: str, variables: Mapping[str, str], endpoint: str) -> Keys | None:
    key, secret = (variables.get(prefix + n) for n in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    if key and secret:
        return Keys(key, secret, variables.get(prefix + "SESSION_TOKEN") or None)
    if prefix == "AWS_":
        if any(variables.get(name) for name in _CHAIN):
            return None
        profile = variables.get("AWS_PROFILE") or "default"
        if "AWS_PROFILE" in variables or _profiles(variables).has_section(profile):
            return _from_profile(profile, variables, endpoint)
    raise AccessDeniedError(
        f"there are no credentials for endpoint {endpoint!r}",
        hint=f"set {prefix}ACCESS_KEY_ID and {prefix}SECRET_ACCESS_KEY, or make the endpoint"
        " anonymous",
        details={"endpoint": endpoint},
    )


def _profiles(variables: Mapping[str, str]) -> configparser.RawConfigParser:
    home = Path(variables.get("HOME") or Path.home())
    path = Path(variables.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws" / "credentials")
    parser = configparser.RawConfigParser(default_section="\0")
    try:
        parser.read_string(path.read_text(encoding="utf-8") if path.is_file() else "")
    except (OSError, ValueError, configparser.Error) as error:
        raise ConfigurationError(f"{path} cannot be read: {type(error).__name__}") from None
    return parser


def _from_profile(name: str, variables: Mapping[str, str], endpoint: str) -> Keys:
    parser = _profiles(variables)
    found = dict(parser.items(name)) if parser.has_section(name) else {}
    key, secret = found.get("aws_access_key_id"), found.get("aws_secret_access_key")
    if not key or not secret:
        raise AccessDeniedError(
            f"profile {name!r} for endpoint {endpoint!r} has no keys",
            hint="profiles with aws_access_key_id and aws_secret_access_key in the credentials"
            " file are read; for single sign-on export the keys to the environment first",
            details={"endpoint": endpoint, "profile": name},
        )
    return Keys(key, secret, found.get("aws_session_token"))
