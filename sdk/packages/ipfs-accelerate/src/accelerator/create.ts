import { fetchModel, StorageManager, type FetchModelOptions, type StorageOptions } from "../storage/index.ts";
import { openCheckpoint } from "../weights/index.ts";
import { createHardwareAbstraction, type HardwareOptions } from "./hardware.ts";
import { LocalAccelerator, type OpenedCheckpoint } from "./local.ts";
import { PIPELINES } from "./pipelines/index.ts";
import type { Accelerator, BackendName, LoadRequest } from "./types.ts";

export interface AcceleratorOptions {
  /** Measure what works here and take the fastest, the default; `false` takes the first of the preferred that works. */
  readonly autoDetectHardware?: boolean;
  readonly preferredBackends?: readonly BackendName[];
  /** Where a `modelId` that is no address is looked for; `/models/` unless given. */
  readonly models?: string | URL;
  /** Addresses before `/ipfs/CID`, for models named `ipfs://CID`. */
  readonly gateways?: readonly string[];
  /** What the files of a model must be; without it the first download is recorded, and later ones must equal it. */
  readonly manifestOf?: (modelId: string, signal?: AbortSignal) => Promise<FetchModelOptions["manifest"]>;
  /** Where models are kept; the browser's own storage unless given. */
  readonly storage?: StorageManager | StorageOptions;
  readonly openers?: HardwareOptions["openers"];
}

/**
 * Models of this page: fetched and verified, kept, and run on the best backend this browser proves it can compute
 * correctly with. Nothing is opened before the first model is asked for.
 */
export async function createAccelerator(options: AcceleratorOptions = {}): Promise<Accelerator> {
  const { autoDetectHardware = true, preferredBackends, openers } = options;
  const storage =
    options.storage instanceof StorageManager ? options.storage : await StorageManager.open(options.storage);
  const clock = (): number => performance.now();
  return new LocalAccelerator({
    hardware: createHardwareAbstraction({
      takesFirst: !autoDetectHardware,
      clock,
      ...(preferredBackends && { preferredBackends }),
      ...(openers && { openers }),
    }),
    openCheckpoint: (request) => checkpointOf(request, storage, options),
    pipelines: PIPELINES,
    clock,
  });
}

async function checkpointOf(
  { modelId, signal, onProgress }: LoadRequest,
  storage: StorageManager,
  { models = "/models/", gateways, manifestOf }: AcceleratorOptions,
): Promise<OpenedCheckpoint> {
  const manifest = await manifestOf?.(modelId, signal);
  const model = await fetchModel(storage, {
    id: modelId,
    base: addressOf(modelId, models),
    ...(gateways && { gateways }),
    ...(manifest && { manifest }),
    ...(signal && { signal }),
    ...(onProgress && {
      onProgress: ({ loadedBytes, totalBytes }) => {
        onProgress({ stage: "download", name: modelId, loadedBytes, totalBytes });
      },
    }),
  });
  const release = await model.hold();
  try {
    return { ...(await openCheckpoint(model, signal)), release };
  } catch (error) {
    release();
    throw error;
  }
}

/** The folder of a model: an address as it is, a name below `models`. */
function addressOf(modelId: string, models: string | URL): string {
  if (/^(https?|ipfs):\/\//.test(modelId)) return modelId;
  const folder = new URL(String(models), "location" in globalThis ? location.href : undefined);
  const path = modelId.split("/").map(encodeURIComponent).join("/");
  return new URL(`${path}/`, folder.href.endsWith("/") ? folder : `${folder.href}/`).href;
}
