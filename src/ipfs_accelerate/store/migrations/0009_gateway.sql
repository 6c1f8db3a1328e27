-- Calls through the gateway, one row each: no prompt, no answer, no secret. endpoint, provider,
-- model and key_name are of the try that answered; attempts holds all tries in order. A row stands
-- for `batched` calls that were joined to one request.

CREATE TABLE gateway_calls (
    call_id VARCHAR PRIMARY KEY,
    request_id VARCHAR NOT NULL,
    host VARCHAR NOT NULL,
    route VARCHAR NOT NULL,
    operation VARCHAR NOT NULL,
    priority VARCHAR NOT NULL,
    endpoint VARCHAR,
    provider VARCHAR,
    model VARCHAR,
    key_name VARCHAR,
    outcome VARCHAR NOT NULL,
    attempts JSON NOT NULL,
    tries INTEGER NOT NULL,
    prompt_tokens BIGINT,
    completion_tokens BIGINT,
    cached_tokens BIGINT,
    cost DOUBLE,
    queued_ns BIGINT,
    first_ns BIGINT,
    elapsed_ns BIGINT NOT NULL,
    batched INTEGER NOT NULL,
    is_stream BOOLEAN NOT NULL,
    is_cached BOOLEAN NOT NULL,
    origin VARCHAR NOT NULL
        CHECK (origin IN ('measured', 'emulated', 'simulated', 'predicted', 'imported')),
    origin_reason VARCHAR,
    created_at TIMESTAMP NOT NULL,
    CHECK (origin = 'measured' OR coalesce(length(origin_reason), 0) > 0)
);
