import { AccelerateError } from "../errors/index.ts";
import { BLOCK_BYTES } from "./blocks.ts";
import { findModel, type CatalogState } from "./catalog.ts";
import { download, type RemoteFile } from "./download.ts";
import { assertFits, modelKey } from "./eviction.ts";
import { assertInside, type Manifest } from "./manifest.ts";
import { Progress, type FetchProgress } from "./progress.ts";
import { RETRY, type Fetch, type RetryPolicy } from "./remote.ts";
import type { StorageManager } from "./storage-manager.ts";
import type { StoredModel } from "./stored-model.ts";
import { parseWeightMap, shardNames } from "./weight-map.ts";

const CONFIG = "config.json";
const WEIGHTS = "model.safetensors";
const INDEX = `${WEIGHTS}.index.json`;
const TOKENIZER = "tokenizer.json";
/** What speech models spell with, and what others have in their tokenizer too. */
const VOCABULARY = "vocab.json";
/** Beside the configuration and the weights; a repository has some of them. */
const OPTIONAL: readonly string[] = [
  "generation_config.json",
  "preprocessor_config.json",
  "special_tokens_map.json",
  TOKENIZER,
  "tokenizer_config.json",
];
/** Of what a manifest lists, what a model is made of. */
const USED = /\.(json|txt|model|jinja|safetensors)$/;
/** A block being filled and what the network holds. */
const BYTES_PER_DOWNLOAD = 2 * BLOCK_BYTES;

export interface FetchModelOptions {
  /** What the model is stored under; versions of one id lie side by side. */
  readonly id: string;
  readonly revision?: string;
  /** The folder its files lie in: an address, or `ipfs://CID` with `gateways`. */
  readonly base: string;
  /** Addresses before `/ipfs/CID`, tried in this order. */
  readonly gateways?: readonly string[];
  /** What the files must be; else the first download is recorded, and later ones must equal it. */
  readonly manifest?: Manifest;
  /** Names of files, where the usual ones of a repository are not meant. */
  readonly files?: readonly string[];
  /** Connections at once. */
  readonly parallel?: number;
  /** Most memory for parts of files on their way. */
  readonly memoryBytes?: number;
  /** Whether a file is stored compressed; texts are. */
  readonly compress?: (name: string) => boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: FetchProgress) => void;
  readonly fetch?: Fetch;
  readonly retry?: RetryPolicy;
}

/**
 * Opens a model from the store, or brings it there first: configuration, tokenizer, and weights in one file or shards.
 *
 * Files come in parallel and are used only once verified. Whatever ends it, the next call goes on from there.
 *
 * @throws AccelerateError `model_not_found`, `access_denied` or `connectivity` of a source; `integrity` or
 *   `block_mismatch` for bytes that are not as expected; `quota_exceeded` or `disk_full`; `unsafe_model` for a shard
 *   outside the folder; the reason of the signal when it aborts.
 */
export async function fetchModel(storage: StorageManager, options: FetchModelOptions): Promise<StoredModel> {
  const { id, revision = "main", signal } = options;
  signal?.throwIfAborted();
  const known = await storage.model(id, revision);
  if (known && agrees(known, options.manifest)) return known;
  await new ModelFetch(storage, options).run();
  const model = await storage.model(id, revision);
  if (model) return model;
  throw new AccelerateError("integrity", `files of "${id}" were removed while it was fetched`, {
    hint: "Another tab deleted it, or needed the room.",
  });
}

function agrees(model: StoredModel, manifest: Manifest | undefined): boolean {
  if (!manifest) return true;
  return [...model.files.values()].every(({ name, cid, sha256 }) => {
    const expected = manifest.get(name);
    return expected && (expected.cid === undefined ? expected.sha256 === sha256 : expected.cid === cid);
  });
}

/** The names a model needs, and those it may do without. */
interface Names {
  readonly required: readonly string[];
  readonly optional: readonly string[];
}

class ModelFetch {
  readonly #storage: StorageManager;
  readonly #options: FetchModelOptions;
  readonly #revision: string;
  readonly #progress: Progress;
  readonly #stop = new AbortController();

