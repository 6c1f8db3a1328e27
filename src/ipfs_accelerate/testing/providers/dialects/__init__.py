"""One file for each service's protocol, named like the provider; each has a ``DIALECT``."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import UnknownNameError

if TYPE_CHECKING:
    from ipfs_accelerate.testing.providers.dialect import Dialect

__all__ = ["dialect_named", "dialect_names"]


def dialect_names() -> tuple[str, ...]:
    """Names of all dialects."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def dialect_named(name: str) -> Dialect:
    """The dialect of a provider.

    Raises:
        UnknownNameError: There is none.
    """
    if name not in dialect_names():
        raise UnknownNameError(name, dialect_names())
    dialect: Dialect = import_module(f"{__name__}.{name}").DIALECT
    return dialect
