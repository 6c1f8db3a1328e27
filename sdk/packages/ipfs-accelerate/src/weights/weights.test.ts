import { describe, expect, test } from "vitest";

import { CpuBackend } from "../backends/cpu/index.ts";
import { OpSet } from "../ops/index.ts";
import { fetchModel, StorageManager } from "../storage/index.ts";
import { FakeServer, NO_WAIT } from "../storage/testing.ts";
import {
  openCheckpoint,
  Parameters,
  safetensorsSource,
  type WeightMemory,
  type WeightSource,
} from "./index.ts";

type Bytes = Uint8Array<ArrayBuffer>;
type Header = Readonly<Record<string, unknown>>;

const code = (expected: string): unknown => expect.objectContaining({ code: expected });
const encode = (text: string): Bytes => new TextEncoder().encode(text);

function raw(header: string, data: Uint8Array, claimed?: number): Bytes {
  const json = encode(header);
  const file = new Uint8Array(8 + json.length + data.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(claimed ?? json.length), true);
  file.set(json, 8);
  file.set(data, 8 + json.length);
  return file;
}

const floats = (values: readonly number[]): Bytes => new Uint8Array(Float32Array.from(values).buffer);
const entry = (shape: readonly number[], start: number, end: number): Header => ({
  dtype: "F32",
  shape,
  data_offsets: [start, end],
});
const good = { w: entry([2, 2], 0, 16), b: entry([2], 16, 24) };
const data = floats([1, 2, 3, 4, 5, 6]);
const file = (header: Header = good, bytes: Uint8Array = data): Bytes => raw(JSON.stringify(header), bytes);

describe("attacks on a safetensors file", () => {
  const attacks: [string, string, Bytes][] = [
    ["empty", "integrity", new Uint8Array(0)],
    ["cut inside the header", "integrity", file().slice(0, 30)],
    ["cut inside the data", "integrity", file().slice(0, -1)],
    ["longer than its tensors", "integrity", file(good, new Uint8Array(25))],
    ["a header that claims to be huge", "model_format", raw("{}", data, 2 ** 50)],
    ["a header longer than the file", "integrity", raw("{}", data, 10_000)],
    ["no JSON", "model_format", raw("{broken", data)],
    ["no UTF-8", "model_format", file().fill(0xff, 9, 12)],
    ["an array", "model_format", raw("[]", data)],
    ["an overlap", "model_format", file({ w: entry([2, 2], 0, 16), b: entry([2], 8, 16) })],
    ["a hole", "model_format", file({ w: entry([2], 0, 8), b: entry([2], 16, 24) })],
    ["an unknown dtype", "model_format", file({ w: { ...entry([6], 0, 24), dtype: "F33" } })],
    ["a dtype of the prototype", "model_format", file({ w: { ...entry([6], 0, 24), dtype: "toString" } })],
    ["a shape that does not fit", "model_format", file({ w: entry([7], 0, 24) })],
    ["an absurd shape", "model_format", file({ w: entry([2 ** 40, 2 ** 40], 0, 24) })],
    ["a negative extent", "model_format", file({ w: entry([-6], 0, 24) })],
    ["offsets that run backwards", "model_format", file({ w: entry([0], 24, 0) })],
    ["a fractional offset", "model_format", file({ w: entry([6], 0.5, 24.5) })],
    ["nothing but null", "model_format", file({ w: null })],
    ["metadata that is no text", "model_format", file({ ...good, __metadata__: { n: 1 } })],
    [
      "a name twice",
      "model_format",
      raw(`{"w":${JSON.stringify(entry([6], 0, 24))},"\\u0077":${JSON.stringify(entry([6], 0, 24))}}`, data),
    ],
    [
      "a key twice in an entry",
      "model_format",
      raw('{"w":{"dtype":"F32","dtype":"F32","shape":[6],"data_offsets":[0,24]}}', data),
    ],
    ["a pickle", "unsafe_model", Uint8Array.from([0x80, 2, 0x8a, 10, ...new Uint8Array(40)])],
    ["a zip archive", "unsafe_model", encode("PK\x03\x04 and then some more bytes")],
    ["a Git LFS pointer", "integrity", encode("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")],
    ["a web page", "integrity", encode("<!DOCTYPE html><html><body>404</body></html>")],
  ];
  test.each(attacks)("%s is refused: %s", (_, expected, bytes) => {
    expect(() => safetensorsSource(bytes)).toThrow(code(expected));
  });

  test("what is sound is read", async () => {
    const source = safetensorsSource(file({ ...good, __metadata__: { format: "pt" } }));
    expect([...source.entries.keys()]).toEqual(["w", "b"]);
    expect(new Float32Array((await source.read("b")).buffer)).toEqual(Float32Array.of(5, 6));
    await expect(source.read("x")).rejects.toThrow(code("model"));
  });
});

