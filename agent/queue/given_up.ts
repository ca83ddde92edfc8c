// Which batches left a queue without having been delivered, by their sequences, so that a ledger
// elsewhere can tell a batch that was given up from one that was lost without a word.
//
// What a full queue dropped, and what its disk has damaged, is counted. The ranges are kept in
// memory and shown as gauges; whoever stores these has them for ever. Ranges that touch and have
// one reason are one.

import type { Counters } from '../../runtime/counters.ts';

export const limits = {
  /** Ranges that are shown. Beyond it the oldest is forgotten here. */
  rangesMax: 100,
} as const;

/**
 * `overflow`: a full queue dropped them. `missing`: the disk has damaged them. `refused`: the
 * destination refused them for good, or they were too old to be tried again.
 */
export type GivenUpReason = 'overflow' | 'missing' | 'refused';

export interface GivenUp {
  /** Sequences `from` to `to`; `items` is 0 when nobody knows how many there were. */
  add(from: number, to: number, reason: GivenUpReason, items: number): void;
}

export function createGivenUp(counters: Counters, exporter: string): GivenUp {
  const ranges: { from: number; to: number; reason: GivenUpReason; items: number }[] = [];
  counters.gauges('binnacle_queue_given_up_items',
    'Items in batches that left the queue undelivered, by their sequences; 0 when unknown.',
    () => ranges.map(({ from, to, reason, items }) =>
      [{ exporter, reason, from: String(from), to: String(to) }, items] as const));
  const count = (name: string, help: string, labels = {}) =>
    counters.counter(name, help, { exporter, ...labels });
  return {
    add: (from, to, reason, items) => {
      if (reason === 'overflow') {
        count('binnacle_queue_dropped_items_total', 'Items that the queue gave up.', { reason })
          .add(items);
      } else if (reason === 'missing') {
        count('binnacle_queue_missing_batches_total', 'Batches that the queue had and cannot read.')
          .add(to - from + 1);
      }
      const newest = ranges.at(-1);
      if (newest !== undefined && newest.reason === reason && newest.to + 1 === from
        && newest.items > 0 === items > 0) {
        newest.to = to;
        newest.items += items;
        return;
      }
      ranges.push({ from, to, reason, items });
      if (ranges.length > limits.rangesMax) ranges.shift();
    },
  };
}
