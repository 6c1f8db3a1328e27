/** Models in the browser: errors, tensors and the operations every backend implements. */
export * from "./errors/index.ts";
export * from "./tensor/index.ts";
export * from "./ops/index.ts";
