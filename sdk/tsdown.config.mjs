import { globSync } from "tinyglobby";
import { defineConfig } from "tsdown";

const cwd = "packages/ipfs-accelerate";

// Every capability, backend, test suite and file of models/ is an export path; a new one needs no edit here.
const entry = Object.fromEntries(
  globSync(["src/{,*/,backends/*/,testing/*/}index.ts", "src/models/*.ts", "!src/**/*.test.ts"], { cwd }).map(
    (file) => {
      const name = file.slice("src/".length, -".ts".length);
      return [/(^|\/)index$/.test(name) ? name : `${name}/index`, file];
    },
  ),
);

export default defineConfig({
  cwd,
  entry,
  format: ["esm", "cjs"],
  dts: true,
  platform: "browser",
  deps: { neverBundle: [/^onnxruntime-web/] },
  target: "es2022",
  fixedExtension: false,
  clean: true,
  logLevel: "warn",
});
