// What the receiver counts and says about its scrapes. Addresses of targets are in the log only,
// never in labels: there may be thousands of them.

import type { ComponentContext } from '../../../proto/contract/component.ts';
import { rateLimited, type Log } from '../../../runtime/log.ts';
import type { Scraped } from './scrape.ts';

/** The same failure is written to the log at most this often. */
const WARNING_INTERVAL_MS = 300_000;

export interface Meter {
  scraped(target: string, scraped: Scraped): void;
  skipped(target: string): void;
  dropped(points: number, reason: string, why: string): void;
  /** A target that was found cannot be asked. */
  unusable(job: string, why: string): void;
  /** Says each sentence now and then only. */
  readonly log: Log;
}

export function createMeter({ id, counters, log, world }: ComponentContext): Meter {
  const limited = rateLimited(log, world.clock, WARNING_INTERVAL_MS);
  const receiver = { receiver: id };
  const scrapes = counters.counter('binnacle_prometheus_scrapes_total',
    'Scrapes, failed ones among them.', receiver);
  const failures = counters.counter('binnacle_prometheus_failed_scrapes_total',
    'Scrapes that failed as a whole.', receiver);
  const samples = counters.counter('binnacle_prometheus_samples_total',
    'Samples read from pages.', receiver);
  const skipped = counters.counter('binnacle_prometheus_skipped_scrapes_total',
    'Scrapes left out because the one before was still running.', receiver);
  const bad = (reason: string) => counters.counter('binnacle_prometheus_dropped_samples_total',
    'Samples that make no data point.', { ...receiver, reason });
  return {
    log: limited,
    scraped: (target, { failure, counts }) => {
      scrapes.add(1);
      samples.add(counts.scraped);
      if (counts.duplicates > 0) bad('duplicate').add(counts.duplicates);
      if (counts.invalid > 0) bad('invalid').add(counts.invalid);
      if (failure === '') return;
      failures.add(1);
      limited.warn(`${id}: cannot scrape ${target}: ${failure}`);
    },
    skipped: (target) => {
      skipped.add(1);
      limited.warn(`${id}: a scrape of ${target} is left out: the one before is still running`);
    },
    dropped: (points, reason, why) => {
      counters.counter('binnacle_prometheus_dropped_points_total',
        'Data points read but not delivered.', { ...receiver, reason }).add(points);
      limited.warn(`${id}: data points are dropped: ${reason}`, { points, cause: why });
    },
    unusable: (job, why) => {
      counters.counter('binnacle_prometheus_unusable_targets_total',
        'Targets that were found and cannot be asked.', receiver).add(1);
      limited.warn(`${id}: cannot scrape a target of ${job}: ${why}`);
    },
  };
}
