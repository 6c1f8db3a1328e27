-- The newest result of every series, kept apart by origin, with names instead of keys.
CREATE VIEW latest_performance_metrics AS
SELECT
    m.model_name, m.model_family, h.hardware_type, h.device_name, h.host,
    p.* EXCLUDE (result_row)
FROM result_rows p
JOIN models m USING (model_id)
JOIN hardware_platforms h USING (hardware_id)
WHERE p.result_row IN (
    SELECT arg_max(rowid, created_at) FROM results WHERE status = 'ok' GROUP BY series_key, origin
);

-- One row per model, case, device kind and origin, of the newest results.
CREATE VIEW cross_platform_performance AS
SELECT
    model_name, model_family, test_case, batch_size, precision, hardware_type, device_name, target,
    origin, is_simulated, average_latency_ms, throughput_items_per_second, memory_peak_mb,
    rank() OVER (
        PARTITION BY model_name, test_case, batch_size, origin ORDER BY average_latency_ms
    ) AS latency_rank,
    created_at
FROM latest_performance_metrics;

CREATE VIEW model_hardware_compatibility AS
SELECT
    m.model_name, m.model_family, h.hardware_type, h.device_name, c.target, c.is_compatible,
    c.detection_success, c.initialization_success, c.compatibility_score, c.error_type,
    c.error_message, c.suggested_fix, c.workaround_available, c.origin, c.is_simulated,
    c.created_at
FROM hardware_compatibility c
JOIN models m USING (model_id)
JOIN hardware_platforms h USING (hardware_id)
QUALIFY row_number() OVER (
    PARTITION BY c.model_id, c.hardware_id, c.target, c.origin ORDER BY c.created_at DESC
) = 1;
