// The references of the models, made by PyTorch at test time into a temporary folder.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const SDK = path.resolve(import.meta.dirname, "..");
const PYTHON = process.env.PYTHON ?? path.join(SDK, "../.venv/bin/python");

/** The folder they are in; `undefined` where no Python with torch is to be had. */
export function makeReferences() {
  if (process.env.SDK_REFERENCES !== undefined) return process.env.SDK_REFERENCES;
  if (!existsSync(PYTHON) || spawnSync(PYTHON, ["-c", "import torch, transformers"]).status !== 0)
    return undefined;
  const folder = mkdtempSync(path.join(tmpdir(), "sdk-references-"));
  const environment = { ...process.env, HF_HUB_OFFLINE: "1" };
  const done = spawnSync(PYTHON, [path.join(SDK, "scripts/references"), folder], {
    encoding: "utf8",
    env: environment,
  });
  if (done.status !== 0) throw new Error(`the references could not be made:\n${done.stderr}`);
  return folder;
}

/** Their files by the path a test page fetches them from; none where they cannot be made. */
export function servedReferences() {
  const folder = makeReferences();
  if (folder === undefined) return [];
  if (process.env.SDK_REFERENCES === undefined) process.on("exit", () => rmSync(folder, { recursive: true }));
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map((entry) => {
      const file = path.join(entry.parentPath, entry.name);
      return [`/references/${path.relative(folder, file)}`, { file }];
    });
}
