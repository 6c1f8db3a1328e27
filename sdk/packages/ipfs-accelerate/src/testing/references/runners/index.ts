import type { ReferenceRunner } from "../reference.ts";
import { audio } from "./audio.ts";
import { bert } from "./bert.ts";
import { layers } from "./layers.ts";
import { llama } from "./llama.ts";
import { tokenization } from "./tokenization.ts";

/** How the model of each family is called on a reference. */
export const RUNNERS: Readonly<Record<string, ReferenceRunner>> = {
  audio,
  bert,
  layers,
  llama,
  tokenization,
};
