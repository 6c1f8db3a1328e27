"""Migrations run in order and once; a file of another kind or time is refused untouched."""

from __future__ import annotations

import duckdb
import pytest

from ipfs_accelerate.errors import SchemaTooNewError, StoreCorruptError, StoreError
from ipfs_accelerate.store import Ledger
from ipfs_accelerate.store.migrate import migrate, migrations

PUBLISHED = {
    "models": "model_id model_name model_family modality source version parameters_million "
    "metadata created_at",
    "hardware_platforms": "hardware_id hardware_type device_name platform platform_version "
    "driver_version memory_gb compute_units metadata created_at",
    "test_runs": "run_id test_name test_type started_at completed_at execution_time_seconds "
    "success git_commit git_branch command_line metadata created_at",
    "performance_results": "result_id run_id model_id hardware_id test_case batch_size precision "
    "total_time_seconds average_latency_ms throughput_items_per_second memory_peak_mb iterations "
    "warmup_iterations metrics created_at is_simulated simulation_reason",
    "performance_batch_results": "batch_id result_id batch_index batch_size latency_ms "
    "memory_usage_mb created_at",
    "hardware_compatibility": "compatibility_id run_id model_id hardware_id is_compatible "
    "detection_success initialization_success error_message error_type suggested_fix "
    "workaround_available compatibility_score metadata created_at is_simulated simulation_reason",
    "integration_test_results": "test_result_id run_id test_module test_class test_name status "
    "execution_time_seconds hardware_id model_id error_message error_traceback metadata created_at",
    "integration_test_assertions": "assertion_id test_result_id assertion_name passed "
    "expected_value actual_value message created_at",
    "web_platform_results": "result_id run_id model_id hardware_id platform browser "
    "browser_version test_file success load_time_ms initialization_time_ms inference_time_ms "
    "total_time_ms shader_compilation_time_ms memory_usage_mb error_message metrics created_at",
    "webgpu_advanced_features": "feature_id result_id compute_shader_support "
    "parallel_compilation shader_cache_hit workgroup_size compute_pipeline_time_ms "
    "pre_compiled_pipeline memory_optimization_level audio_acceleration video_acceleration "
    "created_at",
    "hardware_availability_log": "log_id hardware_id is_available detection_timestamp reason "
    "detected_on_host",
    "latest_performance_metrics": "model_name hardware_type average_latency_ms",
    "cross_platform_performance": "model_name hardware_type average_latency_ms",
    "model_hardware_compatibility": "model_name hardware_type is_compatible",
    "integration_test_status": "test_name status",
    "web_platform_performance_metrics": "browser inference_time_ms",
    "webgpu_feature_analysis": "browser compute_shader_support",
}


def columns(ledger: Ledger) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    sql = "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal"
    for table, column in ledger.query(sql).rows:
        found.setdefault(str(table), set()).add(str(column))
    return found


def execute(path, *statements):
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_every_published_table_and_view_has_its_columns(ledger):
    found = columns(ledger)
    missing = {
        table: set(names.split()) - found.get(table, set())
        for table, names in PUBLISHED.items()
        if set(names.split()) - found.get(table, set())
    }
    assert missing == {}


def test_every_view_can_be_read(ledger):
    with ledger.snapshot():
        for table in columns(ledger):
            ledger.query(f"SELECT * FROM {table} LIMIT 1")


def test_versions_count_from_one_without_gaps():
    assert [m.version for m in migrations()] == list(range(1, len(migrations()) + 1))


def test_applied_migrations_are_recorded_and_not_repeated(tmp_path):
    path = tmp_path / "deep" / "folder" / "ledger.duckdb"
    assert Ledger(path).migrated == tuple(m.name for m in migrations())
    again = Ledger(path)
    assert again.migrated == ()
    rows = again.query("SELECT version, name, checksum FROM schema_migrations ORDER BY 1").rows
    assert rows == [(m.version, m.name, m.checksum) for m in migrations()]


def test_an_older_schema_is_brought_up_to_date_for_writing_and_refused_for_reading(tmp_path):
    path = tmp_path / "ledger.duckdb"
    with duckdb.connect(str(path)) as connection:
        first = migrations()[0]
        connection.execute(first.sql)
        connection.execute(
            "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name VARCHAR NOT NULL, "
            "checksum VARCHAR NOT NULL, applied_at TIMESTAMP NOT NULL)"
        )
        row = [first.version, first.name, first.checksum]
        connection.execute("INSERT INTO schema_migrations VALUES (?, ?, ?, now()::TIMESTAMP)", row)
    with pytest.raises(StoreError, match="has schema 1") as caught:
        Ledger(path, read_only=True)
    assert "migrate" in caught.value.hint
    assert Ledger(path).migrated == tuple(m.name for m in migrations()[1:])


def test_a_newer_schema_is_refused_and_left_as_it_is(ledger):
    newer = "INSERT INTO schema_migrations VALUES (99, 'future', 'x', now()::TIMESTAMP)"
    execute(ledger.path, newer)
    before = ledger.path.read_bytes()
    for read_only in (True, False):
        with pytest.raises(SchemaTooNewError, match="schema 99"):
            Ledger(ledger.path, read_only=read_only)
    assert ledger.path.read_bytes() == before


def test_a_migration_that_was_another_one_is_refused(ledger):
    execute(ledger.path, "UPDATE schema_migrations SET checksum = 'x' WHERE version = 2")
    with pytest.raises(StoreCorruptError, match="migration 2"):
        Ledger(ledger.path)


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path):
    path = tmp_path / "broken.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE VIEW series AS SELECT 1 AS x")  # stands in the way of 0001
        with pytest.raises(duckdb.Error):
            migrate(connection, path)
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == [(0,)]


def test_a_duckdb_file_of_somebody_else_is_refused(tmp_path):
    path = tmp_path / "other.duckdb"
    execute(path, "CREATE TABLE customers (id INTEGER)")
    before = path.read_bytes()
    with pytest.raises(StoreCorruptError, match="customers"):
        Ledger(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [b"", b"just text\n" * 1000, bytes(100_000), b"SQLite format 3\x00" + bytes(4096)],
    ids=["empty", "text", "zeros", "sqlite"],
)
@pytest.mark.parametrize("read_only", [True, False])
def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path, content, read_only):
    path = tmp_path / "ledger.duckdb"
    path.write_bytes(content)
    with pytest.raises(StoreCorruptError, match="not a ledger") as caught:
        Ledger(path, read_only=read_only)
    assert caught.value.hint
    assert path.read_bytes() == content


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_a_damaged_ledger_is_refused(ledger, damage):
    content = bytearray(ledger.path.read_bytes())
    if damage == "truncated":
        content = content[:4096]
    else:
        content[12_300] ^= 0x10
    ledger.path.write_bytes(content)
    with pytest.raises(StoreCorruptError):
        Ledger(ledger.path)


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot create the folder"):
        Ledger(tmp_path / "file" / "ledger.duckdb")
