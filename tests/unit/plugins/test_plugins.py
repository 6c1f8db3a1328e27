from __future__ import annotations

import inspect
import tomllib
from importlib import import_module
from pathlib import Path

from ipfs_accelerate.plugins import hookimpl, hooks, plugin_manager

ROOT = Path(__file__).parents[3]


def test_every_built_in_entry_point_is_registered_and_implements_a_known_hook() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    manager = plugin_manager()
    assert manager.check_pending() is None
    for name, module in project["entry-points"]["ipfs_accelerate"].items():
        plugin = manager.get_plugin(name)
        assert plugin is import_module(module)
        assert manager.get_hookcallers(plugin), f"{module} implements no hook"


def test_every_module_of_a_plugin_folder_is_an_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = set(project["entry-points"]["ipfs_accelerate"].values())
    folder = ROOT / "src/ipfs_accelerate/runtimes"
    runtimes = {f"ipfs_accelerate.runtimes.{p.parent.name}" for p in folder.glob("*/__init__.py")}
    assert runtimes <= listed


def test_every_hook_is_documented() -> None:
    for name, function in inspect.getmembers(hooks, inspect.isfunction):
        if name.startswith("ipfs_accelerate_"):
            assert function.__doc__, name


def test_a_foreign_plugin_adds_devices_without_touching_ours() -> None:
    class Plugin:
        @hookimpl
        def ipfs_accelerate_devices(self):
            return ["marker"]

    manager = plugin_manager()
    plugin = Plugin()
    manager.register(plugin)
    try:
        assert ["marker"] in manager.hook.ipfs_accelerate_devices()
    finally:
        manager.unregister(plugin)
    assert ["marker"] not in manager.hook.ipfs_accelerate_devices()
