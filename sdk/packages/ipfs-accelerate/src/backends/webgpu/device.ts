import { AccelerateError } from "../../errors/index.ts";
import type { Adapter } from "../../ops/index.ts";
import type { Traits } from "./kernel.ts";
import type { TuningStore } from "./tuning/store.ts";

export interface DeviceOptions {
  /** The browser's `navigator.gpu` unless given. */
  readonly gpu?: GPU | undefined;
  readonly powerPreference?: GPUPowerPreference;
  /** Leaves out what an adapter has: to compare, or to avoid a faulty feature. */
  readonly without?: readonly GPUFeatureName[];
  /** Choices between variants of kernels, kept from an earlier run; in memory unless given. */
  readonly tuning?: TuningStore;
}

/** A device with what it said of itself. */
export interface OpenDevice {
  readonly device: GPUDevice;
  readonly adapter: Adapter;
  readonly traits: Traits;
  readonly features: readonly GPUFeatureName[];
  readonly tuning?: TuningStore;
}

const WANTED_FEATURES: readonly GPUFeatureName[] = ["shader-f16", "subgroups", "timestamp-query"];
const WANTED_LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
] as const;
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|software|basic render|cpu/i;

/**
 * Opens the browser's GPU with every feature and limit the kernels can use.
 *
 * @throws AccelerateError `device_unavailable` with the browser's own reason.
 */
export async function openDevice(options: DeviceOptions = {}, signal?: AbortSignal): Promise<OpenDevice> {
  const gpu = options.gpu ?? browserGpu();
  signal?.throwIfAborted();
  const found = await request("adapter", () =>
    gpu.requestAdapter({ powerPreference: options.powerPreference ?? "high-performance" }),
  );
  if (found === null) throw unavailable("the browser offers no WebGPU adapter");
  const without = new Set(options.without);
  const features = WANTED_FEATURES.filter((name) => found.features.has(name) && !without.has(name));
  const requiredLimits = Object.fromEntries(WANTED_LIMITS.map((name) => [name, found.limits[name]]));
  const device = await request("device", () =>
    found.requestDevice({ requiredFeatures: features, requiredLimits }),
  );
  signal?.throwIfAborted();
  const adapter = describeAdapter(found);
  const traits = {
    hasF16: features.includes("shader-f16"),
    hasSubgroups: features.includes("subgroups"),
    isSoftware: adapter.isSoftware,
  };
  return { device, adapter, traits, features, ...(options.tuning && { tuning: options.tuning }) };
}

function browserGpu(): GPU {
  // Outside browsers `navigator` may be absent, and in them `gpu`.
  const gpu = (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
  if (gpu) return gpu;
  throw unavailable(
    globalThis.isSecureContext
      ? "this browser has no WebGPU here"
      : "WebGPU needs a secure context (https or localhost)",
  );
}

async function request<T>(what: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    throw unavailable(
      `the browser refused a WebGPU ${what}: ${cause instanceof Error ? cause.message : String(cause)}`,
      cause,
    );
  }
}

function unavailable(message: string, cause?: unknown): AccelerateError {
  return new AccelerateError("device_unavailable", message, { hint: "Use the wasm or cpu backend.", cause });
}

/** Browsers hide parts of this; what remains still tells software adapters. */
export function describeAdapter({ info }: Pick<GPUAdapter, "info">): Adapter {
  const words = [info.vendor, info.architecture, info.device, info.description].filter((word) => word !== "");
  const description = words.length === 0 ? "an adapter without a name" : words.join(" ");
  return { description, isSoftware: info.isFallbackAdapter || SOFTWARE.test(description) };
}
