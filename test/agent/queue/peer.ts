// An exporter with a queue and a peer that answers by script, for tests.

import { createQueuedExporter } from '../../../agent/queue/exporter.ts';
import type { SendOutcome } from '../../../proto/contract/arrival.ts';
import type { Batch } from '../../../proto/contract/batch.ts';
import type { ComponentContext } from '../../../proto/contract/component.ts';
import { retryable } from '../../../proto/contract/outcome.ts';
import { itemKeys } from '../../contract/fakes.ts';
import { SIZE } from './open.ts';

export const RETRY = {
  initialIntervalMs: 5, maxIntervalMs: 10, multiplier: 1, randomizationFactor: 0, maxElapsedMs: 0,
};

export interface Sent {
  readonly batch: Batch;
  readonly attempt: number;
}

export type Answer = (sent: Sent, abort: AbortSignal) => SendOutcome | Promise<SendOutcome>;

export const AWAY: Answer = () => retryable('nobody is there');

export function setUp(
  context: ComponentContext,
  answer: Answer,
  retry: typeof RETRY | null = RETRY,
  keys: readonly Uint8Array[] = [],
) {
  const sent: Sent[] = [];
  const delivered: string[] = [];
  const exporter = createQueuedExporter(async () => ({
    send: async (batch, attempt, abort) => {
      sent.push({ batch, attempt });
      const outcome = await answer({ batch, attempt }, abort);
      if (outcome.status === 'accepted') delivered.push(...itemKeys(batch));
      return outcome;
    },
    close: async () => {},
  }), {
    context,
    delivery: { ...context, retry, concurrency: 4 },
    queue: { size: SIZE, whenFull: 'refuse' },
    ...(keys.length === 0 ? {} : { storage: { directory: '/storage', keys: () => keys } }),
  });
  return { exporter, sent, delivered };
}
