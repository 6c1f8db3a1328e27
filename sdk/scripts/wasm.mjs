// Compiles the kernels of the wasm backend, and writes them as a module. With --check: fails when they differ.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import asc from "assemblyscript/asc";
import * as prettier from "prettier";

const BACKEND = path.join(import.meta.dirname, "../packages/ipfs-accelerate/src/backends/wasm");
const RESULT = path.join(BACKEND, "binary.ts");
const COLUMNS = [0, 1];

const source = readdirSync(path.join(BACKEND, "kernels"))
  .filter((name) => name.endsWith(".as"))
  .sort()
  .map((name) => readFileSync(path.join(BACKEND, "kernels", name), "utf8"))
  .join("\n");

/** Names of functions in the order in which they stand. */
const names = (pattern) => [...source.matchAll(pattern)].map((match) => match[1]);
const kernels = names(/^export function (\w+)\(p: usize, start: i32/gm);
const functions = [...source.matchAll(/^@inline function ([fiu]_\w+)\(([^)]*)\)/gm)].map(
  ([, name, list]) => ({
    name,
    arity: list.split(",").length,
  }),
);

/** Runs one function over a block of lanes. */
function stepSource() {
  const cases = functions.map(({ name, arity }, i) => {
    const args = ["a", "b", "c"].slice(0, arity).map((value) => `v128.load(${value} + i)`);
    return `    case ${i}: for (let i: usize = 0; i < end; i += 16) v128.store(to + i, ${name}(${args.join(", ")})); break;`;
  });
  return `function step(fn: i32, to: usize, a: usize, b: usize, c: usize, count: i32): void {
  const end = <usize>count << 2;
  switch (fn) {
${cases.join("\n")}
  }
}`;
}

const lines = (list) => list.join("\n");
const grid = (rows, body) =>
  lines(Array.from({ length: rows }, (_, r) => lines(COLUMNS.map((c) => body(r, c)))));

/** One step of k: a rank-1 update of the tile in registers. */
function updateSource(rows, k) {
  const loads = COLUMNS.map((c) => `const b${c} = v128.load(b, ${32 * k + 16 * c});`);
  const updates = Array.from(
    { length: rows },
    (_, r) =>
      `v = v128.load32_splat(a, ${4 * (rows * k + r)}); ${COLUMNS.map((c) => `t${r}${c} = madd(v, b${c}, t${r}${c});`).join(" ")}`,
  );
  return `{ ${loads.join(" ")}\n${lines(updates)} }`;
}

/** A tile of `rows` by 8 in registers. */
function tileSource(rows) {
  const place = (r, c) =>
    `(c + ${r} * ldc, ${16 * c})`.replace(`${r} * ldc`, r === 0 ? "0" : `${r} * <usize>ldc`);
  return `function micro${rows}(a: usize, b: usize, c: usize, ldc: i32, kc: i32, adds: bool): void {
${grid(rows, (r, c) => `let t${r}${c} = splat(0);`)}
if (adds) {
${grid(rows, (r, c) => `t${r}${c} = v128.load${place(r, c)};`)}
}
let v: v128, k: i32 = 0;
for (; k + 4 <= kc; k += 4, a += ${16 * rows}, b += 128) {
${lines([0, 1, 2, 3].map((k) => updateSource(rows, k)))}
}
for (; k < kc; k++, a += ${4 * rows}, b += 32) ${updateSource(rows, 0)}
${grid(rows, (r, c) => `v128.store(c + ${r} * <usize>ldc, t${r}${c}, ${16 * c});`)}
}`;
}

function microSource() {
  const sizes = [6, 5, 4, 3, 2, 1];
  const choice = sizes.map((rows) => `  if (rows == ${rows}) return micro${rows}(a, b, c, ldc, kc, adds);`);
  return `${lines(sizes.map(tileSource))}
function micro(rows: i32, a: usize, b: usize, c: usize, ldc: i32, kc: i32, adds: bool): void {
${lines(choice)}
}`;
}

async function compile(isRelaxed) {
  const text = [source, stepSource(), microSource()].join("\n");
  let binary;
  let errors = "";
  const features = [
    "simd",
    "bulk-memory",
    "nontrapping-f2i",
    "sign-extension",
    ...(isRelaxed ? ["relaxed-simd"] : []),
  ];
  const { error } = await asc.main(
    ["kernels.ts", "-o", "kernels.wasm", "--runtime", "stub", "-O3", "--noAssert", "--converge"]
      .concat(["--importMemory", "--noExportMemory", "--initialMemory", "1", "--maximumMemory", "65536"])
      .concat(features.flatMap((feature) => ["--enable", feature])),
    {
      readFile: (name) => (name === "kernels.ts" ? text : null),
      writeFile: (_, content) => (binary = content),
      listFiles: () => [],
      stderr: { write: (chunk) => (errors += chunk) },
    },
  );
  if (error) throw new Error(`${error.message}\n${errors}`);
  return binary;
}

async function moduleText() {
  const [plain, relaxed] = [await compile(false), await compile(true)];
  const list = (values) => `[\n${values.map((value) => `  "${value}",`).join("\n")}\n]`;
  return `// Written by scripts/wasm.mjs from kernels/; edit those instead.
// sha256 of the sources: ${createHash("sha256").update(source).digest("hex")}

/** Kernels by number: what is sent to a thread. */
export const KERNELS = ${list(kernels)} as const;

/** Functions of programs by number: kind of the lanes, then the name. */
export const FUNCTIONS: readonly string[] = ${list(functions.map(({ name }) => name))};

/** Base64 of ${plain.length} bytes. */
export const PLAIN =
  "${Buffer.from(plain).toString("base64")}";

/** With relaxed SIMD: base64 of ${relaxed.length} bytes. */
export const RELAXED =
  "${Buffer.from(relaxed).toString("base64")}";
`;
}

const text = await prettier.format(await moduleText(), {
  ...(await prettier.resolveConfig(RESULT)),
  parser: "typescript",
});
let old = "";
try {
  old = readFileSync(RESULT, "utf8");
} catch (error) {
  if (error.code !== "ENOENT") throw error;
}
if (text === old) console.log("current");
else if (process.argv.includes("--check")) {
  console.log("stale: run node scripts/wasm.mjs");
  process.exitCode = 1;
} else {
  writeFileSync(RESULT, text);
  console.log("written: binary.ts");
}
