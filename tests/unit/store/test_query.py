"""Free SQL reads the ledger, only the ledger, and never mixes origins unasked."""

from __future__ import annotations

import pytest

from ipfs_accelerate.errors import MixedOriginsError, QueryError
from ipfs_accelerate.store import Ledger
from ipfs_accelerate.telemetry import Origin


@pytest.fixture(scope="module")
def mixed(template, tmp_path_factory, measurement_factory):
    import shutil

    path = tmp_path_factory.mktemp("mixed") / "ledger.duckdb"
    shutil.copy(template, path)
    ledger = Ledger(path)
    simulated = measurement_factory(1, origin=Origin.SIMULATED, origin_reason="no such device")
    ledger.record_measurements([measurement_factory(0), simulated])
    with ledger.snapshot():
        yield ledger


def test_a_query_returns_columns_and_rows_and_takes_parameters(ledger):
    result = ledger.query(
        "SELECT test_name, ? AS given FROM test_runs WHERE run_id = ?", [7, "run-1"]
    )
    assert result.columns == ("test_name", "given")
    assert result.to_dicts() == [{"test_name": "bench run", "given": 7}]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT avg(average_latency_ms) FROM performance_results",
        "SELECT count(*) FROM performance_results -- origin",
        "SELECT avg(latency_mean_ns) FROM results",
        "SELECT avg(latency_ms) FROM performance_batch_results",
        "SELECT model_name, average_latency_ms FROM latest_performance_metrics",
        "SELECT v FROM (SELECT *, latency_p50_ns AS v FROM performance_results)",
        "SELECT average_latency_ms FROM query_table('performance_results')",
        "SELECT * EXCLUDE (origin, origin_reason, is_simulated, simulation_reason) "
        "FROM performance_results",
        "SELECT 'measured' AS origin, average_latency_ms FROM performance_results",
    ],
)
def test_a_query_over_several_origins_that_names_none_is_refused(mixed, sql):
    with pytest.raises(MixedOriginsError, match="measured, simulated"):
        mixed.query(sql)


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT count(*) FROM performance_results WHERE origin = 'measured'", [(1,)]),
        ("SELECT count(*) FROM performance_results WHERE NOT is_simulated", [(1,)]),
        (
            "SELECT origin, count(*) FROM performance_results GROUP BY origin ORDER BY origin",
            [("measured", 1), ("simulated", 1)],
        ),
        ("SELECT count(*) FROM test_runs", [(1,)]),
        (
            "SELECT count(*) FROM performance_samples JOIN results USING (result_id) "
            "WHERE origin = 'simulated'",
            [(1,)],
        ),
    ],
)
def test_a_query_that_names_an_origin_is_answered(mixed, sql, rows):
    assert mixed.query(sql).rows == rows


def test_selecting_everything_shows_the_origin_and_is_answered(mixed):
    assert {row["origin"] for row in mixed.query("FROM performance_results").to_dicts()} == {
        "measured",
        "simulated",
    }


def test_one_origin_alone_needs_no_filter(ledger, measurement):
    ledger.record_measurements([measurement()])
    assert ledger.query("SELECT count(*) FROM performance_results").rows == [(1,)]


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "SELEC 1",
        "SELECT no_such_column FROM test_runs",
        "SELECT 1; SELECT 2",
        "DELETE FROM test_runs",
        "INSERT INTO test_runs SELECT * FROM test_runs",
        "UPDATE test_runs SET test_name = 'x'",
        "DROP TABLE results",
        "CREATE TABLE mine (x INTEGER)",
        "CREATE TEMP TABLE mine AS SELECT 1",
        "COPY test_runs TO '/tmp/stolen.csv'",
        "EXPORT DATABASE '/tmp/stolen'",
        "ATTACH '/tmp/other.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "PRAGMA database_size",
        "CALL pragma_version()",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM 'https://example.org/x.parquet'",
        "EXPLAIN ANALYZE SELECT * FROM read_csv('/etc/passwd')",
        "SELECT getenv('HOME')",
        "PREPARE p AS SELECT 1",
    ],
)
def test_everything_but_reading_the_ledger_is_refused(mixed, sql):
    with pytest.raises(QueryError):
        mixed.query(sql)


def test_a_query_cannot_see_the_callers_variables(mixed):
    secret = [1, 2, 3]
    with pytest.raises(QueryError):
        mixed.query("SELECT * FROM secret")
    assert secret == [1, 2, 3]


def test_a_missing_parameter_is_a_query_error(mixed):
    with pytest.raises(QueryError):
        mixed.query("SELECT ?")
