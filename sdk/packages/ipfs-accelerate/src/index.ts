/**
 * Models in the browser: `createAccelerator` and what it stands on. Backends and models are fetched when they are used.
 */
export * from "./accelerator/index.ts";
export * from "./errors/index.ts";
export * from "./memory/index.ts";
export * from "./ops/index.ts";
export * from "./storage/index.ts";
export * from "./tensor/index.ts";
