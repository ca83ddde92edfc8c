// Hears from the engine when containers begin and end, for as long as the receiver runs, and looks
// for them every `poll_interval` besides: an engine that was away has told nothing meanwhile.

import type { IncomingMessage } from 'node:http';
import { errorMessage } from '../../../runtime/errors.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { retryDelayMs } from '../../../runtime/retry.ts';
import type { Random } from '../../../runtime/random.ts';
import type { Engine } from '../../docker_engine/engine.ts';

export interface WatchOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  readonly pollMs: number;
  readonly stopping: AbortSignal;
  /** Looks for containers. Never rejects. */
  readonly look: () => Promise<void>;
  /** Hears why the engine tells nothing. */
  readonly trouble: (why: string) => void;
}

const AGAIN = {
  initialIntervalMs: 1000, maxIntervalMs: 30_000, multiplier: 2, randomizationFactor: 0.2,
};
const EVENTS = encodeURIComponent(JSON.stringify({
  type: ['container'], event: ['start', 'die', 'rename', 'destroy'],
}));

/** Resolves when `stopping` has fired and nothing is under way. */
export async function watchContainers(options: WatchOptions): Promise<void> {
  const { clock, stopping, pollMs } = options;
  const look = oneAtATime(options.look);
  const polled = (async () => {
    for (;;) {
      await clock.sleep(pollMs, stopping);
      if (stopping.aborted) return;
      await look();
    }
  })();
  await Promise.all([polled, hear(options, look)]);
}

async function hear(
  { engine, clock, random, stopping, trouble }: WatchOptions, look: () => Promise<void>,
): Promise<void> {
  for (let attempt = 0; !stopping.aborted; attempt++) {
    try {
      const answer = await engine.stream(`/events?filters=${EVENTS}`, stopping);
      attempt = -1;
      // What has happened before somebody listened.
      void look();
      await ended(answer, look);
    } catch (error) {
      if (!stopping.aborted) trouble(errorMessage(error));
    }
    if (stopping.aborted) return;
    await clock.sleep(retryDelayMs(AGAIN, Math.max(0, attempt), 0, random), stopping);
  }
}

/** What an event says does not matter: the list of containers says more. */
function ended(answer: IncomingMessage, look: () => Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    answer.on('data', () => void look());
    answer.on('error', () => {});
    answer.on('close', () => resolve());
  });
}

/** While one runs, further calls together begin one more after it. */
function oneAtATime(look: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let again: Promise<void> | undefined;
  const begin = (): Promise<void> => {
    running = look().finally(() => {
      running = undefined;
    });
    return running;
  };
  return () => {
    if (running === undefined) return begin();
    again ??= running.then(() => {
      again = undefined;
      return begin();
    });
    return again;
  };
}
