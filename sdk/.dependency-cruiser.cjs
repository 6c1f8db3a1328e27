// The layers of the package: a folder imports only from those before it. Backends do not know each other.
const LAYERS = [
  "errors",
  "tensor",
  "ops",
  "memory",
  "backends",
  "graph",
  "storage",
  "weights",
  "layers",
  "tokenizers",
  "audio",
  "images",
  "generation",
  "models",
  "onnx",
  "testing",
  "accelerator",
  "worker",
  "react",
];
const SRC = "^packages/ipfs-accelerate/src/";
const TEST = "\\.test\\.tsx?$";

module.exports = {
  forbidden: [
    {
      name: "no-cycles",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "core-has-no-dependencies",
      severity: "error",
      from: { path: SRC, pathNot: [TEST, SRC + "(react|tokenizers|onnx)/"] },
      to: { dependencyTypes: ["npm", "npm-dev", "npm-optional", "core", "npm-no-pkg", "unknown"] },
    },
    {
      name: "backends-are-blind-to-each-other",
      severity: "error",
      from: { path: SRC + "backends/([^/]+)/", pathNot: TEST },
      to: { path: SRC + "backends/", pathNot: SRC + "backends/$1/" },
    },
    {
      name: "every-folder-is-a-layer",
      severity: "error",
      from: {},
      to: { path: SRC + "[^/]+/", pathNot: SRC + "(" + LAYERS.join("|") + ")/" },
    },
    ...LAYERS.slice(0, -1).map((layer, i) => ({
      name: `${layer}-imports-only-downwards`,
      severity: "error",
      from: { path: SRC + layer + "/", pathNot: TEST },
      to: { path: [SRC + "index\\.ts", SRC + "(" + LAYERS.slice(i + 1).join("|") + ")/"] },
    })),
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "/dist/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
  },
};
