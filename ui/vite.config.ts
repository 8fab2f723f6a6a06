import { defineConfig } from "vite";

// The page is served at /api/ui by functions/ui, under a policy that lets it run its own files and
// nothing else: no inline script or style, no data: address, no polyfill that would add one.
export default defineConfig({
  base: "/api/ui/",
  publicDir: "public",
  build: {
    outDir: process.env.UI_OUT ?? "../functions/ui/dist",
    emptyOutDir: false,
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: false,
    reportCompressedSize: false,
    target: "es2022",
  },
});