describe("a stored checkpoint", () => {
  async function stored(weights: Readonly<Record<string, Bytes>>, map?: Header): Promise<WeightSource> {
    const server = new FakeServer();
    server.put("config.json", encode('{"hidden_size": 2}'));
    if (map) server.put("model.safetensors.index.json", encode(JSON.stringify({ weight_map: map })));
    for (const [name, bytes] of Object.entries(weights)) server.put(name, bytes);
    const storage = await StorageManager.open({ backing: "memory" });
    const { fetch } = server;
    const files = [...server.files.keys()];
    const model = await fetchModel(storage, {
      id: "m",
      base: "http://models.test",
      fetch,
      retry: NO_WAIT,
      files,
    });
    return (await openCheckpoint(model)).weights;
  }
  const shards = {
    "a.safetensors": file({ w: entry([6], 0, 24) }),
    "b.safetensors": file({ v: entry([3, 2], 0, 24) }),
  };

  test("is one source over its shards", async () => {
    const source = await stored(shards, { w: "a.safetensors", v: "b.safetensors" });
    expect([...source.entries.keys()].sort()).toEqual(["v", "w"]);
    expect(new Float32Array((await source.read("v")).buffer)).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
  });

  test("names the shard that is missing, and the tensor that a shard lacks", async () => {
    await expect(stored(shards, { w: "a.safetensors", u: "c.safetensors" })).rejects.toThrow(
      /c\.safetensors .* missing/,
    );
    await expect(stored(shards, { u: "a.safetensors" })).rejects.toThrow(/a\.safetensors lacks "u"/);
    await expect(stored(shards, { u: "../a.safetensors" })).rejects.toThrow(code("unsafe_model"));
  });
});

