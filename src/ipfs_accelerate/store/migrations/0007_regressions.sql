-- How cases developed. History and trends are views; findings, the decisions of people about them
-- and events for connectors are derived rows and live in tables.

CREATE VIEW performance_history AS
SELECT
    r.result_id, r.run_id, m.model_name, m.version AS model_version, h.host, h.device_id,
    h.device_name, h.hardware_type, s.target, s.test_case, s.executed_precision, r.origin,
    r.status, r.created_at, t.git_commit, t.git_branch, r.latency_p50_ns, r.latency_low_ns,
    r.latency_high_ns, r.confidence, r.iterations, r.flags, r.metrics,
    h.driver_version, h.platform_version, d.environment
FROM results r
JOIN series s USING (series_key)
JOIN models m USING (model_id)
JOIN hardware_platforms h USING (hardware_id)
JOIN test_runs t USING (run_id)
LEFT JOIN result_details d USING (result_id);

-- The slope is relative to the mean level, per day; NULL for fewer than three results.
CREATE VIEW performance_trends AS
SELECT
    model_name, host, device_id, device_name, target, test_case, origin,
    count(*) AS results, min(created_at) AS first_at, max(created_at) AS last_at,
    median(latency_p50_ns)::BIGINT AS latency_p50_ns,
    CASE WHEN count(*) >= 3 THEN
        regr_slope(latency_p50_ns, epoch(created_at)) * 86400 / nullif(avg(latency_p50_ns), 0)
    END AS relative_slope_per_day
FROM performance_history
WHERE status = 'ok' AND latency_p50_ns > 0
GROUP BY ALL;

CREATE TABLE performance_anomalies (
    finding_id VARCHAR PRIMARY KEY,
    kind VARCHAR NOT NULL CHECK (kind IN ('step', 'drift', 'variance')),
    severity VARCHAR NOT NULL CHECK (severity IN ('critical', 'major', 'minor', 'notice')),
    is_regression BOOLEAN NOT NULL,
    model_name VARCHAR NOT NULL,
    host VARCHAR NOT NULL,
    device_id VARCHAR NOT NULL,
    device_name VARCHAR NOT NULL,
    target VARCHAR NOT NULL,
    test_case VARCHAR NOT NULL,
    last_good_run VARCHAR NOT NULL,
    first_run VARCHAR NOT NULL,
    ratio DOUBLE NOT NULL,
    ratio_low DOUBLE NOT NULL,
    ratio_high DOUBLE NOT NULL,
    p_value DOUBLE NOT NULL,
    adjusted_p_value DOUBLE NOT NULL,
    causes JSON,
    origin VARCHAR NOT NULL
        CHECK (origin IN ('measured', 'emulated', 'simulated', 'predicted', 'imported')),
    created_at TIMESTAMP NOT NULL
);

-- What somebody accepted: the level after the finding is the new baseline of its case.
CREATE TABLE performance_baselines (
    finding_id VARCHAR PRIMARY KEY,
    reason VARCHAR NOT NULL CHECK (length(trim(reason)) > 0),
    created_at TIMESTAMP NOT NULL
);

-- What a connector may tell; nothing is sent from here.
CREATE TABLE performance_events (
    event_id VARCHAR PRIMARY KEY,
    schema_name VARCHAR NOT NULL,
    kind VARCHAR NOT NULL CHECK (kind IN ('found', 'acknowledged')),
    finding_id VARCHAR NOT NULL,
    payload JSON NOT NULL,
    created_at TIMESTAMP NOT NULL
);
