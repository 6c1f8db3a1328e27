/**
 * Where inputs and results lie: `device` measures the computation alone, `host` what a caller sees who has arrays and
 * wants arrays.
 */
export type Place = "device" | "host";

/** One side of a comparison, ready to run one case. */
export interface Contestant {
  /** One computation; with `host` it includes both transfers. */
  run(): Promise<void> | void;
  /** Resolves when everything that was run is really done. */
  settle(): Promise<void>;
  result(): Promise<Float32Array>;
  dispose(): Promise<void> | void;
}

/** A side that cannot run a case; the reason is its row. */
export class Unable extends Error {}
