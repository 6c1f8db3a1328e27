/**
 * Models in a Web Worker, behind the same interface as in the page: `createWorkerAccelerator` in the page,
 * `serveAccelerator(self)` in the worker's file.
 */
export { createWorkerAccelerator, type WorkerAcceleratorOptions } from "./create.ts";
export type { WorkerLike } from "./link.ts";
export type { PlainOptions, PlainStorageOptions } from "./protocol.ts";
export { serveAccelerator, type CreateAccelerator, type WorkerScope } from "./serve.ts";
