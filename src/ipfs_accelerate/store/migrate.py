"""Numbered migrations: SQL files applied in order, each recorded with its checksum."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import SchemaTooNewError, StoreCorruptError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

__all__ = ["Migration", "applied", "migrate", "migrations", "require_current"]

_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version INTEGER PRIMARY KEY, name VARCHAR NOT NULL, checksum VARCHAR NOT NULL,
    applied_at TIMESTAMP NOT NULL
)"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema.

    Attributes:
        version: Its number, from 1 without gaps.
        name: What it brings.
        sql: Its statements.
    """

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Hex sha256 of the statements: an applied migration never changes."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@cache
def migrations() -> tuple[Migration, ...]:
    """All known migrations in order."""
    folder = files("ipfs_accelerate.store") / "migrations"
    found = []
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        number, _, rest = entry.name.partition("_")
        if rest.endswith(".sql"):
            sql = entry.read_text(encoding="utf-8")
            found.append(Migration(int(number), rest.removesuffix(".sql"), sql))
    return tuple(found)


def applied(connection: DuckDBPyConnection) -> dict[int, str]:
    """Version → checksum of what the file has; empty for a new file."""
    tables = {name for (name,) in connection.execute(_TABLES).fetchall()}
    if "schema_migrations" in tables:
        rows = connection.execute("SELECT version, checksum FROM schema_migrations").fetchall()
        return {int(version): str(checksum) for version, checksum in rows}
    if tables:
        known = "performance_results" in tables
        raise StoreCorruptError(
            f"a DuckDB file, but not a ledger; it holds {', '.join(sorted(tables)[:5])}",
            hint="`accel db migrate` adopts it" if known else "choose another file",
            details={"adoptable": known},
        )
    return {}


_TABLES = "SELECT table_name FROM duckdb_tables() WHERE NOT internal"


def migrate(connection: DuckDBPyConnection, path: Path) -> list[Migration]:
    """Apply what is missing, all or nothing; returns what was applied.

    Raises:
        SchemaTooNewError: The file knows a migration that we do not.
        StoreCorruptError: The file is no ledger, or an applied migration was another one.
    """
    have = _checked(connection, path)
    missing = [m for m in migrations() if m.version not in have]
    if not missing:
        return []
    connection.begin()
    connection.execute(_TABLE)
    for step in missing:
        connection.execute(step.sql)
        now = datetime.now(UTC).replace(tzinfo=None)
        row = [step.version, step.name, step.checksum, now]
        connection.execute("INSERT INTO schema_migrations VALUES (?, ?, ?, ?)", row)
    connection.commit()
    return missing


def require_current(connection: DuckDBPyConnection, path: Path) -> None:
    """Refuse to read a file whose schema is not ours.

    Raises:
        SchemaTooNewError: It is newer.
        StoreError: It is older, and reading may not change it.
    """
    have = _checked(connection, path)
    if len(have) < len(migrations()):
        raise StoreError(
            f"{path} has schema {len(have)}, this version reads {len(migrations())}",
            hint="run `accel db migrate`",
        )


def _checked(connection: DuckDBPyConnection, path: Path) -> dict[int, str]:
    have = applied(connection)
    known = {m.version: m.checksum for m in migrations()}
    newer = sorted(set(have) - set(known))
    if newer:
        raise SchemaTooNewError(
            f"{path} has schema {newer[-1]}, this version knows {max(known)}",
            hint="pip install --upgrade ipfs-accelerate",
            details={"found": newer[-1], "known": max(known)},
        )
    changed = [version for version, checksum in have.items() if known[version] != checksum]
    if changed:
        raise StoreCorruptError(f"migration {changed[0]} of {path} is not the one we know")
    return have
