// Random numbers that repeat: the whole story is a function of its seed.

// A generator of numbers in [0, 1) (mulberry32). Streams with different names are independent.
export function seeded(seed, name = '') {
  let state = seed >>> 0;
  for (const char of name) state = (Math.imul(state ^ char.codePointAt(0), 0x9e3779b1) + 0x7f4a7c15) >>> 0;
  return function next() {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const chance = (random, share) => random() < share;
export const between = (random, low, high) => low + random() * (high - low);
export const pick = (random, list) => list[Math.floor(random() * list.length)];

export function hexId(random, bytes) {
  let out = '';
  for (let i = 0; i < bytes; ++i) out += Math.floor(random() * 256).toString(16).padStart(2, '0');
  return /^0+$/.test(out) ? hexId(random, bytes) : out;
}
