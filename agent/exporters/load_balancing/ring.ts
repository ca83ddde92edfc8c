// A ring of backends (consistent hashing): each stands at many places, and a key belongs to the
// backend that comes next. When one of N backends comes or goes, about 1/N of the keys move.

export const limits = {
  /** Places of each backend: with so many, shares differ by about a tenth. */
  placesEach: 128,
} as const;

export interface Ring {
  /** Sorted, each once. */
  readonly backends: readonly string[];
  /** There must be at least one backend. */
  backendOf(key: string): string;
}

export function createRing(endpoints: readonly string[]): Ring {
  const backends = [...new Set(endpoints)].sort();
  const places = backends.flatMap((backend) =>
    Array.from({ length: limits.placesEach }, (_, index) =>
      ({ at: hashOf(`${backend}#${index}`), backend })));
  places.sort((one, other) => one.at - other.at || (one.backend < other.backend ? -1 : 1));
  return {
    backends,
    backendOf: (key) => {
      const at = hashOf(key);
      let low = 0;
      let high = places.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (places[middle]!.at < at) low = middle + 1;
        else high = middle;
      }
      return places[low === places.length ? 0 : low]!.backend;
    },
  };
}

/** FNV-1a with the last steps of murmur3, so that keys that are alike lie far apart. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
