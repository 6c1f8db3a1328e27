import { readdirSync } from "node:fs";
import path from "node:path";

const DIST = path.resolve(import.meta.dirname, "../../node_modules/onnxruntime-web/dist");

/** What onnxruntime-web fetches beside its script, by the path on the server. */
export function onnxruntimeFiles() {
  const names = readdirSync(DIST).filter((name) => name.startsWith("ort-wasm-"));
  return names.map((name) => [`/ort/${name}`, { file: path.join(DIST, name) }]);
}
