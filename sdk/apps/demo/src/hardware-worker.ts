import {
  createHardwareAbstraction,
  type BackendAttempt,
  type BackendChoice,
} from "ipfs-accelerate/accelerator";

/** What the page shows of the hardware: plain data. */
export interface HardwareReport {
  readonly attempts: readonly BackendAttempt[];
  readonly chosen: Pick<BackendChoice, "name" | "reason"> & { readonly adapter: string };
}

/** Measuring keeps a processor busy, so it is done beside the page. */
const hardware = createHardwareAbstraction();
try {
  const attempts = await hardware.detect();
  const { name, reason, backend } = await hardware.getOptimalBackendForModel("text_embedding");
  const { description, isSoftware } = backend.adapter;
  const adapter = `${description}${isSoftware ? " (software: a CPU computes)" : ""}`;
  postMessage({ attempts, chosen: { name, reason, adapter } } satisfies HardwareReport);
} finally {
  hardware.dispose();
}
