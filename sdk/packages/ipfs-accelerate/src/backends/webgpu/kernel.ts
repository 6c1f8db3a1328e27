import type { DType } from "../../tensor/index.ts";

/** What of an adapter decides which code is generated. */
export interface Traits {
  /** `f16` in shaders; without it halves lie as `f32` in device memory, rounded at every store. */
  readonly hasF16: boolean;
  readonly hasSubgroups: boolean;
  /** A CPU behind the GPU interface, where a barrier costs more than the memory traffic it saves. */
  readonly isSoftware: boolean;
}

/** A compute shader with its parameters. Equal structure gives equal code, so that pipelines are shared. */
export interface Kernel {
  readonly label: string;
  readonly code: string;
  /** The storage buffers in order, after the uniform of parameters at binding 0. */
  readonly access: readonly Access[];
  /** Words of the uniform. */
  readonly parameters: Uint32Array;
  readonly workgroups: readonly [x: number, y: number, z: number];
}

export type Access = "read" | "read_write";
/** The types WGSL computes in: halves widen to `f32`, bytes to 32 bits. */
export type ScalarType = "f32" | "i32" | "u32" | "bool";

const SCALARS: Readonly<Record<DType, ScalarType>> = {
  f32: "f32",
  f16: "f32",
  i32: "i32",
  i8: "i32",
  u32: "u32",
  u8: "u32",
  bool: "bool",
};

export function scalarType(dtype: DType): ScalarType {
  return SCALARS[dtype];
}

/** The element type in device memory. */
export function storedType(dtype: DType, { hasF16 }: Traits): "f32" | "f16" | "i32" | "u32" {
  if (dtype === "f16" && hasF16) return "f16";
  const scalar = scalarType(dtype);
  return scalar === "bool" ? "u32" : scalar;
}

export interface Buffer {
  readonly load: (index: string) => string;
  readonly store: (index: string, value: string) => string;
}

const WORD = new DataView(new ArrayBuffer(4));

function wordOf(write: (view: DataView) => void): number {
  write(WORD);
  return WORD.getUint32(0, true);
}

/** Collects bindings and parameters while code that names them is written. */
export class KernelBuilder {
  readonly traits: Traits;
  readonly #words: number[] = [];
  readonly #access: Access[] = [];
  readonly #declarations: string[] = [];
  readonly #extensions = new Set<"f16" | "subgroups">();
  #names = 0;

  constructor(traits: Traits) {
    this.traits = traits;
  }

  input(dtype: DType): Buffer {
    return this.#bind(dtype, "read");
  }

  /** An input of floats read four at a time: indices count vectors, and `load` gives a `vec4<f32>`. */
  vectors(dtype: "f32" | "f16"): Pick<Buffer, "load"> {
    const { name, stored } = this.#declareBinding(dtype, "read", (type) => `vec4<${type}>`);
    return { load: (index) => (stored === "f16" ? `vec4<f32>(${name}[${index}])` : `${name}[${index}]`) };
  }

  /** A result of floats written four at a time, from a `vec4<f32>`. */
  vectorOutput(dtype: "f32" | "f16"): Pick<Buffer, "store"> {
    const { name, stored } = this.#declareBinding(dtype, "read_write", (type) => `vec4<${type}>`);
    return {
      store: (index, value) => `${name}[${index}] = ${stored === "f16" ? `vec4<f16>(${value})` : value};`,
    };
  }

  output(dtype: DType): Buffer {
    return this.#bind(dtype, "read_write");
  }

  /** A parameter of this dispatch, as an expression; the number is no part of the code. */
  u32(value: number): string {
    const at = this.#words.push(value >>> 0) - 1;
    return `P[${at >> 2}].${"xyzw".charAt(at & 3)}`;
  }

  i32(value: number): string {
    return `bitcast<i32>(${this.u32(value)})`;
  }

  f32(value: number): string {
    return `bitcast<f32>(${this.u32(
      wordOf((view) => {
        view.setFloat32(0, value, true);
      }),
    )})`;
  }

  constant(value: number, type: ScalarType): string {
    if (type === "f32") return this.f32(value);
    if (type === "i32") return this.i32(value);
    return type === "u32" ? this.u32(value) : `(${this.u32(value === 0 ? 0 : 1)} != 0u)`;
  }

  /** A name nothing else in this kernel has. */
  name(stem: string): string {
    return `${stem}${this.#names++}`;
  }

