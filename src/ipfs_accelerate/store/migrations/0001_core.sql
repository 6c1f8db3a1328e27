-- Observations: models, devices, runs, results with raw samples.
-- Times are UTC without zone, durations integer nanoseconds; published columns keep their units.

CREATE TABLE models (
    model_id VARCHAR PRIMARY KEY,
    model_name VARCHAR NOT NULL,
    model_family VARCHAR NOT NULL,
    modality VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    architecture VARCHAR,
    parameters_million DOUBLE,
    metadata JSON,
    created_at TIMESTAMP NOT NULL
);

CREATE TABLE hardware_platforms (
    hardware_id VARCHAR PRIMARY KEY,
    hardware_type VARCHAR NOT NULL,
    device_id VARCHAR NOT NULL,
    device_name VARCHAR NOT NULL,
    platform VARCHAR NOT NULL,
    platform_version VARCHAR NOT NULL,
    driver_version VARCHAR,
    memory_gb DOUBLE,
    compute_units INTEGER,
    host VARCHAR NOT NULL,
    metadata JSON,
    created_at TIMESTAMP NOT NULL
);

CREATE TABLE test_runs (
    run_id VARCHAR PRIMARY KEY,
    test_name VARCHAR NOT NULL,
    test_type VARCHAR NOT NULL,
    started_at TIMESTAMP NOT NULL,
    completed_at TIMESTAMP,
    execution_time_seconds DOUBLE GENERATED ALWAYS AS (epoch(completed_at - started_at)) VIRTUAL,
    success BOOLEAN,
    git_commit VARCHAR,
    git_branch VARCHAR,
    command_line VARCHAR,
    metadata JSON,
    created_at TIMESTAMP NOT NULL
);

-- A series is one line of a chart: all that stays equal when a case is repeated. Results refer to
-- it by a small integer, so that a million of them group and compress well.
CREATE TABLE series (
    series_key INTEGER PRIMARY KEY,
    series_id VARCHAR NOT NULL UNIQUE,
    model_id VARCHAR NOT NULL,
    hardware_id VARCHAR NOT NULL,
    target VARCHAR NOT NULL,
    test_case VARCHAR NOT NULL,
    task VARCHAR NOT NULL,
    batch_size INTEGER NOT NULL,
    shapes JSON NOT NULL,
    precision VARCHAR NOT NULL,
    executed_precision VARCHAR
);

-- No index on result_id: it would more than double the file, and a scan of a million keys takes
-- a few milliseconds. The writer keeps keys unique; there is only ever one.
CREATE TABLE results (
    result_id UUID NOT NULL,
    series_key INTEGER NOT NULL,
    run_id VARCHAR NOT NULL,
    origin VARCHAR NOT NULL
        CHECK (origin IN ('measured', 'emulated', 'simulated', 'predicted', 'imported')),
    origin_reason VARCHAR,
    status VARCHAR NOT NULL CHECK (status IN
        ('ok', 'timeout', 'execution_error', 'unexpected_error', 'unavailable', 'cancelled')),
    created_at TIMESTAMP NOT NULL,
    total_ns BIGINT,
    latency_mean_ns BIGINT,
    latency_p50_ns BIGINT,
    latency_low_ns BIGINT,
    latency_high_ns BIGINT,
    confidence DOUBLE,
    throughput_items_per_s DOUBLE,
    tokens_per_s DOUBLE,
    load_ns BIGINT,
    first_inference_ns BIGINT,
    peak_memory_bytes BIGINT,
    cpu_time_ns BIGINT,
    energy_j DOUBLE,
    iterations INTEGER,
    warmup_iterations INTEGER,
    flags VARCHAR[],
    metrics JSON,
    CHECK (origin = 'measured' OR coalesce(length(origin_reason), 0) > 0)
);

