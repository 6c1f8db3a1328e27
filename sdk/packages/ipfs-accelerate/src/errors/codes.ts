// Written by scripts/sdk_errors from ipfs_accelerate.errors; edit the Python tree instead.

/** Code → class name in Python, code of the parent, who has to act, and what a program may do. */
export const ERROR_CODES = {
  /** The source wants credentials, or refuses those given. */
  access_denied: { name: "AccessDeniedError", parent: "unavailable", category: "unavailable", recovery: "fix_request" },
  /** Every provider of the route failed; ``details["attempts"]`` says how, in order. */
  all_providers_failed: { name: "AllProvidersFailedError", parent: "provider", category: "unavailable", recovery: "retry" },
  /** The allowance or the credit behind a key is used up; waiting a moment does not help. */
  allowance_spent: { name: "AllowanceSpentError", parent: "rate_limited", category: "unavailable", recovery: "fall_back" },
  /** Bytes do not hash to the content identifier they were offered as; none of them was used. */
  block_mismatch: { name: "BlockMismatchError", parent: "integrity", category: "data", recovery: "refetch" },
  /** An isolated process died or broke its protocol. */
  child_failed: { name: "ChildFailedError", parent: "execution", category: "execution", recovery: "fall_back" },
  /** Nothing was sent: the circuit of every possible key, endpoint or provider is open. */
  circuit_open: { name: "CircuitOpenError", parent: "provider", category: "unavailable", recovery: "retry" },
  /** A setting has an unknown name or a value outside its domain. */
  configuration: { name: "ConfigurationError", parent: "usage", category: "usage", recovery: "fix_request" },
  /** The source could not be reached after the allowed retries. */
  connectivity: { name: "ConnectivityError", parent: "unavailable", category: "unavailable", recovery: "retry" },
  /** A block, DAG or CAR has the right hash but is not valid for its codec. */
  content_format: { name: "ContentFormatError", parent: "model", category: "data", recovery: "refetch" },
  /** Content goes past a stated bound: size of a block, depth, links, sizes that lie. */
  content_limit: { name: "ContentLimitError", parent: "content_format", category: "data", recovery: "refetch" },
  /** No source that was asked has a block, a path inside a tree or a name. */
  content_not_found: { name: "ContentNotFoundError", parent: "unavailable", category: "unavailable", recovery: "retry" },
  /** A content filter refused the request or its answer. */
  content_refused: { name: "ContentRefusedError", parent: "provider", category: "usage", recovery: "fix_request" },
  /** A model could not be converted to the format a runtime needs. */
  conversion: { name: "ConversionError", parent: "model", category: "data", recovery: "fall_back" },
  /** A time limit ended the work. */
  deadline_exceeded: { name: "DeadlineExceededError", parent: "execution", category: "execution", recovery: "retry" },
  /** A device that was asked for is absent or unusable. */
  device_unavailable: { name: "DeviceUnavailableError", parent: "unavailable", category: "unavailable", recovery: "fall_back" },
  /** A write failed for lack of space; what was committed before is intact. */
  disk_full: { name: "DiskFullError", parent: "store", category: "store", recovery: "free_resources" },
  /** Base of every error raised on purpose. */
  error: { name: "AccelerateError", parent: null, category: "internal", recovery: "none" },
  /** A runtime failed while loading or running a model. */
  execution: { name: "ExecutionError", parent: "error", category: "execution", recovery: "fall_back" },
  /** A runtime failed during a run. */
  inference: { name: "InferenceError", parent: "execution", category: "execution", recovery: "fall_back" },
  /** An input has the wrong name, shape, dtype or modality for the model. */
  input: { name: "InputError", parent: "usage", category: "usage", recovery: "fix_request" },
  /** A file is missing, truncated or does not have its expected hash. */
  integrity: { name: "IntegrityError", parent: "model", category: "data", recovery: "refetch" },
  /** An invariant of the product itself was violated; please report it. */
  internal: { name: "InternalError", parent: "error", category: "internal", recovery: "none" },
  /** The service does not accept this key, or not for this model (401, 403). */
  key_refused: { name: "KeyRefusedError", parent: "provider", category: "unavailable", recovery: "fall_back" },
  /** A runtime refused to load a model. */
  load: { name: "LoadError", parent: "execution", category: "execution", recovery: "fall_back" },
  /** An answer that is not what its protocol promises: bad JSON, missing parts, nothing at all. */
  malformed_answer: { name: "MalformedAnswerError", parent: "provider", category: "unavailable", recovery: "retry" },
  /** A memory limit was or would be exceeded. */
  memory_limit: { name: "MemoryLimitError", parent: "execution", category: "execution", recovery: "free_resources" },
  /** An optional dependency is not installed; the hint is the install command. */
  missing_extra: { name: "MissingExtraError", parent: "unavailable", category: "unavailable", recovery: "install" },
  /** A query would mix measured with simulated, predicted or imported rows unasked. */
  mixed_origins: { name: "MixedOriginsError", parent: "store", category: "usage", recovery: "fix_request" },
  /** The bytes of a model are not what they should be. */
  model: { name: "ModelError", parent: "error", category: "data", recovery: "refetch" },
  /** A file is whole but is not a valid model of its kind. */
  model_format: { name: "ModelFormatError", parent: "model", category: "data", recovery: "refetch" },
  /** The referenced model, revision or file does not exist at its source. */
  model_not_found: { name: "ModelNotFoundError", parent: "unavailable", category: "unavailable", recovery: "fix_request" },
  /** A model reference cannot be parsed. */
  model_reference: { name: "ModelReferenceError", parent: "usage", category: "usage", recovery: "fix_request" },
  /** A converted or quantized model computes something else than its source. */
  parity: { name: "ParityError", parent: "model", category: "data", recovery: "fall_back" },
  /** Work ran somewhere else than where it was asked to run. */
  placement: { name: "PlacementError", parent: "execution", category: "execution", recovery: "fall_back" },
  /** A remote model service failed, refused, or cannot be asked now. */
  provider: { name: "ProviderError", parent: "error", category: "unavailable", recovery: "fall_back" },
  /** The service failed inside (500, 502, 504, or an error in a stream). */
  provider_failed: { name: "ProviderFailedError", parent: "provider", category: "unavailable", recovery: "retry" },
  /** The service says that it is overloaded or starting (503, 529). */
  provider_overloaded: { name: "ProviderOverloadedError", parent: "provider", category: "unavailable", recovery: "retry" },
  /** A query is not valid or not allowed on a read-only ledger. */
  query: { name: "QueryError", parent: "store", category: "usage", recovery: "fix_request" },
  /** Nothing was sent: the queue is full of requests of the same or a higher priority. */
  queue_full: { name: "QueueFullError", parent: "provider", category: "unavailable", recovery: "retry" },
  /** What is pinned leaves no room under the quota; nothing that was kept before is lost. */
  quota_exceeded: { name: "QuotaExceededError", parent: "store", category: "store", recovery: "free_resources" },
  /** Too many requests or tokens; ``details["retry_after_s"]`` when the service said how long. */
  rate_limited: { name: "RateLimitedError", parent: "provider", category: "unavailable", recovery: "retry" },
  /** The service refuses the request as written (400, 413, 422); another key does not help. */
  request_refused: { name: "RequestRefusedError", parent: "provider", category: "usage", recovery: "fix_request" },
  /** A runtime that was asked for cannot be used on this machine. */
  runtime_unavailable: { name: "RuntimeUnavailableError", parent: "unavailable", category: "unavailable", recovery: "fall_back" },
  /** The ledger was written by a newer version of the product. */
  schema_too_new: { name: "SchemaTooNewError", parent: "store", category: "store", recovery: "install" },
  /** A signed manifest or name record is not signed by whom it must be, or is not valid now. */
  signature: { name: "SignatureError", parent: "integrity", category: "data", recovery: "refetch" },
  /** No installed source can resolve this kind of model reference. */
  source_unavailable: { name: "SourceUnavailableError", parent: "unavailable", category: "unavailable", recovery: "fall_back" },
  /** The ledger cannot be read or written. */
  store: { name: "StoreError", parent: "error", category: "store", recovery: "none" },
  /** The file is not a ledger or cannot be opened as one. */
  store_corrupt: { name: "StoreCorruptError", parent: "store", category: "store", recovery: "none" },
  /** Another process holds the ledger for writing longer than the allowed wait. */
  store_locked: { name: "StoreLockedError", parent: "store", category: "store", recovery: "retry" },
  /** A stream went silent for longer than its allowed gap. */
  stream_stalled: { name: "StreamStalledError", parent: "provider", category: "unavailable", recovery: "retry" },
  /** A stream or body ended before its end; what was delivered is not the whole answer. */
  stream_truncated: { name: "StreamTruncatedError", parent: "malformed_answer", category: "unavailable", recovery: "retry" },
  /** Runtime and device exist, but not with this precision, option or model. */
  target_unsupported: { name: "TargetUnsupportedError", parent: "unavailable", category: "unavailable", recovery: "fall_back" },
  /** Something the request needs is not present or not usable here. */
  unavailable: { name: "UnavailableError", parent: "error", category: "unavailable", recovery: "fall_back" },
  /** No route of the gateway has this name. */
  unknown_model: { name: "UnknownModelError", parent: "unknown_name", category: "usage", recovery: "fix_request" },
  /** A name is not one of the known ones; the hint names the nearest. */
  unknown_name: { name: "UnknownNameError", parent: "usage", category: "usage", recovery: "fix_request" },
  /** A target (or its runtime, device or precision) does not exist under that name. */
  unknown_target: { name: "UnknownTargetError", parent: "unknown_name", category: "usage", recovery: "fix_request" },
  /** A task is not one of those with pre- and post-processing. */
  unknown_task: { name: "UnknownTaskError", parent: "unknown_name", category: "usage", recovery: "fix_request" },
  /** A model asks for something only an explicit flag allows (pickle, remote code, paths). */
  unsafe_model: { name: "UnsafeModelError", parent: "model", category: "data", recovery: "fix_request" },
  /** The request itself cannot be honoured as written. */
  usage: { name: "UsageError", parent: "error", category: "usage", recovery: "fix_request" },
} as const;
