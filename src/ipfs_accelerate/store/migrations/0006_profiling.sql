-- Where the time of one run goes: a row per operator, series over time, and single values.

CREATE TABLE performance_profiling (
    profiling_id VARCHAR PRIMARY KEY,
    run_id VARCHAR NOT NULL,
    model_id VARCHAR NOT NULL,
    hardware_id VARCHAR NOT NULL,
    target VARCHAR NOT NULL,
    test_case VARCHAR NOT NULL,
    operator_index INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    op_type VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    layer VARCHAR,
    device VARCHAR,
    precision VARCHAR,
    calls INTEGER NOT NULL,
    time_ns DOUBLE NOT NULL,
    p50_ns DOUBLE NOT NULL,
    low_ns DOUBLE NOT NULL,
    high_ns DOUBLE NOT NULL,
    share DOUBLE NOT NULL,
    flops BIGINT,
    moved_bytes BIGINT,
    bound VARCHAR,
    roofline_fraction DOUBLE,
    reason VARCHAR,
    origin VARCHAR NOT NULL
        CHECK (origin IN ('measured', 'emulated', 'simulated', 'predicted', 'imported')),
    origin_reason VARCHAR,
    created_at TIMESTAMP NOT NULL,
    CHECK (origin = 'measured' OR coalesce(length(origin_reason), 0) > 0)
);

CREATE TABLE performance_timeseries (
    timeseries_id VARCHAR PRIMARY KEY,
    run_id VARCHAR NOT NULL,
    metric VARCHAR NOT NULL,
    phase VARCHAR NOT NULL,
    at_ns BIGINT NOT NULL,
    value DOUBLE NOT NULL,
    unit VARCHAR NOT NULL,
    origin VARCHAR NOT NULL
        CHECK (origin IN ('measured', 'emulated', 'simulated', 'predicted', 'imported')),
    origin_reason VARCHAR,
    CHECK (origin = 'measured' OR coalesce(length(origin_reason), 0) > 0)
);

CREATE TABLE performance_extended_metrics (
    metric_id VARCHAR PRIMARY KEY,
    run_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    value DOUBLE,
    unit VARCHAR NOT NULL,
    reason VARCHAR,
    origin VARCHAR NOT NULL
        CHECK (origin IN ('measured', 'emulated', 'simulated', 'predicted', 'imported')),
    origin_reason VARCHAR,
    CHECK (value IS NOT NULL OR coalesce(length(reason), 0) > 0),
    CHECK (origin = 'measured' OR coalesce(length(origin_reason), 0) > 0)
);