  /** Code at module level: functions, `var<workgroup>`. */
  declare(code: string): void {
    if (!this.#declarations.includes(code)) this.#declarations.push(code);
  }

  /** Uses subgroups: the place of a lane among those of its own that run, and how many these are. */
  subgroup(): { readonly rank: string; readonly size: string } {
    this.#extensions.add("subgroups");
    return { rank: "peer", size: "peers" };
  }

  build(label: string, body: string, launch: Launch): Kernel {
    const rows = Math.max(1, Math.ceil(this.#words.length / 4));
    const parameters = new Uint32Array(rows * 4);
    parameters.set(this.#words);
    const code = [
      ...[...this.#extensions].sort().map((name) => `enable ${name};`),
      `@group(0) @binding(0) var<uniform> P: array<vec4<u32>, ${rows}>;`,
      ...this.#declarations,
      `@compute @workgroup_size(${launch.size.join(", ")})`,
      "fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>,",
      "  @builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {",
      ...(this.#extensions.has("subgroups") ? [COUNT_PEERS] : []),
      body,
      "}",
    ].join("\n");
    return { label, code, access: this.#access, parameters, workgroups: launch.workgroups };
  }

  #bind(dtype: DType, access: Access): Buffer {
    const { name, stored } = this.#declareBinding(dtype, access, (type) => type);
    return {
      load: (index) => loaded(dtype, stored, `${name}[${index}]`),
      store: (index, value) => {
        if (dtype === "f16" && stored === "f32") this.declare(ROUND_TO_HALF);
        return `${name}[${index}] = ${toStore(dtype, stored, value)};`;
      },
    };
  }

  #declareBinding(
    dtype: DType,
    access: Access,
    element: (stored: string) => string,
  ): { readonly name: string; readonly stored: string } {
    const at = this.#access.push(access);
    const stored = storedType(dtype, this.traits);
    if (stored === "f16") this.#extensions.add("f16");
    const name = `data${at}`;
    this.declare(`@group(0) @binding(${at}) var<storage, ${access}> ${name}: array<${element(stored)}>;`);
    return { name, stored };
  }
}

/** Counted, not `subgroup_size`: lanes of a subgroup may be idle, and any of them. */
const COUNT_PEERS = "let peer = subgroupExclusiveAdd(1u);\nlet peers = subgroupAdd(1u);";

/** Ties to even, as the hardware rounds; `quantizeToF16` may truncate, and does on SwiftShader. */
export const ROUND_TO_HALF = `fn roundToHalf(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  let magnitude = bits & 0x7fffffffu;
  let sign = bits & 0x80000000u;
  if (magnitude >= 0x7f800000u) { return x; }
  if (magnitude >= 0x477ff000u) { return bitcast<f32>(sign | 0x7f800000u); }
  if (magnitude < 0x38800000u) { return round(x * 16777216.0) / 16777216.0; }
  return bitcast<f32>(sign | ((magnitude + 0xfffu + ((magnitude >> 13u) & 1u)) & 0xffffe000u));
}`;

function loaded(dtype: DType, stored: string, element: string): string {
  if (stored === "f16") return `f32(${element})`;
  return dtype === "bool" ? `(${element} != 0u)` : element;
}

/** Narrow integers wrap, as they do in typed arrays. */
function toStore(dtype: DType, stored: string, value: string): string {
  if (stored === "f16") return `f16(${value})`;
  if (dtype === "f16") return `roundToHalf(${value})`;
  if (dtype === "bool") return `select(0u, 1u, ${value})`;
  if (dtype === "i8") return `((${value}) << 24u) >> 24u`;
  return dtype === "u8" ? `(${value}) & 255u` : value;
}

export interface Launch {
  readonly size: readonly [x: number, y: number, z: number];
  readonly workgroups: readonly [x: number, y: number, z: number];
}

/** Invocations of a one-dimensional workgroup. */
export const LANES = 64;
const MAX_WORKGROUPS = 65_535; // maxComputeWorkgroupsPerDimension of every adapter

/** One invocation per item; `flat` is its number and must be checked against `count`. */
export function perItem(count: number): Launch & { readonly flat: string } {
  const needed = Math.ceil(count / LANES);
  const x = Math.min(needed, MAX_WORKGROUPS);
  const y = x === 0 ? 0 : Math.ceil(needed / x);
  return { size: [LANES, 1, 1], workgroups: [x, y, 1], flat: `gid.x + gid.y * groups.x * ${LANES}u` };
}

/** One workgroup per item. */
export function perGroup(count: number): Launch & { readonly flat: string } {
  const x = Math.min(count, MAX_WORKGROUPS);
  const y = x === 0 ? 0 : Math.ceil(count / x);
  return { size: [LANES, 1, 1], workgroups: [x, y, 1], flat: "wid.x + wid.y * groups.x" };
}
