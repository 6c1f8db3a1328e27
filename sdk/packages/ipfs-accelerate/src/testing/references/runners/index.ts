import type { ReferenceRunner } from "../reference.ts";
import { audio } from "./audio.ts";
import { bert } from "./bert.ts";
import { clap } from "./clap.ts";
import { detr } from "./detr.ts";
import { images } from "./images.ts";
import { layers } from "./layers.ts";
import { llama } from "./llama.ts";
import { llava } from "./llava.ts";
import { sentences } from "./sentences.ts";
import { t5 } from "./t5.ts";
import { tokenization } from "./tokenization.ts";
import { wav2vec2 } from "./wav2vec2.ts";
import { whisper } from "./whisper.ts";
import { vit } from "./vit.ts";
import { clip } from "./clip.ts";

/** How the model of each family is called on a reference. */
export const RUNNERS: Readonly<Record<string, ReferenceRunner>> = {
  audio,
  bert,
  clap,
  detr,
  images,
  layers,
  llama,
  llava,
  sentences,
  t5,
  tokenization,
  wav2vec2,
  whisper,
  vit,
  clip,
};
