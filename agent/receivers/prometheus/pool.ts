// The targets of one job: which there are now, and when each is asked. A target that is found again
// with the same labels goes on; one that is gone says so once and ends.
//
// Promises: scrapes of one target never overlap, a tick during one is left out and counted; the
// targets of a job are spread over the interval by their labels, at the same moments after each
// start; none waits for another.

import { createHash } from 'node:crypto';
import { createOutbox, type Outbox, type Room } from '../readings/outbox.ts';
import type { Consumer } from '../../../proto/contract/component.ts';
import type { Timer } from '../../../runtime/clock.ts';
import type { World } from '../../../runtime/world.ts';
import type { PageClient } from './client.ts';
import type { Job } from './job.ts';
import type { Meter } from './meter.ts';
import { createScraper, type Scraper } from './scrape.ts';
import { createTarget, type FoundTargets, type Target } from './targets.ts';

export interface PoolOptions {
  readonly next: Consumer;
  readonly world: World;
  readonly client: PageClient;
  readonly meter: Meter;
  readonly room: Room;
  /** Fires when no more time shall be waited for deliveries. */
  readonly dead: AbortSignal;
}

export interface Pool {
  /** These are the targets from now on. */
  update(groups: readonly FoundTargets[]): void;
  targets(): number;
  series(): number;
  /** Ends all, and waits for deliveries that are under way until `dead` fires. */
  stop(): Promise<void>;
}

/** The longest wait before a batch that was not taken is handed on again. */
const RETRY_MS_MAX = 30_000;

export function createPool(job: Job, options: PoolOptions): Pool {
  const loops = new Map<string, Loop>();
  const leaving = new Set<Promise<void>>();
  return {
    update: (groups) => {
      const wanted = targetsOf(groups, job, options.meter);
      for (const [key, loop] of loops) {
        if (wanted.has(key)) continue;
        loops.delete(key);
        const left = loop.leave().finally(() => leaving.delete(left));
        leaving.add(left);
      }
      for (const [key, target] of wanted) {
        if (!loops.has(key)) loops.set(key, createLoop(target, job, options));
      }
    },
    targets: () => loops.size,
    series: () => [...loops.values()].reduce((sum, loop) => sum + loop.series(), 0),
    stop: async () => {
      const stopped = [...loops.values()].map((loop) => loop.stop());
      loops.clear();
      await Promise.all([...stopped, ...leaving]);
    },
  };
}

function targetsOf(
  groups: readonly FoundTargets[],
  job: Job,
  meter: Meter,
): Map<string, Target> {
  const targets = new Map<string, Target>();
  for (const group of groups) {
    for (const address of group.targets) {
      const target = createTarget(address, group, job.target);
      if (target === null) continue;
      if (typeof target === 'string') meter.unusable(job.name, target);
      else if (targets.size < job.targetsMax) targets.set(target.key, target);
      else if (!targets.has(target.key)) meter.unusable(job.name, 'there are too many');
    }
  }
  return targets;
}

interface Loop {
  series(): number;
  /** Ends, and says that the series have ended. */
  leave(): Promise<void>;
  stop(): Promise<void>;
}

function createLoop(target: Target, job: Job, options: PoolOptions): Loop {
  const { world, client, meter, dead } = options;
  const { clock } = world;
  const scraper = createScraper(target, job, { client, world });
  const outbox = createLoopOutbox(target, options);
  const ending = new AbortController();
  let running: Promise<void> | undefined;
  const tick = (): void => {
    if (running !== undefined) return meter.skipped(target.name);
    running = scrapeOnce(scraper, outbox, target, { meter, abort: ending.signal })
      .finally(() => {
        running = undefined;
      });
  };
  let timer: Timer = clock.after(firstDelayMs(target, clock.nowMs()), () => {
    timer = clock.every(target.intervalMs, tick);
    tick();
  });
  const end = async (): Promise<void> => {
    timer.cancel();
    ending.abort();
    await running;
  };
  return {
    series: () => scraper.series(),
    leave: async () => {
      await end();
      const last = scraper.end();
      if (last !== null) outbox.add(last);
      await outbox.stop(dead);
    },
    stop: async () => {
      await end();
      await outbox.stop(dead);
    },
  };
}

function createLoopOutbox(target: Target, { next, world, room, meter }: PoolOptions): Outbox {
  const retryMsMax = Math.min(RETRY_MS_MAX, target.intervalMs);
  return createOutbox({ next, world, room, retryMsMax, dropped: meter.dropped });
}

interface Once {
  readonly meter: Meter;
  readonly abort: AbortSignal;
}

async function scrapeOnce(
  scraper: Scraper,
  outbox: Outbox,
  { name }: Target,
  { meter, abort }: Once,
): Promise<void> {
  const scraped = await scraper.scrape(abort);
  if (scraped === null) return;
  meter.scraped(name, scraped);
  outbox.add(scraped.batch);
}

/** Until the moment in the interval that belongs to the target. */
function firstDelayMs({ key, intervalMs }: Target, nowMs: number): number {
  const hash = createHash('md5').update(key).digest().readUInt32BE(0);
  const offsetMs = (hash / 2 ** 32) * intervalMs;
  return (((offsetMs - nowMs) % intervalMs) + intervalMs) % intervalMs;
}
