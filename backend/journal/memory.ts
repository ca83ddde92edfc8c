// A journal that lives as long as its process: for scripts of rules and for tests. It keeps the
// promises of the one in tables, but for the disk.

import type { Clock } from '../../runtime/clock.ts';
import { entryOf, type Entry, type Journal } from './journal.ts';
import { createFollowers } from './followers.ts';

export function createMemoryJournal(clock: Clock): Journal {
  const now = new Map<string, Entry>();
  const past: Entry[] = [];
  const followers = createFollowers();
  return {
    load: async (kinds) => [...now.values()]
      .filter(({ kind, deleted }) => kinds.includes(kind) && !deleted),
    write: async (drafts) => {
      const version = clock.nowNs();
      // What is kept must not change with what the caller holds, and must be what JSON can hold.
      const entries = drafts.map((draft) =>
        entryOf({ ...draft, data: JSON.parse(JSON.stringify(draft.data)) as unknown }, version));
      for (const entry of entries) now.set(`${entry.kind} ${entry.key}`, entry);
      past.push(...entries);
      followers.tell(entries);
    },
    follow: followers.add,
    history: async ({ kinds, key, name, fromMs, toMs, before, limit }) => past
      .filter((entry) => (kinds === undefined || kinds.includes(entry.kind))
        && (key === undefined || entry.key === key) && (name === undefined || entry.name === name)
        && entry.atMs >= fromMs && entry.atMs < toMs
        && (before === undefined || entry.atMs < before.atMs
          || (entry.atMs === before.atMs && entry.version < before.version)))
      .sort((one, other) => other.atMs - one.atMs || Number(other.version - one.version))
      .slice(0, limit),
  };
}
