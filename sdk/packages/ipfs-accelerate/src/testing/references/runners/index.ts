import type { ReferenceRunner } from "../reference.ts";
import { audio } from "./audio.ts";
import { bert } from "./bert.ts";
import { layers } from "./layers.ts";

/** How the model of each family is called on a reference. */
export const RUNNERS: Readonly<Record<string, ReferenceRunner>> = { audio, bert, layers };
