// Before the unit tests: the references, named in the environment of every worker; afterwards they are deleted.
import { rmSync } from "node:fs";

import { makeReferences } from "./references.mjs";

export default function setup() {
  if (process.env.SDK_REFERENCES !== undefined) return undefined;
  const folder = makeReferences();
  if (folder === undefined) return undefined;
  process.env.SDK_REFERENCES = folder;
  return () => rmSync(folder, { recursive: true });
}
