// `binnacle agent top`: what a running agent does, from two looks at its counters.

import { createClock } from '../../runtime/clock.ts';
import { stopRequest } from '../../runtime/lifecycle.ts';
import type { PartView } from '../../proto/contract/component.ts';
import type { Series } from '../../runtime/counters.ts';
import type { Status } from '../extensions/zpages/pages.ts';
import { ask } from './ask.ts';

export interface TopFlags {
  readonly url: string;
  readonly once: boolean;
  /** Seconds. */
  readonly interval: number;
}

/** Throws OperatorError when the agent cannot be asked. */
export async function top({ url, once, interval }: TopFlags): Promise<void> {
  const abort = new AbortController();
  void stopRequest().then(() => abort.abort());
  const clock = createClock();
  const look = async () => await (await ask(url, '/debug/status')).json() as Status;
  let before = await look();
  while (!abort.signal.aborted) {
    await clock.sleep(Math.max(1, interval) * 1000, abort.signal);
    if (abort.signal.aborted) return;
    const now = await look();
    const clear = process.stdout.isTTY && !once ? '\x1b[H\x1b[2J' : '';
    process.stdout.write(`${clear}${topText(before, now)}\n`);
    if (once) return;
    before = now;
  }
}

/** What happened between two looks. */
export function topText(before: Status, now: Status): string {
  const seconds = Math.max((now.atMs - before.atMs) / 1000, 0.001);
  const sum = ({ series }: Status, pattern: RegExp, labels: Record<string, string> = {}) =>
    sumOf(series, pattern, labels);
  const rate = (pattern: RegExp, labels: Record<string, string> = {}) =>
    Math.max(0, sum(now, pattern, labels) - sum(before, pattern, labels)) / seconds;
  const seriesOf = (name: string) => now.series.find((one) => one.name === name);
  const head = [
    `binnacle agent ${seriesOf('binnacle_agent_info')?.labels['version'] ?? ''}`,
    `up ${spanOf(sum(now, /^otelcol_process_uptime_seconds_total$/))}`,
    `CPU ${(100 * rate(/^otelcol_process_cpu_seconds_total$/)).toFixed(1)} %`,
    `RSS ${bytesOf(sum(now, /^otelcol_process_memory_rss$/))}`,
    `heap ${bytesOf(sum(now, /^otelcol_process_runtime_heap_alloc_bytes$/))}`,
    now.ready ? 'ready' : 'not ready',
  ].join('   ');
  const signals = new Map(now.view.pipelines.map(({ id, signal }) => [id, signal]));
  const rows = ORDER.flatMap((kind) => now.view.parts.filter((part) => part.kind === kind))
    .map((part) => {
      // What is counted by processor and signal is that of all its pipelines of the signal.
      const signal = signals.get(part.pipeline ?? '');
      const labels = { [part.kind]: part.id, ...(signal === undefined ? {}
        : { otel_signal: signal }) };
      return rowOf(part, labels, rate, (pattern, all) => sum(now, pattern, all));
    });
  const titles = ['component', 'in/s', 'out/s', 'refused/s', 'dropped/s', 'waiting', 'queue'];
  const problems = now.view.parts.filter(({ problem }) => problem !== undefined)
    .map(({ key, problem }) => `  ${new Date(problem!.atMs).toISOString().slice(11, 19)} ${key}: `
      + `${problem!.level}: ${problem!.message}`);
  return [head, '', ...columns([titles, ...rows]),
    ...(problems.length === 0 ? [] : ['', 'last warnings and errors', ...problems])].join('\n');
}

const ORDER = ['receiver', 'processor', 'connector', 'exporter'] as const;

type Sum = (pattern: RegExp, labels: Record<string, string>) => number;

const NONE = '';

function rowOf(
  { kind, id, pipeline, calls }: PartView,
  labels: Record<string, string>,
  rate: Sum,
  sum: Sum,
): string[] {
  const name = `${kind} ${id}${pipeline === undefined ? '' : ` @${pipeline}`}`;
  const number = (pattern: RegExp) => numberOf(rate(pattern, labels));
  const dropped = number(/_dropped_items_total$|_dropped_points_total$|_given_up_items_total$/);
  const waiting = String(calls);
  switch (kind) {
    case 'receiver':
      return [name, NONE, number(/^otelcol_receiver_accepted_/),
        number(/^otelcol_receiver_refused_/), dropped, NONE, NONE];
    case 'exporter': {
      const bytes = sum(/^binnacle_queue_bytes$/, labels);
      const most = sum(/^binnacle_queue_bytes_max$/, labels);
      const batches = sum(/^otelcol_exporter_queue_size$/, labels);
      const queue = most === 0 ? NONE
        : `${batches} batches, ${bytesOf(bytes)} of ${bytesOf(most)}`;
      const taken = number(/^binnacle_exporter_enqueued_/);
      return [name, most === 0 ? NONE : taken, number(/^otelcol_exporter_sent_/),
        number(/^otelcol_exporter_(send|enqueue)_failed_/), dropped, waiting, queue];
    }
    case 'connector':
      return [name, number(/^otelcol_connector_consumed_/), number(/^otelcol_connector_produced_/),
        NONE, dropped, waiting, NONE];
    default:
      return [name, number(/^otelcol_processor_incoming_/), number(/^otelcol_processor_outgoing_/),
        number(/^otelcol_processor_refused_/), dropped, waiting, NONE];
  }
}

function sumOf(series: readonly Series[], name: RegExp, labels: Record<string, string>): number {
  const wanted = Object.entries(labels);
  return series.filter((one) => name.test(one.name)
    && wanted.every(([key, value]) => one.labels[key] === value))
    .reduce((total, { value }) => total + value, 0);
}

const numberOf = (value: number): string =>
  (value === 0 ? '0' : value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en'));

function bytesOf(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}

function spanOf(seconds: number): string {
  const [days, hours, minutes] = [86_400, 3600, 60].map((unit) => Math.floor(seconds / unit));
  if (days! > 0) return `${days}d${hours! % 24}h`;
  if (hours! > 0) return `${hours}h${minutes! % 60}m`;
  return minutes! > 0 ? `${minutes}m${Math.floor(seconds % 60)}s` : `${Math.floor(seconds)}s`;
}

/** The first column to the left, numbers to the right. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  return rows.map((row) => row.map((cell, at) => (at === 0 || at === row.length - 1
    ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join('  ').trimEnd());
}
