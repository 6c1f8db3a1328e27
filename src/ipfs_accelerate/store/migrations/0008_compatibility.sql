-- Which class of model works on which target. A verdict is a row of hardware_compatibility; what a
-- sweep found beside it is here. Verdicts of benchmarks have no details, theirs are derived.

CREATE TABLE compatibility_details (
    compatibility_id VARCHAR PRIMARY KEY,
    verdict VARCHAR NOT NULL
        CHECK (verdict IN ('works', 'converted', 'wrong numerics', 'error', 'unavailable here')),
    config_class VARCHAR NOT NULL,
    stage VARCHAR,
    error_class VARCHAR,
    first_line VARCHAR,
    largest_error DOUBLE,
    allowed_error DOUBLE,
    shrink_level VARCHAR,
    inputs JSON,
    parameters BIGINT,
    versions JSON NOT NULL,
    elapsed_ns BIGINT NOT NULL,
    CHECK (verdict IN ('works', 'converted') OR coalesce(length(first_line), 0) > 0)
);

-- Every verdict with the one before it of the same model class, target and machine.
CREATE VIEW compatibility_history AS
WITH verdicts AS (
    SELECT
        c.compatibility_id, c.run_id, coalesce(m.architecture, m.model_name) AS model_class,
        d.config_class, m.model_name, m.model_family, h.host, h.device_name, h.hardware_type,
        c.target,
        coalesce(d.verdict, CASE
            WHEN c.is_compatible AND (
                c.target LIKE 'torch/%'
                OR coalesce(json_contains(m.metadata->'formats', '"onnx"'), false)
            ) THEN 'works'
            WHEN c.is_compatible THEN 'converted'
            WHEN c.error_type = 'parity' THEN 'wrong numerics'
            WHEN NOT c.detection_success OR c.error_type IN (
                'target_unsupported', 'missing_extra', 'device_unavailable', 'runtime_unavailable'
            ) THEN 'unavailable here'
            ELSE 'error'
        END) AS verdict,
        d.stage, coalesce(d.error_class, c.error_type) AS error_class,
        coalesce(d.first_line, c.error_message) AS first_line, d.largest_error, d.allowed_error,
        d.shrink_level, d.inputs, d.parameters, d.versions, d.elapsed_ns,
        CASE WHEN d.verdict IS NULL THEN 'benchmark' ELSE 'sweep' END AS source,
        c.origin, c.created_at
    FROM hardware_compatibility c
    JOIN models m USING (model_id)
    JOIN hardware_platforms h USING (hardware_id)
    LEFT JOIN compatibility_details d USING (compatibility_id)
)
SELECT
    *,
    lag(verdict) OVER earlier AS previous_verdict,
    lag(versions) OVER earlier AS previous_versions,
    lag(created_at) OVER earlier AS previous_at
FROM verdicts
WINDOW earlier AS (
    PARTITION BY coalesce(config_class, model_class), target, host, origin
    ORDER BY created_at, compatibility_id
);

-- The newest verdict of each.
CREATE VIEW cross_platform_compatibility AS
SELECT * FROM compatibility_history
QUALIFY row_number() OVER (
    PARTITION BY coalesce(config_class, model_class), target, host, origin
    ORDER BY created_at DESC, compatibility_id DESC
) = 1;
