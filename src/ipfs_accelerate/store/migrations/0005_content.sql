-- What moved content: one row per fetch, and one per fetch and source.
-- local_bytes were here before (from other content, or from a fetch that was cut);
-- egress_saved_bytes are those and what peers sent: bytes the origin did not have to send again.

CREATE TABLE content_transfers (
    transfer_id VARCHAR PRIMARY KEY,
    root VARCHAR NOT NULL,
    node VARCHAR NOT NULL,
    origin VARCHAR NOT NULL
        CHECK (origin IN ('measured', 'emulated', 'simulated', 'predicted', 'imported')),
    origin_reason VARCHAR,
    is_complete BOOLEAN NOT NULL,
    elapsed_ns BIGINT,
    total_bytes BIGINT NOT NULL,
    local_bytes BIGINT NOT NULL,
    received_bytes BIGINT NOT NULL,
    received_blocks BIGINT NOT NULL,
    duplicate_bytes BIGINT NOT NULL,
    egress_saved_bytes BIGINT NOT NULL,
    files INTEGER,
    metadata JSON,
    created_at TIMESTAMP NOT NULL,
    CHECK (origin = 'measured' OR coalesce(length(origin_reason), 0) > 0)
);

CREATE TABLE content_source_transfers (
    source_transfer_id VARCHAR PRIMARY KEY,
    transfer_id VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    is_origin BOOLEAN NOT NULL,
    received_bytes BIGINT NOT NULL,
    received_blocks BIGINT NOT NULL,
    duplicate_bytes BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    latency_ns BIGINT,
    rate_bytes_per_s DOUBLE,
    is_banned BOOLEAN NOT NULL,
    evidence JSON,
    reason VARCHAR
);

CREATE VIEW content_edges AS
SELECT
    t.origin, t.root, t.node, s.source, s.kind, s.is_origin,
    sum(s.received_bytes)::BIGINT AS received_bytes,
    sum(s.received_blocks)::BIGINT AS received_blocks,
    sum(s.duplicate_bytes)::BIGINT AS duplicate_bytes,
    sum(s.failures)::BIGINT AS failures,
    bool_or(s.is_banned) AS is_banned
FROM content_transfers t JOIN content_source_transfers s USING (transfer_id)
GROUP BY ALL;

CREATE VIEW content_kinds AS
SELECT
    t.origin, s.kind, bool_or(s.is_origin) AS is_origin,
    count(DISTINCT t.transfer_id) AS transfers,
    sum(s.received_bytes)::BIGINT AS received_bytes,
    sum(s.received_blocks)::BIGINT AS received_blocks,
    sum(s.duplicate_bytes)::BIGINT AS duplicate_bytes,
    sum(s.requests)::BIGINT AS requests,
    sum(s.failures)::BIGINT AS failures,
    median(s.latency_ns)::BIGINT AS latency_p50_ns,
    median(s.rate_bytes_per_s) AS rate_p50_bytes_per_s,
    count(*) FILTER (s.is_banned) AS bans
FROM content_transfers t JOIN content_source_transfers s USING (transfer_id)
GROUP BY t.origin, s.kind;

CREATE VIEW content_days AS
SELECT
    origin, created_at::DATE AS day, count(*) AS transfers,
    sum(total_bytes)::BIGINT AS total_bytes,
    sum(local_bytes)::BIGINT AS local_bytes,
    sum(received_bytes)::BIGINT AS received_bytes,
    sum(duplicate_bytes)::BIGINT AS duplicate_bytes,
    sum(egress_saved_bytes)::BIGINT AS egress_saved_bytes,
    sum(egress_saved_bytes) / nullif(sum(local_bytes + received_bytes), 0) AS hit_rate
FROM content_transfers
GROUP BY ALL;
