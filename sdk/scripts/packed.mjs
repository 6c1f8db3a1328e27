// The package as users get it: packed, installed in a fresh project, imported, required, type-checked and run.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const PACKAGE = "packages/ipfs-accelerate";
const BIN = path.resolve("node_modules/.bin");
const project = mkdtempSync(path.join(tmpdir(), "sdk-packed-"));

function run(command, args, cwd = project) {
  const done = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (done.status === 0) return done.stdout.trim();
  throw new Error(`${command} ${args.join(" ")} failed:\n${done.stdout}${done.stderr}`);
}

const paths = readdirSync(`${PACKAGE}/dist`, { recursive: true })
  .filter((file) => /(^|\/)index\.js$/.test(file))
  .map((file) => `ipfs-accelerate/${file.replace(/\/?index\.js$/, "")}`.replace(/\/$/, ""))
  // They need what is optional: React, or a worker around them.
  .filter((name) => !/\/(react|worker\/entry)$/.test(name));

const USE = `
import { OpSet, type Tensor } from "ipfs-accelerate";
import { CpuBackend } from "ipfs-accelerate/backends/cpu";
import { Bert } from "ipfs-accelerate/models/bert";
const ops = new OpSet(new CpuBackend());
const sum: Tensor = ops.add(ops.tensor([1, 2], [2]), 1);
export const loads: typeof Bert.load = Bert.load;
export const values = sum.data();
`;

/** The examples of the documentation, each a module of its own. */
function examples() {
  return [`${PACKAGE}/README.md`, "../docs/how-to/browser.md"].flatMap((file) =>
    [...readFileSync(file, "utf8").matchAll(/^```(tsx?)\n(.*?)^```$/gms)].map(([, kind, code]) => ({
      kind,
      code: `${code}export {};\n`,
    })),
  );
}

try {
  const [packed] = JSON.parse(run("npm", ["pack", "--json", "--pack-destination", project], PACKAGE));
  const stray = packed.files.filter(
    ({ path: file }) => !/^(dist\/|package\.json$|README\.md$|LICENSE$)/.test(file),
  );
  if (stray.length > 0)
    throw new Error(`the package holds ${stray.map(({ path: file }) => file).join(", ")}`);
  writeFileSync(
    path.join(project, "package.json"),
    JSON.stringify({ name: "fresh", private: true, type: "module" }),
  );
  run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", `./${packed.filename}`]);
  const imported = `await Promise.all(${JSON.stringify(paths)}.map((name) => import(name)));`;
  run("node", ["--input-type=module", "-e", imported]);
  run("node", ["--input-type=commonjs", "-e", `${JSON.stringify(paths)}.forEach((name) => require(name));`]);
  const answer = run("node", [
    "--input-type=module",
    "-e",
    `import { OpSet } from "ipfs-accelerate"; import { CpuBackend } from "ipfs-accelerate/backends/cpu";
     const ops = new OpSet(new CpuBackend()); console.log([...(await ops.add(ops.tensor([1, 2], [2]), 1).data())].join());`,
  ]);
  if (answer !== "2,3") throw new Error(`[1, 2] + 1 is ${answer}`);
  writeFileSync(path.join(project, "use.ts"), USE);
  const files = ["use.ts"];
  for (const [i, { kind, code }] of examples().entries()) {
    files.push(`example-${i}.${kind}`);
    writeFileSync(path.join(project, files.at(-1)), code);
  }
  for (const [module, moduleResolution] of [
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ]) {
    const lib = ["es2022", "esnext.disposable", "dom", "dom.iterable", "dom.asynciterable"];
    const paths = {
      react: [path.resolve("node_modules/@types/react")],
      "react/*": [path.resolve("node_modules/@types/react/*")],
    };
    const compilerOptions = {
      module,
      moduleResolution,
      lib,
      target: "es2022",
      strict: true,
      noEmit: true,
      types: [],
    };
    writeFileSync(path.join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
    run(path.join(BIN, "tsc"), []);
  }
  console.log(
    `${packed.filename}: ${(packed.size / 1024).toFixed(0)} KB packed, ${paths.length} export paths import, require and type-check, ${files.length - 1} examples type-check`,
  );
} finally {
  rmSync(project, { recursive: true });
}