  constructor(storage: StorageManager, options: FetchModelOptions) {
    this.#storage = storage;
    this.#options = options;
    this.#revision = options.revision ?? "main";
    this.#progress = new Progress(storage.contents.now, options.onProgress);
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
    const state = await this.#storage.contents.catalog.read();
    const names = this.#names();
    this.#assertFits(state, names.required);
    const abort = (): void => {
      this.#stop.abort(signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    try {
      const found = await this.#bring(names);
      await this.#complete([...found, ...(await this.#bring(await this.#beside(found)))]);
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  #names(): Names {
    const { files, manifest } = this.#options;
    const listed = files ?? (manifest && [...manifest.keys()].filter((name) => USED.test(name)));
    if (listed) return { required: listed, optional: [] };
    return { required: [CONFIG], optional: [...OPTIONAL, INDEX] };
  }

  /** What else is needed beside these; nothing where the names were given. */
  async #beside(found: readonly string[]): Promise<Names> {
    const { files, manifest } = this.#options;
    if (files ?? manifest) return { required: [], optional: [] };
    const required = found.includes(INDEX) ? await this.#shards() : [WEIGHTS];
    return { required, optional: found.includes(TOKENIZER) ? [] : [VOCABULARY] };
  }

  async #shards(): Promise<readonly string[]> {
    const index = await this.#storage.file(this.#options.id, this.#revision, INDEX);
    return shardNames(parseWeightMap(await index.text(this.#stop.signal)));
  }

  /** Brings files in parallel; returns those that there are. The first failure ends the others. */
  async #bring({ required, optional }: Names): Promise<string[]> {
    const { parallel = 6, memoryBytes = 64 * 2 ** 20 } = this.#options;
    const waiting = [...required, ...optional];
    const found: string[] = [];
    const work = async (): Promise<void> => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
        if (await this.#one(name, optional.includes(name))) found.push(name);
      }
    };
    const workers = Math.max(1, Math.min(parallel, Math.floor(memoryBytes / BYTES_PER_DOWNLOAD)));
    const outcomes = await Promise.allSettled(
      Array.from({ length: Math.min(workers, waiting.length) }, () =>
        work().catch((error: unknown) => {
          waiting.length = 0;
          this.#stop.abort(error);
          throw error;
        }),
      ),
    );
    if (outcomes.some(({ status }) => status === "rejected")) throw this.#stop.signal.reason;
    return found;
  }

  async #one(name: string, isOptional: boolean): Promise<boolean> {
    const { fetch = globalThis.fetch.bind(globalThis), retry = RETRY } = this.#options;
    const report = this.#progress.file(name);
    try {
      await download(this.#storage.contents, this.#remote(name), {
        fetch,
        retry,
        signal: this.#stop.signal,
        onBytes: report.onBytes,
      });
      report.finish();
      return true;
    } catch (error) {
      const isAbsent = error instanceof AccelerateError && error.code === "model_not_found";
      if (!(isOptional && isAbsent)) throw error;
      report.forget();
      return false;
    }
  }

  #remote(name: string): RemoteFile {
    assertInside(name);
    const { id, manifest, compress = isText } = this.#options;
    const expected = manifest?.get(name);
    if (manifest && !expected) {
      throw new AccelerateError("integrity", `the manifest says nothing of ${name}`, {
        details: { file: name },
      });
    }
    const verified = manifest ? "manifest" : "recorded";
    return {
      slot: { id, revision: this.#revision, name, verified },
      urls: sourcesOf(this.#options, name),
      expected,
      encoding: compress(name) ? "gzip" : "identity",
    };
  }

  #assertFits(state: CatalogState, names: readonly string[]): void {
    const { id, manifest } = this.#options;
    const bytes = names.reduce((sum, name) => sum + (manifest?.get(name)?.sizeBytes ?? 0), 0);
    assertFits(state, this.#storage.contents.limitBytes, bytes, modelKey({ id, revision: this.#revision }));
  }

  async #complete(names: readonly string[]): Promise<void> {
    await this.#storage.contents.change(({ state }) => {
      const model = findModel(state, this.#options.id, this.#revision);
      if (!model) return;
      model.files = Object.fromEntries(Object.entries(model.files).filter(([name]) => names.includes(name)));
      model.isComplete = true;
    });
  }
}

function isText(name: string): boolean {
  return !name.endsWith(".safetensors");
}

/** Every address of a file. */
function sourcesOf({ base, gateways = [], manifest }: FetchModelOptions, name: string): string[] {
  const path = name.split("/").map(encodeURIComponent).join("/");
  const content = /^ipfs:\/\/(.+?)\/?$/.exec(base)?.[1];
  if (content === undefined) return [`${base.replace(/\/$/, "")}/${path}`];
  if (gateways.length === 0)
    throw new AccelerateError("source_unavailable", `no gateway is given for ${base}`);
  if (!manifest) {
    throw new AccelerateError(
      "usage",
      `a gateway's answer for ${base} cannot be verified without a manifest`,
      {
        hint: "Pass the manifest that ipfs-accelerate wrote for the model: parseManifest(await answer.json()).",
      },
    );
  }
  return gateways.map((gateway) => `${gateway.replace(/\/$/, "")}/ipfs/${content}/${path}`);
}
