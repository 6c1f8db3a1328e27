/** Which variant of a kernel suits an adapter: measured, kept by shape class, readable as JSON. */
export { TuningTable, type TuningStore } from "./store.ts";
export { tunable } from "./tunable.ts";
export { tune, type TuningOptions, type TuningResult } from "./tuner.ts";
