import { defineConfig } from "vitest/config";

// One browser for all: the files run one after another.
export default defineConfig({
  test: { include: ["test/e2e/**/*.test.ts"], environment: "node", fileParallelism: false, testTimeout: 180_000, hookTimeout: 180_000 },
});
