import { defineConfig, type ViteUserConfig } from "vitest/config";

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["packages/*/src/**/*.test.ts", "bench/*.test.mjs"],
    testTimeout: 60_000,
    maxWorkers: 2,
    globalSetup: "scripts/vitest-references.mjs",
  },
});

export default config;
