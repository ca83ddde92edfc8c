// `host_metrics`: the host's own numbers by OpenTelemetry names, every `collection_interval`.
//
// Each collection is one batch (several when there are very many processes): a resource without
// attributes for the host, with one scope `binnacle/agent/host_metrics/<scraper>` for each
// scraper, and one resource for each process. The processor resource_detection adds the name of
// the host. Collections never overlap: while one takes longer than the interval, ticks are
// skipped. Every number has the time at which it was read, also when it is delivered much later.

import { cpus, loadavg, release, uptime } from 'node:os';
import type {
  ComponentContext, Consumer, Receiver, ReceiverFactory,
} from '../../../proto/contract/component.ts';
import { rateLimited } from '../../../runtime/log.ts';
import { createOutbox } from '../readings/outbox.ts';
import { createTicker } from '../readings/ticker.ts';
import { createCollection } from './collection.ts';
import { hostMetricsSchema, type HostMetricsConfig } from './config.ts';
import { createHost } from './host.ts';
import { createOtherScrapers } from './other_platform.ts';
import { createLinuxScrapers, enabledMetrics, type ScraperSet } from './scrapers.ts';

export const hostMetricsReceiver: ReceiverFactory<HostMetricsConfig> = {
  kind: 'receiver',
  type: 'host_metrics',
  aliases: ['hostmetrics'],
  signals: ['metrics'],
  get schema() {
    return hostMetricsSchema();
  },
  create: createReceiver,
};

/** The same failure is written to the log at most this often. */
const WARNING_INTERVAL_MS = 300_000;
/** The longest wait before a batch that was not taken is handed on again. */
const RETRY_MS_MAX = 30_000;

function createReceiver(
  config: HostMetricsConfig,
  context: ComponentContext,
  next: Consumer,
): Receiver {
  const { world, id } = context;
  const interval = config.collection_interval;
  const meter = createMeter(context);
  const collect = createCollection({
    set: scrapersOf(config, context),
    metrics: enabledMetrics(config.scrapers),
    clock: world.clock,
    timeoutMs: config.timeout === 0 ? interval : config.timeout,
    trouble: meter.trouble,
    hidden: meter.hidden,
  });
  const outbox = createOutbox({
    next, world, retryMsMax: Math.min(RETRY_MS_MAX, interval), dropped: meter.dropped,
  });
  const run = async (): Promise<void> => {
    for (const batch of await collect()) {
      meter.collected(batch.itemCount);
      outbox.add(batch);
    }
  };
  context.log.debug(`host metrics are read every ${interval} ms`, { receiver: id });
  return createTicker({
    clock: world.clock,
    initialDelayMs: config.initial_delay,
    intervalMs: interval,
    run, outbox,
    skipped: meter.skipped,
  });
}

function scrapersOf(
  { scrapers, root_path }: HostMetricsConfig,
  context: ComponentContext,
): ScraperSet {
  if (process.platform === 'linux') {
    const host = createHost(context.world, { rootPath: root_path, release: release() });
    return createLinuxScrapers(host, scrapers);
  }
  return createOtherScrapers(scrapers, {
    clock: context.world.clock,
    platform: process.platform,
    cpus,
    loadavg,
    uptime,
    // Large, and of use only where there is no /proc.
    load: () => import('systeminformation'),
  });
}

interface Meter {
  collected(points: number): void;
  skipped(): void;
  dropped(points: number, reason: string, why: string): void;
  trouble(scraper: string, why: string, whole: boolean): void;
  hidden(why: string): void;
}

function createMeter({ id, counters, log, world }: ComponentContext): Meter {
  const limited = rateLimited(log, world.clock, WARNING_INTERVAL_MS);
  const receiver = { receiver: id };
  let hiddenTold = false;
  const points = counters.counter('binnacle_host_metrics_points_total',
    'Data points read from the host.', receiver);
  const skipped = counters.counter('binnacle_host_metrics_skipped_collections_total',
    'Collections left out because the one before was still running.', receiver);
  return {
    collected: (count) => points.add(count),
    skipped: () => {
      skipped.add(1);
      limited.warn(`${id}: a collection is left out: the one before is still running`);
    },
    dropped: (count, reason, why) => {
      counters.counter('binnacle_host_metrics_dropped_points_total',
        'Data points read but not delivered.', { ...receiver, reason }).add(count);
      limited.warn(`${id}: data points are dropped: ${reason}`, { points: count, cause: why });
    },
    trouble: (scraper, why, whole) => {
      counters.counter('binnacle_host_metrics_scraper_errors_total',
        'Times that a scraper could not read something.', { ...receiver, scraper }).add(1);
      const what = whole ? 'nothing' : 'not everything';
      limited.warn(`${id}: ${what} can be read by the scraper ${scraper}`, { cause: why });
    },
    hidden: (why) => {
      if (!hiddenTold) log.info(`${id}: ${why}`);
      hiddenTold = true;
    },
  };
}
