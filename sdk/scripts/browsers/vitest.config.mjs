import { defineConfig } from "vitest/config";

// The harness tests itself in real browsers, which takes a minute: apart from the units.
export default defineConfig({ test: { include: ["scripts/browsers/*.test.mjs"], testTimeout: 180_000 } });
