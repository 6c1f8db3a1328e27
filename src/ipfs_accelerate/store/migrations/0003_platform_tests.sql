-- Results of integration tests and of models inside browsers, under their published names.

CREATE TABLE integration_test_results (
    test_result_id VARCHAR PRIMARY KEY,
    run_id VARCHAR NOT NULL,
    test_module VARCHAR NOT NULL,
    test_class VARCHAR,
    test_name VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    execution_time_seconds DOUBLE,
    hardware_id VARCHAR,
    model_id VARCHAR,
    error_message VARCHAR,
    error_traceback VARCHAR,
    metadata JSON,
    created_at TIMESTAMP NOT NULL
);

CREATE TABLE integration_test_assertions (
    assertion_id VARCHAR PRIMARY KEY,
    test_result_id VARCHAR NOT NULL,
    assertion_name VARCHAR NOT NULL,
    passed BOOLEAN NOT NULL,
    expected_value VARCHAR,
    actual_value VARCHAR,
    message VARCHAR,
    created_at TIMESTAMP NOT NULL
);

CREATE TABLE web_platform_results (
    result_id VARCHAR PRIMARY KEY,
    run_id VARCHAR NOT NULL,
    model_id VARCHAR,
    hardware_id VARCHAR,
    platform VARCHAR NOT NULL,
    browser VARCHAR NOT NULL,
    browser_version VARCHAR,
    test_file VARCHAR,
    success BOOLEAN NOT NULL,
    load_time_ms DOUBLE,
    initialization_time_ms DOUBLE,
    inference_time_ms DOUBLE,
    total_time_ms DOUBLE,
    shader_compilation_time_ms DOUBLE,
    memory_usage_mb DOUBLE,
    error_message VARCHAR,
    metrics JSON,
    origin VARCHAR NOT NULL
        CHECK (origin IN ('measured', 'emulated', 'simulated', 'predicted', 'imported')),
    origin_reason VARCHAR,
    created_at TIMESTAMP NOT NULL,
    CHECK (origin = 'measured' OR coalesce(length(origin_reason), 0) > 0)
);

CREATE TABLE webgpu_advanced_features (
    feature_id VARCHAR PRIMARY KEY,
    result_id VARCHAR NOT NULL,
    compute_shader_support BOOLEAN,
    parallel_compilation BOOLEAN,
    shader_cache_hit BOOLEAN,
    workgroup_size INTEGER,
    compute_pipeline_time_ms DOUBLE,
    pre_compiled_pipeline BOOLEAN,
    memory_optimization_level VARCHAR,
    audio_acceleration BOOLEAN,
    video_acceleration BOOLEAN,
    created_at TIMESTAMP NOT NULL
);

CREATE VIEW integration_test_status AS
SELECT
    t.test_module, t.test_class, t.test_name, t.status, t.execution_time_seconds,
    m.model_name, h.hardware_type, t.error_message, t.created_at
FROM integration_test_results t
LEFT JOIN models m USING (model_id)
LEFT JOIN hardware_platforms h USING (hardware_id)
QUALIFY row_number() OVER (
    PARTITION BY t.test_module, t.test_class, t.test_name, t.hardware_id, t.model_id
    ORDER BY t.created_at DESC
) = 1;

CREATE VIEW web_platform_performance_metrics AS
SELECT
    m.model_name, m.model_family, h.hardware_type, w.platform, w.browser, w.browser_version,
    w.success, w.load_time_ms, w.initialization_time_ms, w.inference_time_ms, w.total_time_ms,
    w.shader_compilation_time_ms, w.memory_usage_mb, w.origin,
    w.origin <> 'measured' AS is_simulated, w.created_at
FROM web_platform_results w
LEFT JOIN models m USING (model_id)
LEFT JOIN hardware_platforms h USING (hardware_id);

CREATE VIEW webgpu_feature_analysis AS
SELECT
    w.browser, w.browser_version, m.model_name, f.compute_shader_support, f.parallel_compilation,
    f.shader_cache_hit, f.workgroup_size, f.compute_pipeline_time_ms, f.pre_compiled_pipeline,
    f.memory_optimization_level, f.audio_acceleration, f.video_acceleration,
    w.shader_compilation_time_ms, w.inference_time_ms, w.origin, f.created_at
FROM webgpu_advanced_features f
JOIN web_platform_results w USING (result_id)
LEFT JOIN models m USING (model_id);
