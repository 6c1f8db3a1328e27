// What low bits cost: the published MiniLM under every precision beside PyTorch in fp32, and the precisions of the cache
// of a decoder with seeded weights, on wasm in Node.
// node bench/accuracy.mjs [--plan name]... [--sentences n] [--json file]
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

import { rolldown } from "rolldown";

const HERE = import.meta.dirname;
const PYTHON = process.env.PYTHON ?? path.join(HERE, "../../.venv/bin/python");
const SENTENCES = path.join(HERE, "accuracy/sentences.json");
const EXIT = { ok: 0, finding: 1, usage: 2, unavailable: 3 };

/** The TypeScript of the suite as one module of Node. */
async function bundled(folder) {
  const bundle = await rolldown({
    input: path.join(HERE, "accuracy/suite.ts"),
    platform: "node",
    logLevel: "warn",
  });
  await bundle.write({ dir: folder, format: "esm", entryFileNames: "suite.mjs" });
  await bundle.close();
  return import(pathToFileURL(path.join(folder, "suite.mjs")).href);
}

async function minilm({ safetensorsSource }, folder) {
  const text = (name) => readFileSync(path.join(folder, name), "utf8");
  const names = ["tokenizer.json", "tokenizer_config.json"];
  return {
    config: JSON.parse(text("config.json")),
    weights: safetensorsSource(new Uint8Array(readFileSync(path.join(folder, "model.safetensors")))),
    files: new Map(names.map((name) => [name, text(name)])),
  };
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(2).padStart(8);
const percent = (part, whole) => `${((100 * part) / whole).toFixed(1)} %`.padStart(8);

function weightLine(row) {
  const { plan, medianCosine, worstCosine, spearman, idealBytes, packedBytes, scaleBytes, denseBytes } = row;
  const overhead = idealBytes > 0 ? percent(packedBytes - idealBytes, idealBytes) : "       –";
  const bytes = [idealBytes, packedBytes, scaleBytes, denseBytes].map(megabytes).join("  ");
  const figures = [medianCosine, worstCosine, spearman].map((value) => value.toFixed(6)).join("  ");
  return `${plan.padEnd(16)}  ${figures}  ${bytes}  ${overhead}  ${megabytes(packedBytes + scaleBytes + denseBytes)}`;
}

const WEIGHT_HEAD = `${"weights".padEnd(16)}    median     worst  Spearman     ideal    packed    scales     dense   packing     total  (cosine to PyTorch fp32; MB)`;

function cacheLine({ cache, bytes, logitsError, agreeing, steps }, halves) {
  const size = `${String(bytes).padStart(8)} B  ${percent(halves - bytes, halves)}`;
  return `${cache.padEnd(8)}  ${logitsError.toExponential(2).padStart(9)}  ${agreeing} of ${steps}  ${size}`;
}

async function main() {
  const { values } = parseArgs({
    options: {
      plan: { type: "string", multiple: true },
      sentences: { type: "string" },
      json: { type: "string" },
    },
  });
  const folder = mkdtempSync(path.join(tmpdir(), "sdk-accuracy-"));
  try {
    const suite = await bundled(folder);
    const plans = values.plan ?? Object.keys(suite.PLANS);
    const unknown = plans.find((plan) => !(plan in suite.PLANS));
    if (unknown !== undefined) {
      console.error(`--plan ${unknown} is none of ${Object.keys(suite.PLANS).join("; ")}`);
      return EXIT.usage;
    }
    const environment = { ...process.env, HF_HUB_OFFLINE: "1" };
    const script = path.join(HERE, "accuracy/reference.py");
    const made = spawnSync(PYTHON, [script, SENTENCES, folder], { encoding: "utf8", env: environment });
    if (made.status !== 0) {
      console.error(`PyTorch's answers could not be made: ${made.error ?? ""}${made.stderr ?? ""}`);
      return EXIT.unavailable;
    }
    const reference = JSON.parse(readFileSync(path.join(folder, "embeddings.json"), "utf8"));
    const count = Number(values.sentences ?? reference.rows.length);
    const texts = JSON.parse(readFileSync(SENTENCES, "utf8")).slice(0, count);
    const rows = reference.rows.slice(0, count);
    const checkpoint = await minilm(suite, reference.folder);
    console.log(`MiniLM, ${texts.length} sentences\n${WEIGHT_HEAD}`);
    const weights = [];
    for (const plan of plans) {
      const row = await suite.weightRow(plan, checkpoint, texts, rows);
      weights.push(row);
      console.log(weightLine(row));
    }
    const tables = checkpoint.weights.entries;
    const embedding = [...tables].filter(([name]) => /embeddings\..*_embeddings\.weight$/.test(name));
    const elements = (entries) =>
      entries.reduce((sum, [, { shape }]) => sum + shape.reduce((a, b) => a * b, 1), 0);
    const share = percent(
      elements(embedding),
      elements([...tables].filter(([, { dtype }]) => dtype === "F32")),
    );
    console.log(`tables of embeddings stay dense: ${share.trim()} of all values\n`);
    const read = async (name) => new Uint8Array(readFileSync(path.join(folder, name)));
    const caches = await suite.cacheRows(await suite.openReference("llama", read));
    const halves = caches.find(({ cache }) => cache === "fp16").bytes;
    console.log(
      "cache     logits error  agree      bytes   below fp16  (decoder with seeded weights, not a real model)",
    );
    for (const row of caches) console.log(cacheLine(row, halves));
    if (values.json !== undefined) {
      const record = { schema: 1, sentences: texts.length, embeddingShare: share.trim(), weights, caches };
      writeFileSync(values.json, `${JSON.stringify(record, null, 1)}\n`);
    }
    return weights.every(({ leakedStorages }) => leakedStorages === 0) ? EXIT.ok : EXIT.finding;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

process.exitCode = await main();
