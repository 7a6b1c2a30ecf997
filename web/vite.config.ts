import { defineConfig } from "vitest/config";

// The node to which the development server hands the API on: the mock, unless told otherwise.
const node = process.env["POTLUCK_URL"] ?? "http://localhost:4780";

export default defineConfig({
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: ["chrome123", "firefox120", "safari17.5"],
    // No data: addresses: the pages' policy allows no more than it must.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  server: { port: 4779, strictPort: true, proxy: { "/api": node, "/c": node } },
  test: { include: ["test/**/*.test.ts"] },
});
