// The page's few line icons, and its mark: a weft thread crossing three warps.

import type { JSX } from "preact";

const icon = (paths: JSX.Element) => (
  <svg width="14" height="14" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
    {paths}
  </svg>
);

export const Icon = {
  link: () => icon(<path d="M6.500 9.500l3-3M7 4.500l1.200-1.200a3 3 0 0 1 4.300 4.300L11.300 8.800M9 11.500l-1.200 1.200a3 3 0 0 1-4.300-4.300L4.700 7.200" />),
  pin: () => icon(<path d="M6 2h4l-.5 5 2.500 2.500H4L6.500 7 6 2zM8 9.500V14" />),
  sun: () => icon(<><circle cx="8" cy="8" r="3" /><path d="M8 1.500v1.500M8 13v1.500M1.500 8H3M13 8h1.500M3.400 3.400l1 1M11.600 11.600l1 1M3.400 12.600l1-1M11.600 4.400l1-1" /></>),
  moon: () => icon(<path d="M13 9.500A5.500 5.500 0 0 1 6.500 3a5.500 5.500 0 1 0 6.500 6.500z" />),
  system: () => icon(<><circle cx="8" cy="8" r="5.500" /><path d="M8 2.500a5.500 5.500 0 0 1 0 11z" fill="currentColor" /></>),
  help: () => icon(<><circle cx="8" cy="8" r="6" /><path d="M6.200 6.300a1.800 1.800 0 1 1 2.500 1.700c-.5.200-.7.500-.7 1M8 11.300v.1" /></>),
  clock: () => icon(<><circle cx="8" cy="8" r="6" /><path d="M8 4.500V8l2.200 1.500" /></>),
  left: () => icon(<path d="M10 3L5 8l5 5" />),
  right: () => icon(<path d="M6 3l5 5-5 5" />),
  refresh: () => icon(<path d="M13 8a5 5 0 1 1-1.500-3.600M13 2.500V5h-2.500" />),
  copy: () => icon(<><rect x="5.500" y="5.500" width="8" height="8" rx="1.500" /><path d="M3.500 10.500h-1v-8h8v1" /></>),
  plus: () => icon(<><circle cx="7" cy="7" r="4.500" /><path d="M10.500 10.500L14 14M7 5v4M5 7h4" /></>),
  minus: () => icon(<><circle cx="7" cy="7" r="4.500" /><path d="M10.500 10.500L14 14M5 7h4" /></>),
  close: () => icon(<path d="M4 4l8 8M12 4l-8 8" />),
  download: () => icon(<path d="M8 2.500v7.500M5 7.500L8 10.500l3-3M3 13.500h10" />),
  compare: () => icon(<path d="M3 4h5M3 8h8M3 12h3M13 4v8M11 10l2 2 2-2" />),
  up: () => icon(<path d="M3 10l5-5 5 5" />),
  down: () => icon(<path d="M3 6l5 5 5-5" />),
};

export function Mark() {
  return (
    <svg width="20" height="20" viewBox="0 0 16 16" fill="none" aria-hidden="true">
      <path class="warp" stroke-width="1.6" d="M3.500 1v4.500M3.500 10v5M8 1v14M12.500 1v6.500M12.500 12v3" />
      <path class="weft" stroke-width="2.2" stroke-linecap="round" d="M.8 8.200H4c1.500 0 1.800-2 3.300-2h.2M8.700 6.200c1.500 0 1.800 3.600 3.300 3.600h3.200" />
    </svg>
  );
}
