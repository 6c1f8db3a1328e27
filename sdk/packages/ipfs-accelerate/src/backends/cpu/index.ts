/** The reference backend, and the oracle of the others. */
export { CpuBackend } from "./cpu-backend.ts";
