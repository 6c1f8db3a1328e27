import type { AccelerateError, ErrorRecord } from "../errors/index.ts";
import type { Precision } from "../weights/index.ts";

export type BackendName = "webgpu" | "webnn" | "wasm" | "cpu";

/** What a caller wants of a model, in the field's families; `text` leaves it to the head of the checkpoint. */
export type ModelType = "text" | "text_embedding" | "text_generation" | "vision" | "audio" | "multimodal";

/** Pixels as a canvas gives them: RGBA, row by row. */
export interface ImageInput {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray | Uint8Array;
}

export interface AudioInput {
  /** Mono, in −1 to 1. */
  readonly samples: Float32Array;
  /** Per second. */
  readonly sampleRate: number;
}

/** All that may cross to a worker: plain data, no functions. */
export type ModelInput =
  | string
  | readonly string[]
  | ImageInput
  | AudioInput
  | { readonly text: string | readonly string[]; readonly image?: ImageInput; readonly audio?: AudioInput };

export interface RunOptions {
  readonly maxNewTokens?: number;
  /** 0 takes the likeliest token. */
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly seed?: number;
  /** Of speech, as ISO 639-1. */
  readonly language?: string;
  /** Results below it are left out. */
  readonly minimumScore?: number;
}

export interface Progress {
  readonly stage: "download" | "load" | "compile" | "run";
  readonly loadedBytes?: number;
  readonly totalBytes?: number;
  /** The file or step it is about. */
  readonly name?: string;
}

export interface LoadRequest {
  /** A folder below `models`, a URL, or `ipfs://` and a CID. */
  readonly modelId: string;
  readonly modelType?: ModelType;
  readonly precision?: Precision;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

export interface AccelerateRequest extends LoadRequest {
  readonly input: ModelInput;
  readonly options?: RunOptions;
  /** Text as it comes, of models that generate. */
  readonly onText?: (piece: string) => void;
}

export interface ScoredLabel {
  readonly label: string;
  readonly score: number;
}

export type ModelOutput =
  /** One row for each input: `[inputs, dimensions]`. */
  | { readonly kind: "embeddings"; readonly values: Float32Array; readonly shape: readonly [number, number] }
  /** For each input, the likeliest first. */
  | { readonly kind: "classes"; readonly classes: readonly (readonly ScoredLabel[])[] }
  /** Boxes as left, top, right, bottom in pixels. */
  | {
      readonly kind: "objects";
      readonly objects: readonly (ScoredLabel & {
        readonly box: readonly [number, number, number, number];
      })[];
    }
  | { readonly kind: "text"; readonly text: string; readonly usage: TextUsage };

export interface TextUsage {
  readonly promptTokens: number;
  readonly generatedTokens: number;
  /** Why it ended: the model's own end, or the limit. */
  readonly finish: "stop" | "length";
}

/** One backend that was asked, in order, and what became of it. */
export interface BackendAttempt {
  readonly backend: BackendName;
  readonly state: "ready" | "unavailable" | "quarantined" | "unsuitable";
  /** The browser's or the known-answer test's own words; `null` when ready. */
  readonly reason: string | null;
}

export interface AccelerateResult {
  readonly output: ModelOutput;
  readonly modelId: string;
  readonly backend: BackendName;
  /** What really computed; a software adapter says so. */
  readonly adapter: { readonly description: string; readonly isSoftware: boolean };
  readonly precision: Precision;
  /** Loading is 0 when the model was there already. */
  readonly timings: { readonly loadMs: number; readonly runMs: number };
}

export interface LoadedModel {
  readonly modelId: string;
  readonly backend: BackendName;
  readonly precision: Precision;
  /** On the device, scales included. */
  readonly weightsBytes: number;
}

/** `lost` only when the device did not come back. */
export type AcceleratorState = "ready" | "restoring" | "lost" | "disposed";

export interface AcceleratorStatus {
  readonly state: AcceleratorState;
  readonly attempts: readonly BackendAttempt[];
  readonly models: readonly LoadedModel[];
  /** Live storages and bytes on the device. */
  readonly memory: { readonly storages: number; readonly bytes: number };
  /** How often the device was lost and came back. */
  readonly restores: number;
  readonly error: ErrorRecord | null;
}

/** The same in a page and in front of a worker. */
export interface Accelerator {
  readonly state: AcceleratorState;
  /** Loads the model if it is not loaded, runs it, and keeps it. */
  accelerate(request: AccelerateRequest): Promise<AccelerateResult>;
  load(request: LoadRequest): Promise<LoadedModel>;
  unload(modelId: string): Promise<void>;
  status(): Promise<AcceleratorStatus>;
  /** Calls back on each change of state; returns what stops it. */
  onStateChange(listener: (state: AcceleratorState, error: AccelerateError | null) => void): () => void;
  dispose(): void;
}