-- Wide facts of a result, read for one result at a time.
CREATE TABLE result_details (
    result_id UUID NOT NULL,
    parity JSON,
    placement JSON,
    environment JSON,
    error JSON
);

-- Raw samples in order of measurement. One list per result is 30 % smaller than one row per sample,
-- and twice as fast to aggregate over all results.
CREATE TABLE performance_samples (
    result_id UUID NOT NULL,
    samples_ns BIGINT[] NOT NULL,
    warmup_ns BIGINT[] NOT NULL
);

CREATE TABLE hardware_compatibility (
    compatibility_id VARCHAR PRIMARY KEY,
    run_id VARCHAR NOT NULL,
    model_id VARCHAR NOT NULL,
    hardware_id VARCHAR NOT NULL,
    target VARCHAR NOT NULL,
    is_compatible BOOLEAN NOT NULL,
    detection_success BOOLEAN NOT NULL,
    initialization_success BOOLEAN NOT NULL,
    error_message VARCHAR,
    error_type VARCHAR,
    suggested_fix VARCHAR,
    workaround_available BOOLEAN,
    compatibility_score DOUBLE,
    metadata JSON,
    origin VARCHAR NOT NULL
        CHECK (origin IN ('measured', 'emulated', 'simulated', 'predicted', 'imported')),
    origin_reason VARCHAR,
    created_at TIMESTAMP NOT NULL,
    is_simulated BOOLEAN GENERATED ALWAYS AS (origin <> 'measured') VIRTUAL,
    simulation_reason VARCHAR GENERATED ALWAYS AS
        (CASE WHEN origin <> 'measured' THEN origin_reason END) VIRTUAL,
    CHECK (origin = 'measured' OR coalesce(length(origin_reason), 0) > 0)
);

CREATE TABLE hardware_availability_log (
    log_id VARCHAR PRIMARY KEY,
    hardware_id VARCHAR NOT NULL,
    is_available BOOLEAN NOT NULL,
    detection_timestamp TIMESTAMP NOT NULL,
    reason VARCHAR NOT NULL,
    detected_on_host VARCHAR NOT NULL
);

CREATE VIEW result_rows AS
SELECT
    r.rowid AS result_row,
    r.result_id, r.run_id, s.model_id, s.hardware_id, s.test_case, s.batch_size, s.precision,
    r.total_ns / 1e9 AS total_time_seconds,
    r.latency_mean_ns / 1e6 AS average_latency_ms,
    r.throughput_items_per_s AS throughput_items_per_second,
    r.peak_memory_bytes / 1048576 AS memory_peak_mb,
    r.iterations, r.warmup_iterations, r.metrics, r.created_at,
    r.origin <> 'measured' AS is_simulated,
    CASE WHEN r.origin <> 'measured' THEN r.origin_reason END AS simulation_reason,
    r.origin, r.origin_reason, r.status, s.target, s.task, s.shapes, s.executed_precision,
    r.total_ns, r.latency_mean_ns, r.latency_p50_ns, r.latency_low_ns, r.latency_high_ns,
    r.confidence, r.tokens_per_s, r.load_ns, r.first_inference_ns, r.peak_memory_bytes,
    r.cpu_time_ns, r.energy_j, r.flags, r.series_key
FROM results r JOIN series s USING (series_key);

CREATE VIEW performance_results AS SELECT * EXCLUDE (result_row) FROM result_rows;

CREATE VIEW performance_batch_results AS
SELECT
    p.result_id::VARCHAR || '-' || (i - 1) AS batch_id, p.result_id, (i - 1)::INTEGER AS batch_index,
    s.batch_size, p.samples_ns[i] / 1e6 AS latency_ms, NULL::DOUBLE AS memory_usage_mb,
    r.created_at, p.samples_ns[i] AS latency_ns, r.origin
FROM performance_samples p
JOIN results r USING (result_id)
JOIN series s USING (series_key),
unnest(range(1, len(p.samples_ns) + 1)) AS u(i);
