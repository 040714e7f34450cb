// Builds the console into hub/console/dist: static files with hashed names, nothing from outside.
import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact", development: false } },
  worker: { format: "es" },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2024",
    // The policy of the hub allows images as data: but no script or style that is not a file.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
