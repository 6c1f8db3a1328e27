import type { WebGPUBackend } from "ipfs-accelerate/backends/webgpu";
import { GraphBackend, type Explanation } from "ipfs-accelerate/graph";
import { OpSet, type OpCall, type OpSignature } from "ipfs-accelerate/ops";
import { sizeOf, type QuantizedTensor, type Tensor } from "ipfs-accelerate/tensor";

/** Operations to look at, as a user writes them. */
export interface Preset {
  readonly code: string;
  /** Names of the extents that may be chosen, with what they are at first. */
  readonly extents: Readonly<Record<string, number>>;
  readonly build: (ops: Recording, extents: readonly number[]) => Tensor;
}

export const PRESETS: Readonly<Record<string, Preset>> = {
  "linear, bias, GELU": {
    code: "ops.gelu(ops.linear(x, weight, bias))",
    extents: { rows: 64, columns: 256, inner: 128 },
    build: (ops, [m, n, k]) => ops.gelu(ops.linear(ops.input(m!, k!), ops.input(n!, k!), ops.input(n!))),
  },
  "element-wise chain": {
    code: "ops.silu(ops.add(ops.mul(x, 2), y))",
    extents: { rows: 64, columns: 256 },
    build: (ops, [m, n]) => ops.silu(ops.add(ops.mul(ops.input(m!, n!), 2), ops.input(m!, n!))),
  },
  "residual, layer norm": {
    code: "ops.layerNorm(ops.add(x, y), { scale, bias })",
    extents: { rows: 64, columns: 256 },
    build: (ops, [m, n]) =>
      ops.layerNorm(ops.add(ops.input(m!, n!), ops.input(m!, n!)), {
        scale: ops.input(n!),
        bias: ops.input(n!),
      }),
  },
  "4 bits, one row": {
    code: "ops.linear(x, ops.quantize(weight, { bits: 4 }))",
    extents: { rows: 1, columns: 512, inner: 256 },
    build: (ops, [m, n, k]) =>
      ops.linear(ops.input(m!, k!), ops.own(ops.quantize(ops.input(n!, k!), { bits: 4, scaleType: "f32" }))),
  },
  attention: {
    code: "ops.attention(q, k, v, { isCausal: true })",
    extents: { heads: 4, rows: 64, width: 32 },
    build: (ops, [h, m, d]) => {
      const some = (): Tensor => ops.input(1, h!, m!, d!);
      return ops.attention(some(), some(), some(), { isCausal: true });
    },
  },
  "convolution, bias, ReLU": {
    code: "ops.relu(ops.conv(x, weight, bias))",
    extents: { channels: 8, filters: 16, size: 32 },
    build: (ops, [c, f, s]) =>
      ops.relu(ops.conv(ops.input(1, c!, s!, s!), ops.input(f!, c!, 3, 3), ops.input(f!))),
  },
};

/** Operations that remember their calls, and what is to be disposed of. */
export class Recording extends OpSet {
  readonly calls: OpCall[] = [];
  readonly results: Tensor[] = [];
  readonly #inputs: { dispose(): void }[] = [];

  override run(call: OpCall): Tensor[] {
    const results = super.run(call);
    this.calls.push(call);
    this.results.push(...results);
    return results;
  }

  input(...shape: number[]): Tensor {
    return this.own(this.tensor(new Float32Array(sizeOf(shape)).fill(0.5), shape));
  }

  own<T extends Tensor | QuantizedTensor>(tensor: T): T {
    this.#inputs.push(tensor);
    return tensor;
  }

  /** All but one result. */
  dispose(kept?: Tensor): void {
    for (const tensor of [...this.results, ...this.#inputs]) if (tensor !== kept) tensor.dispose();
  }
}

export interface Inspection {
  /** Recorded, before anything is fused: `map f32[64,256]`. */
  readonly recorded: readonly string[];
  readonly explanation: Explanation;
  readonly calls: readonly OpSignature[];
}

/** Records a preset on the GPU and explains its plan; computes nothing. */
export function inspect(backend: WebGPUBackend, preset: Preset, extents: readonly number[]): Inspection {
  const graph = new GraphBackend(backend);
  const ops = new Recording(graph);
  const result = preset.build(ops, extents);
  const calls = ops.calls.map((call) => signatureOf(call));
  const recorded = ops.calls.map(({ op, inputs, attributes }) => {
    const name = "program" in attributes ? attributes.program.steps.map(({ fn }) => fn).join(" ") : op;
    return `${name} ${inputs.map((tensor) => tensor && `${tensor.dtype}[${tensor.shape}]`).join(" ")}`;
  });
  // What nobody holds need not be made: that is what lets the planner fuse.
  ops.dispose(result);
  const explanation = graph.explain();
  result.dispose();
  return { recorded, explanation, calls };
}

function signatureOf({ op, inputs, attributes }: OpCall): OpSignature {
  const specs = inputs.map((tensor) => tensor && { ...tensor.layout, dtype: tensor.dtype });
  return { op, inputs: specs, attributes } as OpSignature;
}
