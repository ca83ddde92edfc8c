// One scrape: asks a target for its page, reads it into the table of its series, and gives what
// that makes as a batch. Whatever goes wrong with a target is part of the result: `up` is 0, and
// the series that it had end.
//
// A large page is read in pieces, so that nothing else waits for it.

import { Batch } from '../../../proto/contract/batch.ts';
import { PageError } from '../../../proto/prometheus/series.ts';
import { PageReader } from '../../../proto/prometheus/text.ts';
import type { World } from '../../../runtime/world.ts';
import type { PageAnswer, PageClient } from './client.ts';
import { formatOf, pageText, type Job } from './job.ts';
import { SeriesTable, type PageCounts, type Report } from './series_table.ts';
import type { Target } from './targets.ts';

export const limits = {
  /** Lines that are read in one go. */
  linesEach: 4000,
} as const;

export interface Scraped {
  readonly batch: Batch<'metrics'>;
  /** '' when all went well. */
  readonly failure: string;
  readonly counts: PageCounts;
}

export interface Scraper {
  /** Null when it was aborted. Never throws; calls must not overlap. */
  scrape(abort: AbortSignal): Promise<Scraped | null>;
  /** What says that all series have ended; null when there are none. */
  end(): Batch<'metrics'> | null;
  /** Series that are known. */
  series(): number;
}

export function createScraper(
  target: Target,
  job: Job,
  { client, world }: { readonly client: PageClient; readonly world: World },
): Scraper {
  const table = new SeriesTable({
    ...job.table, labels: target.labels, scheme: target.url.protocol.slice(0, -1),
  });
  const { clock } = world;
  return {
    scrape: async (abort) => {
      const startMs = clock.nowMs();
      const began = clock.monotonicMs();
      const { url, timeoutMs } = target;
      const answer = await client.get(
        { url, headers: job.headers, timeoutMs, bytesMax: job.bytesMax }, abort);
      table.begin(startMs);
      const failure = abort.aborted ? '' : await read(answer, { table, job, world, abort });
      if (abort.aborted) return null;
      const seconds = (clock.monotonicMs() - began) / 1000;
      const { counts } = table;
      const bytes = answer.ok ? answer.body.length : 0;
      const reports = reportsOf(failure === '', { counts, seconds, bytes, target, job });
      const resourceMetrics = table.finish(failure === '', reports);
      return { batch: batchOf(resourceMetrics), failure, counts };
    },
    end: () => {
      table.begin(clock.nowMs());
      const resourceMetrics = table.finish(false, new Map());
      return resourceMetrics.length === 0 ? null : batchOf(resourceMetrics);
    },
    series: () => table.size,
  };
}

const batchOf = (resourceMetrics: ReturnType<SeriesTable['finish']>): Batch<'metrics'> =>
  Batch.fromRequest('metrics', { resourceMetrics });

interface Reading {
  readonly table: SeriesTable;
  readonly job: Job;
  readonly world: World;
  readonly abort: AbortSignal;
}

/** What went wrong, or ''. */
async function read(answer: PageAnswer, { table, job, world, abort }: Reading): Promise<string> {
  if (!answer.ok) return answer.why;
  const format = formatOf(answer.contentType, job.fallback);
  if (format === null) return 'the page is not in a text format';
  const page = pageText(answer.body);
  if (page === null) return 'the page is not UTF-8';
  const reader = new PageReader(page, format);
  const { sampleLimit } = job.table;
  try {
    for (let line = 1; ; line += 1) {
      const entry = reader.next();
      if (entry === 'end') return '';
      table.line(reader, entry);
      if (sampleLimit > 0 && table.counts.kept > sampleLimit) {
        return `more than ${sampleLimit} samples`;
      }
      if (line % limits.linesEach === 0) await world.clock.sleep(0, abort);
      if (abort.aborted) return '';
    }
  } catch (error) {
    if (error instanceof PageError) return error.message;
    throw error;
  }
}

interface Facts {
  readonly counts: PageCounts;
  readonly seconds: number;
  readonly bytes: number;
  readonly target: Target;
  readonly job: Job;
}

function reportsOf(
  ok: boolean,
  { counts, seconds, bytes, target, job }: Facts,
): Map<Report, number> {
  const reports = new Map<Report, number>([
    ['up', ok ? 1 : 0],
    ['scrape_duration_seconds', seconds],
    ['scrape_samples_scraped', counts.scraped],
    ['scrape_samples_post_metric_relabeling', counts.kept],
    ['scrape_series_added', counts.added],
  ]);
  if (!job.extra) return reports;
  return reports.set('scrape_timeout_seconds', target.timeoutMs / 1000)
    .set('scrape_sample_limit', job.table.sampleLimit)
    .set('scrape_body_size_bytes', bytes);
}
