// `prometheus`: reads the pages that programs show to Prometheus, on the schedule and with the
// rules of Prometheus's own `scrape_configs`, and hands them on as OTLP metrics.
//
// Each scrape is one batch, delivered in order for each target. What the next part does not take
// is kept for a while in memory (see outbox.ts), then dropped, oldest first, and counted.

import { setMaxListeners } from 'node:events';
import type {
  ComponentContext, Consumer, Receiver, ReceiverFactory,
} from '../../../proto/contract/component.ts';
import type { Room } from '../readings/outbox.ts';
import { createPageClient, type PageClient } from './client.ts';
import { prometheusSchema, type PrometheusConfig, type ScrapeConfig } from './config.ts';
import { createSources, type Source } from './discovery.ts';
import { createJob } from './job.ts';
import { createMeter, type Meter } from './meter.ts';
import { createPool, type Pool } from './pool.ts';
import type { FoundTargets } from './targets.ts';

export const prometheusReceiver: ReceiverFactory<PrometheusConfig> = {
  kind: 'receiver',
  type: 'prometheus',
  signals: ['metrics'],
  get schema() {
    return prometheusSchema();
  },
  create: createReceiver,
};

export const limits = {
  /** Bytes of batches that wait, of all targets. Beyond it each drops its oldest. */
  waitingBytes: 64 * 1024 * 1024,
} as const;

function createReceiver(
  config: PrometheusConfig,
  context: ComponentContext,
  next: Consumer,
): Receiver {
  const meter = createMeter(context);
  const room: Room = { bytesMax: limits.waitingBytes, bytes: 0 };
  const dead = new AbortController();
  setMaxListeners(0, dead.signal); // Each target waits on it.
  const jobs = config.config.scrape_configs.map((one, index) => {
    const setting = `receivers.${context.id}.config.scrape_configs[${index}]`;
    const shared = { config, context, next, meter, room, dead: dead.signal };
    return createRunningJob(one, { ...shared, setting });
  });
  const { counters, id } = context;
  const sum = (read: (job: RunningJob) => number) => () =>
    jobs.reduce((all, job) => all + read(job), 0);
  counters.gauge('binnacle_prometheus_targets', 'Targets that are scraped.',
    sum(({ targets }) => targets()), { receiver: id });
  counters.gauge('binnacle_prometheus_series', 'Series that are known.',
    sum(({ series }) => series()), { receiver: id });
  return {
    start: async () => {
      for (const job of jobs) await job.start();
    },
    stop: async (deadline) => {
      const give = () => dead.abort();
      deadline.addEventListener('abort', give, { once: true });
      if (deadline.aborted) give();
      await Promise.all(jobs.map((job) => job.stop()));
      deadline.removeEventListener('abort', give);
    },
  };
}

interface JobContext {
  readonly config: PrometheusConfig;
  readonly context: ComponentContext;
  readonly next: Consumer;
  readonly meter: Meter;
  readonly room: Room;
  readonly setting: string;
  readonly dead: AbortSignal;
}

interface RunningJob {
  start(): Promise<void>;
  stop(): Promise<void>;
  targets(): number;
  series(): number;
}

function createRunningJob(
  scrapeConfig: ScrapeConfig,
  { config, context: { world }, next, meter, room, setting, dead }: JobContext,
): RunningJob {
  const job = createJob(scrapeConfig, config);
  const client: PageClient = createPageClient(scrapeConfig, world, setting);
  const pool: Pool = createPool(job, { next, world, client, meter, room, dead });
  const sources: Source[] = createSources(scrapeConfig, { world, log: meter.log, setting });
  const found = new Map<Source, readonly FoundTargets[]>();
  let stopped = false;
  return {
    start: async () => {
      await client.start();
      for (const source of sources) {
        await source.start((groups) => {
          if (stopped) return;
          found.set(source, groups);
          pool.update([...found.values()].flat());
        });
      }
    },
    stop: async () => {
      if (stopped) return;
      stopped = true;
      await Promise.all(sources.map((source) => source.stop()));
      await pool.stop();
      await client.close();
    },
    targets: () => pool.targets(),
    series: () => pool.series(),
  };
}
