"""Finds plugins once per process."""

from __future__ import annotations

import logging
from functools import cache
from importlib.metadata import entry_points

import pluggy

from ipfs_accelerate.plugins import hooks

__all__ = ["plugin_manager"]

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
