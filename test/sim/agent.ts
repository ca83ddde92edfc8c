// One start of a simulated agent: the real batch processor and the real exporter with its disk
// queue, on a disk that forgets. Whatever it says to a source counts only while it lives.

import { createQueuedExporter } from '../../agent/queue/exporter.ts';
import type { QueueOptions } from '../../agent/queue/queue.ts';
import { createBatcher } from '../../agent/processors/batch/processor.ts';
import type { Sender } from '../../proto/contract/arrival.ts';
import type { Batch } from '../../proto/contract/batch.ts';
import type { ComponentContext, Component, Consumer } from '../../proto/contract/component.ts';
import { retryable, type Outcome } from '../../proto/contract/outcome.ts';
import { createCounters, type Counters } from '../../runtime/counters.ts';
import type { Files } from '../../runtime/files.ts';
import type { Random } from '../../runtime/random.ts';
import { NEVER } from '../contract/fakes.ts';
import { createJournalLog, type Journal } from './journal.ts';
import { crosses, type Life } from './life.ts';
import { createHostClock, type Time } from './time.ts';

export const AGENT_ID = '11111111-2222-4333-8444-555555555555';
export const FOLDER = '/agent/exporter';

export interface AgentSettings {
  readonly concurrency: number;
  /** Null: no batch processor. */
  readonly batcher: { readonly size: number; readonly max: number; readonly timeoutMs: number }
    | null;
  readonly queue: Pick<QueueOptions, 'size' | 'whenFull'>;
}

export interface AgentParts {
  readonly time: Time;
  readonly life: Life;
  readonly files: Files;
  readonly sender: Sender;
  readonly journal: Journal;
  readonly ownRandom: Random;
  readonly settings: AgentSettings;
  jumpMs(): number;
}

export interface Agent {
  readonly life: Life;
  readonly counters: Counters;
  readonly consumer: Consumer;
  /** In order, as on SIGTERM. */
  stop(deadline: AbortSignal): Promise<void>;
}

const RETRY = {
  initialIntervalMs: 500, maxIntervalMs: 5000, multiplier: 1.5, randomizationFactor: 0.5,
  maxElapsedMs: 0,
};

/** Throws when the queue cannot be opened; the process ends then, and somebody starts it again. */
export async function startAgent(parts: AgentParts): Promise<Agent> {
  const { life, settings } = parts;
  const counters = createCounters();
  const context = contextOf(parts, counters);
  const { world, log, id } = context;
  const exporter = createQueuedExporter(async () => parts.sender, {
    context, queue: settings.queue,
    delivery: { id, world, log, counters, retry: RETRY, concurrency: settings.concurrency },
  });
  const chain: Component[] = [exporter];
  let consumer: Consumer = exporter;
  if (settings.batcher !== null) {
    const { size, max, timeoutMs } = settings.batcher;
    const batcher = createBatcher({
      timeout: timeoutMs, send_batch_size: size, send_batch_max_size: max, metadata_keys: [],
    }, context, exporter, {
      heldBytesMax: 1024 * 1024,
      pieceRetry: { ...RETRY, initialIntervalMs: 100 },
    });
    chain.unshift(batcher);
    consumer = batcher;
  }
  for (const component of [...chain].reverse()) await component.start();
  let stopping = false;
  return {
    life, counters,
    consumer: {
      consume: (batch, abort) => (stopping
        ? Promise.resolve(retryable('stopping'))
        : consumer.consume(batch, abort)),
    },
    stop: async (deadline) => {
      stopping = true;
      for (const component of chain) await component.stop(deadline);
    },
  };
}

export function contextOf(parts: AgentParts, counters: Counters): ComponentContext {
  const { time, life, files, journal, ownRandom, jumpMs } = parts;
  return {
    id: 'otlp', counters, folder: FOLDER, agentId: AGENT_ID, host: { ready: () => true },
    world: { clock: createHostClock(time, life, jumpMs), files, random: ownRandom },
    log: createJournalLog(journal, life.name),
  };
}

/** What a client of this agent hears: nothing, once it is dead. */
export async function ask(
  agent: Agent,
  batch: Batch,
  abort: AbortSignal = NEVER,
): Promise<Outcome | null> {
  const outcome = await agent.consumer.consume(batch, abort);
  return crosses(agent.life) ? outcome : null;
}
