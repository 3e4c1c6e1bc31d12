declare module "*.css";
// Filled in by build.mjs.
declare const __LAYOUT_WORKER__: string;
