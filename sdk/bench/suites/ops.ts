import { QuantizedTensor, type Bits, type Tensor } from "../../packages/ipfs-accelerate/src/tensor/index.ts";
import type { OpSet } from "../../packages/ipfs-accelerate/src/ops/index.ts";
import { computing, type BenchCase, type Tensors } from "../page/case.ts";

const operation = (name: string, compute: (ops: OpSet, t: Tensors) => Tensor): BenchCase => ({
  name,
  load: computing(compute),
});

const matmuls = [
  "matmul_128",
  "matmul_256",
  "matmul_384",
  "matmul_128x384x384",
  "matmul_128x384x1536",
  "matvec_1024",
  "matvec_2048",
].map((name) => operation(name, (ops, t) => ops.matmul(t["x"]!, t["w"]!)));

function lowBits(bits: Bits, name: string, length: number): BenchCase {
  const groupSize = 32;
  const multiply = (ops: OpSet, t: Tensors): Tensor => {
    const shape = [t["w"]!.shape[0]!, length];
    const weight = new QuantizedTensor({ packed: t["w"]!, scales: t["scales"]!, bits, groupSize, shape });
    return ops.quantizedMatmul(t["x"]!, weight);
  };
  // Theirs also quantizes the input to 8 bits, where it may: accuracy_level 4.
  return { ...operation(name, multiply), tolerance: 2e-2 };
}

const convs = (
  [
    ["conv_vit_patch", { stride: 16 }],
    ["conv_resnet_3x3_28", { padding: 1 }],
    ["conv_whisper_1d", { padding: 1 }],
  ] as const
).map(([name, options]) => operation(name, (ops, t) => ops.conv(t["x"]!, t["w"]!, t["b"], options)));

const attention = (name: string, heads: number): BenchCase =>
  operation(name, (ops, t) => {
    const [q, k, v] = ["q", "k", "v"].map((part) => {
      const { shape } = t[part]!;
      return t[part]!.reshape([1, shape[1]!, heads, -1]).permute([0, 2, 1, 3]);
    });
    return ops.contiguous(ops.attention(q!, k!, v!).permute([0, 2, 1, 3]));
  });

export const cases: readonly BenchCase[] = [
  ...matmuls,
  operation("linear_gelu_128x384x1536", (ops, t) => ops.gelu(ops.linear(t["x"]!, t["w"]!, t["b"]))),
  ...([2, 4, 8] as const).flatMap((bits) => [
    lowBits(bits, `matvec_${bits}bit_2048`, 2048),
    lowBits(bits, `matmul_${bits}bit_32x1024x1024`, 1024),
  ]),
  ...convs,
  ...["softmax_768x128", "softmax_32x4096"].map((name) => operation(name, (ops, t) => ops.softmax(t["x"]!))),
  ...["layer_norm_128x384", "layer_norm_512x768"].map((name) =>
    operation(name, (ops, t) => ops.layerNorm(t["x"]!, { scale: t["scale"], bias: t["bias"] })),
  ),
  operation("gelu_128x1536", (ops, t) => ops.gelu(t["x"]!)),
  ...["add_bias_128x1536", "add_128x1536"].map((name) =>
    operation(name, (ops, t) => ops.add(t["x"]!, t["y"]!)),
  ),
  attention("attention_6x128x64", 6),
  attention("attention_8x1x512x64", 8),
  operation("mean_512x768", (ops, t) => ops.reduce("mean", t["x"]!, 1)),
  operation("gather_8000x384", (ops, t) => ops.gather(t["table"]!, t["ids"]!)),
  operation("transpose_128x6x64", (ops, t) => ops.contiguous(t["x"]!.permute([0, 2, 1, 3]))),
  operation("transpose_512x768", (ops, t) => ops.contiguous(t["x"]!.transpose())),
];
