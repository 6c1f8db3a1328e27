-- The newest good result of every series and origin, kept by the writer: asking for it must not
-- cost a pass over everything ever measured.
CREATE TABLE newest_results (
    series_key INTEGER NOT NULL,
    origin VARCHAR NOT NULL,
    result_id UUID NOT NULL,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (series_key, origin)
);

INSERT INTO newest_results
SELECT series_key, origin, arg_max(result_id, created_at), max(created_at)
FROM results WHERE status = 'ok' GROUP BY ALL;

CREATE OR REPLACE VIEW latest_performance_metrics AS
SELECT
    m.model_name, m.model_family, h.hardware_type, h.device_name, h.host,
    p.* EXCLUDE (result_row)
FROM result_rows p
JOIN models m USING (model_id)
JOIN hardware_platforms h USING (hardware_id)
WHERE p.result_id IN (SELECT result_id FROM newest_results);
