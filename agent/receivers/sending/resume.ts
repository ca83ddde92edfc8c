// Where to read on after a crash, for receivers that deliver in order (backlog.ts): checkpoints are
// about a second old, but the queues behind know which stretches of which contents they hold
// (Origin in proto/contract/batch.ts). Since a batch is sent only when those before it have their
// verdict, what lies before the furthest stretch of a queue needs no reading for that queue.

import type { Origin } from '../../../proto/contract/batch.ts';

export interface Reached {
  readonly to: number;
  readonly state: string;
}

/**
 * How far each queue has come in `content` of `run`, and so all of them; null when that is not
 * beyond `from`, or when one of them does not know.
 */
export function furthest(
  queues: readonly (readonly Origin[])[],
  { run, content, from }: Pick<Origin, 'run' | 'content' | 'from'>,
): Reached | null {
  let least: Reached | null = null;
  for (const origins of queues) {
    let most: Reached | null = null;
    for (const one of origins) {
      if (one.run !== run || one.content !== content) continue;
      if (most === null || one.to > most.to) most = one;
    }
    if (most === null) return null;
    if (least === null || most.to < least.to) least = most;
  }
  return least !== null && least.to > from ? { to: least.to, state: least.state } : null;
}
