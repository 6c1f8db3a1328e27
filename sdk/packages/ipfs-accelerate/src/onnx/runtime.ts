import { AccelerateError } from "../errors/index.ts";
import type { OnnxProvider } from "./types.ts";

/** What is used of onnxruntime-web, from 1.21 on: its own types are there only where it is installed. */
export interface OnnxRuntime {
  readonly InferenceSession: {
    create(model: Uint8Array, options: Readonly<Record<string, unknown>>): Promise<OnnxSession>;
  };
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => RuntimeTensor;
  readonly env: { logLevel?: unknown; readonly wasm: { wasmPaths?: unknown; numThreads?: unknown } };
}

export interface OnnxSession {
  readonly inputMetadata: readonly RuntimePort[];
  readonly outputMetadata: readonly RuntimePort[];
  run(feeds: Readonly<Record<string, RuntimeTensor>>): Promise<Readonly<Record<string, RuntimeTensor>>>;
  release(): Promise<void>;
}

export interface RuntimeTensor {
  readonly type: string;
  readonly dims: readonly number[];
  getData(releaseData?: boolean): Promise<unknown>;
  dispose(): void;
}

export interface RuntimePort {
  readonly name: string;
  readonly isTensor: boolean;
  readonly type?: string;
  readonly shape?: readonly (number | string)[];
}

/**
 * The build of onnxruntime-web that has the provider.
 *
 * @throws AccelerateError `missing_extra` where it is not installed.
 */
export async function importRuntime(provider: OnnxProvider): Promise<OnnxRuntime> {
  try {
    const module: unknown = await (provider === "webgpu"
      ? import("onnxruntime-web/webgpu")
      : import("onnxruntime-web"));
    return module as OnnxRuntime;
  } catch (cause) {
    throw missingRuntime(cause);
  }
}

export function missingRuntime(cause: unknown): AccelerateError {
  return new AccelerateError("missing_extra", "ONNX models need onnxruntime-web, which is not installed", {
    hint: "npm install onnxruntime-web",
    details: { module: "onnxruntime-web" },
    cause,
  });
}
