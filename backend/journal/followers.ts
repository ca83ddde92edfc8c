// Whoever wants to hear of changes of some kinds.

import type { Entry, Kind } from './journal.ts';

export interface Followers {
  add(kinds: readonly Kind[], heard: (entries: readonly Entry[]) => void): () => void;
  /** Calls those who follow one of the kinds, in the order in which they came. */
  tell(entries: readonly Entry[]): void;
}

export function createFollowers(): Followers {
  const all = new Set<{ kinds: readonly Kind[]; heard: (entries: readonly Entry[]) => void }>();
  return {
    add: (kinds, heard) => {
      const follower = { kinds, heard };
      all.add(follower);
      return () => void all.delete(follower);
    },
    tell: (entries) => {
      for (const { kinds, heard } of all) {
        const own = entries.filter(({ kind }) => kinds.includes(kind));
        if (own.length > 0) heard(own);
      }
    },
  };
}
