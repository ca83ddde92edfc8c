// How often a batch was sent before, as far as its sender says and this process has seen.
//
// A sender that got no answer sends again, with a higher number. What it sent first may come after
// that: held up on another connection, or sent twice by something on the way. It says that it is
// the first attempt, and would be stored unseen (D-023). Nothing that was on its way to an earlier
// process reaches this one, so that its own memory is enough.

import type { Arrival } from '../../proto/contract/arrival.ts';
import type { Batch } from '../../proto/contract/batch.ts';

export const limits = {
  /** Batches that are remembered; the oldest is forgotten. About 10 MB of memory. */
  rememberedMax: 50_000,
} as const;

export interface Attempts {
  /** Never 0 for a batch with an id that was asked for before. */
  of(batch: Batch, arrival: Pick<Arrival, 'attempt'> | undefined): number;
}

export function createAttempts(): Attempts {
  const seen = new Set<string>();
  return {
    of: ({ signal, id }, arrival) => {
      const said = arrival?.attempt ?? 0;
      if (id === undefined) return said;
      const key = `${signal} ${id}`;
      const isKnown = seen.delete(key);
      seen.add(key);
      if (seen.size > limits.rememberedMax) seen.delete(seen.values().next().value!);
      return isKnown ? Math.max(said, 1) : said;
    },
  };
}
