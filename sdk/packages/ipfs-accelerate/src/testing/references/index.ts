/**
 * Models against PyTorch: references made with seeded weights at test time, and the check of a backend against them.
 */
export {
  checkReference,
  listReferences,
  openReference,
  type HostTensor,
  type ReadFile,
  type Reference,
  type ReferenceRunner,
  type ReferenceVerdict,
} from "./reference.ts";
