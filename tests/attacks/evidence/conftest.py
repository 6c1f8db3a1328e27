"""The certified rows of the unit tests, to be tampered with."""

import importlib.util
import shutil
from pathlib import Path

import duckdb
import pytest

from ipfs_accelerate.store import Ledger

_ROWS = Path(__file__).parents[2] / "unit" / "evidence" / "certification" / "conftest.py"


@pytest.fixture(scope="session")
def certified(tmp_path_factory):
    """A ledger whose newest case is certified, and its rows."""
    spec = importlib.util.spec_from_file_location("certified_rows", _ROWS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rows = [module.quiet_row(day) for day in range(3)]
    path = tmp_path_factory.mktemp("certified") / "ledger.duckdb"
    return module.store(Ledger(path), rows), rows


@pytest.fixture
def changed_ledger(certified, tmp_path):
    """A copy of it, changed behind the product's back."""

    def change(sql):
        path = tmp_path / "changed.duckdb"
        shutil.copy(certified[0].path, path)
        with duckdb.connect(str(path)) as connection:
            connection.execute(sql)
        return Ledger(path, read_only=True)

    return change
