import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// Relative, since the page's <base> says where the root is: any path prefix works without a setting.
export default defineConfig({
  base: "./",
  plugins: [react()],
  build: {
    outDir: "../api/static",
    emptyOutDir: true,
    target: "es2022",
    sourcemap: false,
    // Inlined files would need data: in the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
