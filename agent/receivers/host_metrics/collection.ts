// One collection: all scrapers read at the same time, and what they have becomes batches.
//
// A scraper that fails is told and does not keep the others back. One that does not answer in time
// (a file system whose server is gone) is left alone: the collection goes out without it, and it
// is not started again before it has answered.

import type { Batch } from '../../../proto/contract/batch.ts';
import type { Clock, Timer } from '../../../runtime/clock.ts';
import { errorMessage } from '../../../runtime/errors.ts';
import { encodeReadings, type MetricDefinition, type Scrape } from '../readings/readings.ts';
import type { Scraper } from './scraper.ts';
import type { ScraperSet } from './scrapers.ts';

/** The scope of each scraper's metrics: this and the scraper's name. */
export const SCOPE = 'binnacle/agent/host_metrics';

export const limits = {
  /** Resources in a batch; a collection with more of them (processes) becomes several batches. */
  resourcesPerBatch: 1000,
} as const;

export interface CollectionOptions {
  readonly set: ScraperSet;
  /** The metrics to send, by scraper. */
  readonly metrics: ReadonlyMap<string, readonly MetricDefinition[]>;
  readonly clock: Clock;
  /** Time that a scraper may take. */
  readonly timeoutMs: number;
  /** Hears what a scraper could not read. `whole`: it could read nothing. */
  readonly trouble: (scraper: string, why: string, whole: boolean) => void;
  /** Hears what a scraper may not read. */
  readonly hidden: (why: string) => void;
}

/** Returns a function that collects once. It never throws; without any data it gives no batch. */
export function createCollection(options: CollectionOptions): () => Promise<Batch<'metrics'>[]> {
  const { set, metrics } = options;
  const runs = set.scrapers.map((scraper) => createRun(scraper, options));
  return async () => {
    set.renew();
    const scrapes = await Promise.all(runs.map((run) => run()));
    const scopes = scrapes.flatMap((scrape, index) => {
      const { name } = set.scrapers[index]!;
      return scrape === null ? [] : [{
        name: `${SCOPE}/${name}`, readings: scrape.readings, definitions: metrics.get(name)!,
      }];
    });
    return encodeReadings(scopes, limits.resourcesPerBatch);
  };
}

function createRun(
  scraper: Scraper,
  { clock, timeoutMs, trouble, hidden }: CollectionOptions,
): () => Promise<Scrape | null> {
  let busy = false;
  const scrape = async (): Promise<Scrape | null> => {
    busy = true;
    try {
      return await scraper.scrape();
    } catch (error) {
      trouble(scraper.name, errorMessage(error), true);
      return null;
    } finally {
      busy = false;
    }
  };
  return async () => {
    if (busy) {
      trouble(scraper.name, 'it has not answered since an earlier collection', true);
      return null;
    }
    let timer: Timer | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = clock.after(timeoutMs, () => resolve('late'));
    });
    const result = await Promise.race([scrape(), late]);
    timer?.cancel();
    if (result === 'late') {
      trouble(scraper.name, `it has not answered for ${timeoutMs} ms`, true);
      return null;
    }
    for (const problem of result?.problems ?? []) trouble(scraper.name, problem, false);
    if (result?.hidden !== undefined) hidden(result.hidden);
    return result;
  };
}
