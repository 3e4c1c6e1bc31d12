// Stable colours by name: a squad has a hue, a service of the squad a shade of it. Red is kept for
// errors, so no hue comes near it. Colours are written as oklch(), which CSS and canvas both take.

import { signal } from "@preact/signals";

// FNV-1a, so that a name has the same colour in every session and on every machine.
export function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) {
    hash ^= name.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x45d9f3b);
  return (hash ^ (hash >>> 15)) >>> 0;
}

// Hues apart enough to be told from each other, and from the red of errors (about 25°).
const kHues = [65, 92, 118, 148, 172, 196, 222, 248, 270, 292, 316, 338];

// squad -> slot of kHues, for the squads that the configuration names: they never share a hue
// while there are at most twelve.
const configured_slots = new Map<string, number>();
export const squadColoursVersion = signal(0);

export function configureSquads(names: readonly string[]): void {
  configured_slots.clear();
  const taken = new Set<number>();
  for (const name of [...new Set(names)].sort()) {
    let slot = hashName(name) % kHues.length;
    for (let tries = 0; taken.has(slot) && tries < kHues.length; tries++) slot = (slot + 5) % kHues.length;
    taken.add(slot);
    configured_slots.set(name, slot);
  }
  squadColoursVersion.value++;
}

export function squadHue(squad: string): number {
  return kHues[configured_slots.get(squad) ?? hashName(squad) % kHues.length];
}

const kInkTurns = 0.58;

export interface ServiceColour {
  fill: string; // bars and swatches
  soft: string; // backgrounds, client bars around a server's inset
  strong: string; // strokes
  ink: string; // text on `fill`
}

const cache = new Map<string, ServiceColour>();

// A service that nobody owns takes the hue of its own name, so that unowned systems stay readable.
export function serviceColour(service: string, squad: string | null, dark: boolean): ServiceColour {
  const key = `${dark ? "d" : "l"}${squadColoursVersion.peek()}\u0000${squad ?? ""}\u0000${service}`;
  const known = cache.get(key);
  if (known) return known;
  if (cache.size > 4096) cache.clear();
  const hue = squadHue(squad ?? service);
  const shade = (hashName(service) >>> 5) % 4;
  const lightness = (dark ? 0.6 : 0.55) + shade * 0.055;
  const chroma = 0.105 - (shade % 2) * 0.02;
  const turned = hue + ((hashName(service) >>> 9) % 3 - 1) * 5;
  const colour = {
    fill: `oklch(${lightness.toFixed(3)} ${chroma} ${turned})`,
    soft: dark ? `oklch(0.36 ${(chroma * 0.55).toFixed(3)} ${turned})` : `oklch(0.88 ${(chroma * 0.5).toFixed(3)} ${turned})`,
    strong: dark ? `oklch(0.8 ${chroma} ${turned})` : `oklch(0.42 ${chroma} ${turned})`,
    // Either is readable (4.5:1) on its side of this lightness.
    ink: lightness >= kInkTurns ? "#0d0e11" : "#ffffff",
  };
  cache.set(key, colour);
  return colour;
}
