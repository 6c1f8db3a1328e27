import type { KeyValueCache } from "../../packages/ipfs-accelerate/src/generation/index.ts";
import { GraphBackend } from "../../packages/ipfs-accelerate/src/graph/index.ts";
import { activationOf, EncoderBlock } from "../../packages/ipfs-accelerate/src/layers/index.ts";
import { Llama } from "../../packages/ipfs-accelerate/src/models/llama.ts";
import { OpSet, type Backend } from "../../packages/ipfs-accelerate/src/ops/index.ts";
import type { Shape } from "../../packages/ipfs-accelerate/src/tensor/index.ts";
import { Parameters } from "../../packages/ipfs-accelerate/src/weights/index.ts";
import { openOurs, type BackendName } from "./backends.ts";
import { wavesOf } from "./weights.ts";

/** Microseconds of script for each call that reaches the backend, while nothing waits for the device. */
export interface CallCost {
  readonly name: string;
  readonly isGraph: boolean;
  readonly calls: number;
  readonly medianUs: number;
  readonly leastUs: number;
}

interface Workload {
  /** Records the work; waits for nothing. */
  readonly run: () => void;
  readonly dispose: () => void;
}

const SIZE = 64;
const LAYERS = 4;
const ROUNDS = 60;
const WARM_UP = 15;

/** Narrow layers: what the script does for a call does not depend on their width. */
async function encoder(ops: OpSet): Promise<Workload> {
  const names = {
    query: "q",
    key: "k",
    value: "v",
    output: "o",
    attentionNorm: "n1",
    up: "u",
    down: "d",
    outputNorm: "n2",
  };
  const linear = (name: string, outputs: number, inputs: number): Record<string, Shape> => ({
    [`${name}.weight`]: [outputs, inputs],
    [`${name}.bias`]: [outputs],
  });
  const shapes = {
    ...Object.assign({}, ...["q", "k", "v", "o"].map((name) => linear(name, SIZE, SIZE))),
    ...linear("u", 2 * SIZE, SIZE),
    ...linear("d", SIZE, 2 * SIZE),
    ...Object.assign(
      {},
      ...["n1", "n2"].map((name) => ({ [`${name}.weight`]: [SIZE], [`${name}.bias`]: [SIZE] })),
    ),
  } as Record<string, Shape>;
  const parameters = new Parameters(wavesOf(shapes));
  const options = {
    size: SIZE,
    heads: 4,
    inner: 2 * SIZE,
    epsilon: 1e-5,
    activation: activationOf("gelu"),
    norm: "after",
  } as const;
  const block = new EncoderBlock(parameters, names, options);
  await parameters.load(ops);
  const x = ops.fill([1, 8, SIZE], 1);
  return {
    run() {
      const result = ops.tidy((o) =>
        Array.from({ length: LAYERS }).reduce<typeof x>((y) => block.apply(o, y), x),
      );
      flush(ops.backend);
      result.dispose();
    },
    dispose() {
      x.dispose();
      parameters.dispose();
    },
  };
}

async function decoder(ops: OpSet): Promise<Workload> {
  const config = {
    model_type: "llama",
    vocab_size: 32,
    hidden_size: SIZE,
    intermediate_size: 2 * SIZE,
    num_hidden_layers: LAYERS,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 256,
    tie_word_embeddings: true,
  };
  const layer = (i: number): Record<string, Shape> => {
    const prefix = `model.layers.${i}`;
    return {
      [`${prefix}.self_attn.q_proj.weight`]: [SIZE, SIZE],
      [`${prefix}.self_attn.k_proj.weight`]: [SIZE / 2, SIZE],
      [`${prefix}.self_attn.v_proj.weight`]: [SIZE / 2, SIZE],
      [`${prefix}.self_attn.o_proj.weight`]: [SIZE, SIZE],
      [`${prefix}.mlp.gate_proj.weight`]: [2 * SIZE, SIZE],
      [`${prefix}.mlp.up_proj.weight`]: [2 * SIZE, SIZE],
      [`${prefix}.mlp.down_proj.weight`]: [SIZE, 2 * SIZE],
      [`${prefix}.input_layernorm.weight`]: [SIZE],
      [`${prefix}.post_attention_layernorm.weight`]: [SIZE],
    };
  };
  const shapes = Object.assign(
    { "model.embed_tokens.weight": [32, SIZE], "model.norm.weight": [SIZE] },
    ...Array.from({ length: LAYERS }, (_, i) => layer(i)),
  ) as Record<string, Shape>;
  const model = await Llama.load({ config, weights: wavesOf(shapes) }, { ops });
  const cache: KeyValueCache = model.createCache(128, "fp32");
  return {
    run() {
      const logits = model.step([cache.length % 32], cache);
      flush(ops.backend);
      logits.dispose();
    },
    dispose() {
      cache.dispose();
      model.dispose();
    },
  };
}

function flush(backend: Backend): void {
  if (backend instanceof GraphBackend) backend.flush();
}

async function costOf(
  name: string,
  backend: Backend,
  isGraph: boolean,
  make: (ops: OpSet) => Promise<Workload>,
): Promise<CallCost> {
  let calls = 0;
  const counted = new Proxy(backend, {
    get(target, key) {
      if (key === "execute") calls += 1;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  const outer = (own: Backend): Backend => (isGraph ? new GraphBackend(own) : own);
  // One run is counted, the others go to the backend itself.
  const trial = await make(new OpSet(outer(counted)));
  trial.run();
  calls = 0;
  trial.run();
  const count = calls;
  trial.dispose();
  const workload = await make(new OpSet(outer(backend)));
  const times: number[] = [];
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    const started = performance.now();
    workload.run();
    const elapsedUs = (performance.now() - started) * 1000;
    if (round >= WARM_UP) times.push(elapsedUs / count);
    await backend.finish();
  }
  workload.dispose();
  times.sort((a, b) => a - b);
  return { name, isGraph, calls: count, medianUs: times[ROUNDS >> 1]!, leastUs: times[0]! };
}

async function report(event: Readonly<Record<string, unknown>>): Promise<void> {
  await fetch("/report", { method: "POST", body: JSON.stringify(event) });
}

/** Reports the cost of a call in an encoder's layers and in a decoder's steps, with and without the graph. */
export async function runCalls(name: BackendName): Promise<void> {
  const backend = await openOurs(name, false);
  await report({ type: "begin", about: { adapter: backend.adapter } });
  for (const [workload, make] of [
    ["encoder layers", encoder],
    ["decoder steps", decoder],
  ] as const) {
    for (const isGraph of [false, true]) {
      await report({ type: "cost", cost: await costOf(workload, backend, isGraph, make) });
    }
  }
  await report({ type: "done", leaked: backend.memory.storages });
}