describe("parameters", () => {
  const ROWS = 64;
  const COLUMNS = 256;
  const bytes = ROWS * COLUMNS * 4;
  const values = Array.from({ length: ROWS * COLUMNS }, (_, i) => Math.sin(i));
  const names = Array.from({ length: 8 }, (_, i) => `layer.${i}.weight`);
  const header = Object.fromEntries(
    names.map((name, i) => [name, entry([ROWS, COLUMNS], i * bytes, (i + 1) * bytes)]),
  );
  const many = file(header, floats(names.flatMap(() => values)));

  test.each([2, 3, 4, 8] as const)(
    "%d bits take their ideal bytes, scales apart; the rest is as overridden",
    async (bits) => {
      const backend = new CpuBackend();
      const parameters = new Parameters(safetensorsSource(many), {
        weights: `int${bits}`,
        overrides: [{ pattern: /layer\.0/, weights: "fp32" }],
      });
      for (const name of names) parameters.matrix(name, [ROWS, COLUMNS]);
      const told: WeightMemory[] = [];
      await parameters.load(new OpSet(backend), { onLoaded: (memory) => void told.push(memory) });
      expect(told).toEqual([parameters.memory]);
      const { idealBytes, packedBytes, scaleBytes, denseBytes } = parameters.memory;
      expect(idealBytes).toBe((7 * ROWS * COLUMNS * bits) / 8);
      expect(packedBytes / idealBytes).toBeLessThan(1.02);
      expect(denseBytes).toBe(bytes);
      expect(packedBytes + scaleBytes + denseBytes).toBe(backend.memory.bytes);
      parameters.dispose();
      expect(backend.memory).toMatchObject({ storages: 0, bytes: 0 });
    },
  );

  test("reading runs ahead of uploading, and never beyond the budget", async () => {
    const inner = safetensorsSource(many);
    let [held, most] = [0, 0];
    const source: WeightSource = {
      entries: inner.entries,
      read: (name) => {
        most = Math.max(most, (held += bytes));
        return inner.read(name);
      },
    };
    const parameters = new Parameters(source);
    for (const name of names) parameters.dense(name, [ROWS, COLUMNS]);
    const onProgress = (): void => {
      held -= bytes;
    };
    const ops = new OpSet(new CpuBackend());
    await parameters.load(ops, { readAheadBytes: 3 * bytes, onProgress });
    expect(most).toBe(3 * bytes);
    parameters.dispose();
    [held, most] = [0, 0];
    await parameters.load(ops, { readAheadBytes: 1, onProgress });
    expect(most).toBe(bytes);
    parameters.dispose();
  });

  test("an abort or a failing read leaves nothing allocated", async () => {
    const inner = safetensorsSource(many);
    const backend = new CpuBackend();
    const stop = new AbortController();
    const parameters = new Parameters(inner);
    for (const name of names) parameters.dense(name, [ROWS, COLUMNS]);
    const onProgress = (): void => {
      stop.abort(new Error("enough"));
    };
    await expect(parameters.load(new OpSet(backend), { signal: stop.signal, onProgress })).rejects.toThrow(
      "enough",
    );
    expect(backend.memory.storages).toBe(0);
    const broken = new Parameters({ ...inner, read: () => Promise.reject(new Error("the disk is gone")) });
    for (const name of names) broken.dense(name, [ROWS, COLUMNS]);
    await expect(broken.load(new OpSet(backend))).rejects.toThrow("the disk is gone");
    expect(backend.memory.storages).toBe(0);
  });

  test.each([NaN, Infinity, 3e38])("a matrix with %d is not packed", async (value) => {
    const source = safetensorsSource(file({ w: entry([2, 3], 0, 24) }, floats([1, 2, value, 4, 5, 6])));
    const backend = new CpuBackend();
    const packed = new Parameters(source, { weights: "int4" });
    packed.matrix("w", [2, 3]);
    await expect(packed.load(new OpSet(backend))).rejects.toThrow(code("model_format"));
    expect(backend.memory.storages).toBe(0);
  });

  test("a tensor that is missing, misshapen or no float is named", async () => {
    const ops = new OpSet(new CpuBackend());
    const load = (
      name: string,
      shape: readonly number[],
      source = safetensorsSource(file()),
    ): Promise<void> => {
      const parameters = new Parameters(source);
      parameters.dense(name, shape);
      return parameters.load(ops);
    };
    await expect(load("x", [2])).rejects.toThrow(code("model"));
    await expect(load("w", [4])).rejects.toThrow(code("model_format"));
    const integers = safetensorsSource(file({ w: { ...entry([6], 0, 24), dtype: "U32" } }));
    await expect(load("w", [6], integers)).rejects.toThrow(/"w" is of U32/);
  });

  test.each([
    ["F4", 3],
    ["F6_E2M3", 6],
    ["C64", 48],
    ["F8_E4M3", 6],
    ["F8_E5M2", 6],
  ])("%s is refused with what is supported", async (dtype, bytes) => {
    const bytesOfFile = file({ w: { ...entry([6], 0, bytes), dtype } }, new Uint8Array(bytes));
    const load = async (): Promise<void> => {
      const parameters = new Parameters(safetensorsSource(bytesOfFile));
      parameters.dense("w", [6]);
      await parameters.load(new OpSet(new CpuBackend()));
    };
    await expect(load()).rejects.toMatchObject({
      code: "model_format",
      message: expect.stringContaining(dtype) as string,
      hint: expect.stringContaining("F64, F32, F16, BF16") as string,
    });
  });
});
