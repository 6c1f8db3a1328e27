import { AccelerateError } from "../../errors/index.ts";
import type { AudioInput, ImageInput, ModelInput, ScoredLabel } from "../types.ts";

/** The texts of an input, and whether it was one alone. */
export function textsOf(input: ModelInput): readonly string[] {
  if (typeof input === "string") return [input];
  if (Array.isArray(input)) return input as readonly string[];
  if ("text" in input) return textsOf(input.text);
  throw unfit("text", input);
}

/** Of a model that answers one text at a time. */
export function oneText(input: ModelInput): string {
  const texts = textsOf(input);
  if (texts.length === 1) return texts[0]!;
  throw new AccelerateError("input", `the model takes one text at a time, not ${texts.length}`);
}

export function imageOf(input: ModelInput): ImageInput {
  if (typeof input === "object" && "width" in input) return input;
  if (typeof input === "object" && "image" in input) return input.image;
  throw unfit("an image", input);
}

export function audioOf(input: ModelInput): AudioInput {
  if (typeof input === "object" && "samples" in input) return input;
  if (typeof input === "object" && "audio" in input) return input.audio;
  throw unfit("audio", input);
}

function unfit(wanted: string, input: ModelInput): AccelerateError {
  const got = typeof input === "string" ? "a text" : `{${Object.keys(input).join(", ")}}`;
  return new AccelerateError("input", `the model takes ${wanted}, not ${got}`);
}

/** Probabilities of logits, the likeliest first, those below `minimum` left out. */
export function ranked(
  logits: ArrayLike<number>,
  labels: readonly string[],
  minimum = 0,
): readonly ScoredLabel[] {
  const highest = Array.from(logits).reduce((most, value) => Math.max(most, value), -Infinity);
  const powers = Array.from(logits, (value) => Math.exp(value - highest));
  const sum = powers.reduce((total, value) => total + value, 0);
  return powers
    .map((power, i) => ({ label: labels[i] ?? `LABEL_${i}`, score: power / sum }))
    .filter(({ score }) => score >= minimum)
    .sort((a, b) => b.score - a.score);
}
