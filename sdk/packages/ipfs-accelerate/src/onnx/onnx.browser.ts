import { assert, test } from "../../../../tests/browsers/page/api.ts";
import { loadOnnx, type OnnxProvider } from "./index.ts";

interface Plain {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

interface Answer {
  readonly name: string;
  readonly inputs: Readonly<Record<string, Plain>>;
  readonly outputs: Readonly<Record<string, Plain>>;
}

const read = (name: string): Promise<Response> => fetch(`/references/onnx_models/${name}`);
const LOADING = { wasmPaths: "/ort/", threads: 1 };

async function isAsOutside(name: string, provider: OnnxProvider): Promise<string> {
  const answers = (await (await read("answers.json")).json()) as Answer[];
  const { inputs, outputs } = answers.find((known) => known.name === name)!;
  const bytes = new Uint8Array(await (await read(`${name}.onnx`)).arrayBuffer());
  using model = await loadOnnx(bytes, { ...LOADING, executionProviders: [provider] });
  const found = await model.run(inputs);
  for (const [output, { shape, values }] of Object.entries(outputs)) {
    const got = found[output]!;
    assert(String(got.shape) === String(shape), `${output} is [${got.shape}]`);
    Array.from(got.values, Number).forEach((value, i) => {
      assert(Math.abs(value - values[i]!) < 1e-3, `${output} has ${value} at ${i}, not ${values[i]!}`);
    });
  }
  return model.provider;
}

const hasModels = (await read("answers.json")).ok;

for (const name of ["linear", "pooled"]) {
  test(`wasm of onnxruntime answers as outside of browsers: ${name}`, async ({ skip }) => {
    if (!hasModels) skip("no Python with onnx; name one in PYTHON");
    assert((await isAsOutside(name, "wasm")) === "wasm", "another provider computed");
  }, 120_000);
}

test("webgpu of onnxruntime answers as outside of browsers, all of the model on it", async ({ skip }) => {
  if (!hasModels) skip("no Python with onnx; name one in PYTHON");
  assert((await isAsOutside("linear", "webgpu")) === "webgpu", "another provider computed");
}, 120_000);

test("a provider the browser does not have is named, and the next one is taken", async ({ skip }) => {
  if (!hasModels) skip("no Python with onnx; name one in PYTHON");
  const bytes = new Uint8Array(await (await read("linear.onnx")).arrayBuffer());
  using model = await loadOnnx(bytes, { ...LOADING, executionProviders: ["webnn", "wasm"] });
  const [webnn] = model.attempts;
  assert(model.provider === "wasm" && webnn?.state === "refused", JSON.stringify(model.attempts));
  assert((webnn.reason ?? "").length > 0, "no reason is given");
}, 120_000);
