"""Finds plugins once per process."""

from __future__ import annotations

import hashlib
import logging
import sys
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

from ipfs_accelerate.errors import ConfigurationError
from ipfs_accelerate.plugins import hooks

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["load_plugin", "plugin_manager"]

logger = logging.getLogger(__name__)


@cache
def plugin_manager() -> pluggy.PluginManager:
    """The manager with all built-in and installed plugins registered.

    A third party's plugin that fails to import is logged with its reason and left out; it never
    takes the product down.
    """
    manager = pluggy.PluginManager(hooks.GROUP)
    manager.add_hookspecs(hooks)
    for entry in entry_points(group=hooks.GROUP):
        try:
            manager.register(entry.load(), name=entry.name)
        except Exception:  # a foreign module may raise anything
            if entry.value.startswith("ipfs_accelerate."):
                raise
            logger.exception("plugin %r (%s) could not be loaded", entry.name, entry.value)
    return manager


def load_plugin(spec: str) -> None:
    """Register a plugin that is not installed; a second call with the same one does nothing.

    Args:
        spec: Name of an importable module, or the path of a ``.py`` file.

    Raises:
        ConfigurationError: There is no such module, or its import fails.
    """
    manager = plugin_manager()
    try:
        module = _from_file(Path(spec)) if spec.endswith(".py") else import_module(spec)
    except Exception as error:  # a foreign module may raise anything
        raise ConfigurationError(
            f"cannot load plugin {spec!r}: {error}",
            hint="name an importable module or the path of a .py file",
        ) from error
    if not manager.is_registered(module):
        manager.register(module)


def _from_file(path: Path) -> ModuleType:
    name = "ipfs_accelerate_plugin_" + hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
