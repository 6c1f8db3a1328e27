import { AccelerateError } from "../errors/index.ts";
import { assertInside } from "./manifest.ts";

/** Which shard holds which tensor. */
export type WeightMap = ReadonlyMap<string, string>;

/**
 * Reads `model.safetensors.index.json`.
 *
 * @throws AccelerateError `model_format` without a usable `weight_map`; `unsafe_model` for a shard outside the folder.
 */
export function parseWeightMap(text: string): WeightMap {
  let index: unknown;
  try {
    index = JSON.parse(text);
  } catch (cause) {
    throw new AccelerateError("model_format", "the index of the shards is not JSON", { cause });
  }
  const map = (index as { weight_map?: unknown } | null)?.weight_map;
  if (typeof map !== "object" || map === null || Array.isArray(map)) {
    throw new AccelerateError("model_format", "the index of the shards has no weight_map");
  }
  const entries = Object.entries(map as Readonly<Record<string, unknown>>);
  return new Map(
    entries.map(([tensor, shard]) => {
      if (typeof shard !== "string") {
        throw new AccelerateError("model_format", `the index puts "${tensor}" into ${JSON.stringify(shard)}`);
      }
      assertInside(shard);
      return [tensor, shard];
    }),
  );
}

export function shardNames(map: WeightMap): string[] {
  return [...new Set(map.values())].sort();
}
