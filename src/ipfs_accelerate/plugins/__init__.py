"""The whole plugin surface: `hooks` lists every hook, `plugin_manager` finds who implements them.

Built-in parts use the same hooks through entry points of the group ``ipfs_accelerate``.
"""

from ipfs_accelerate.plugins.hooks import hookimpl
from ipfs_accelerate.plugins.registry import load_plugin, plugin_manager

__all__ = ["hookimpl", "load_plugin", "plugin_manager"]
