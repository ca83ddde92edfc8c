// What the tests of host metrics share: samples and batches as a map from a readable key
// (`system.cpu.time cpu=cpu0 state=user`) to the number, and a host whose files are given as text.

import type { Batch } from '../../../../proto/contract/batch.ts';
import type { Attributes, Metric, NumberDataPoint } from '../../../../proto/otlp/model.ts';
import { createHost, type Host } from '../../../../agent/receivers/host_metrics/host.ts';
import type { Sample } from '../../../../agent/receivers/readings/readings.ts';
import { createWorld } from '../../../../runtime/world.ts';
import { createManualClock } from '../../../contract/fakes.ts';

export function keyOf(metric: string, attributes: Attributes): string {
  return [metric, ...attributes.map(({ key, value }) => `${key}=${String(value.value)}`)].join(' ');
}

/** Samples that have a number; two of the same key would be a series that says two things. */
export function valuesOf(samples: readonly Sample[]): Record<string, number> {
  const values: Record<string, number> = {};
  for (const { metric, attributes, value } of samples) {
    const key = keyOf(metric, attributes);
    if (key in values) throw new Error(`${key} is there twice`);
    if (Number.isFinite(value)) values[key] = value;
  }
  return values;
}

/** Of the samples only those of one metric, without its name in the key. */
export function valuesOfMetric(samples: readonly Sample[], metric: string): Record<string, number> {
  return Object.fromEntries(Object.entries(valuesOf(samples))
    .filter(([key]) => key === metric || key.startsWith(`${metric} `))
    .map(([key, value]) => [key.slice(metric.length + 1), value]));
}

export interface SentPoint {
  readonly metric: Metric;
  readonly point: NumberDataPoint;
  readonly resource: Attributes;
  readonly scope: string;
  readonly value: number;
}

/** All points of a batch by key; those of a process begin with `<pid> `. */
export function pointsOf(batch: Batch): Map<string, SentPoint> {
  if (!batch.is('metrics')) throw new Error('not metrics');
  const points = new Map<string, SentPoint>();
  for (const { resource, scopeMetrics } of batch.request.resourceMetrics) {
    const attributes = resource?.attributes ?? [];
    const pid = attributes.find(({ key }) => key === 'process.pid')?.value.value;
    for (const { scope, metrics } of scopeMetrics) {
      for (const metric of metrics) {
        if (metric.data?.type !== 'sum' && metric.data?.type !== 'gauge') continue;
        for (const point of metric.data.dataPoints) {
          const key = keyOf(metric.name, point.attributes);
          points.set(pid === undefined ? key : `${pid} ${key}`, {
            metric, point, resource: attributes, scope: scope?.name ?? '',
            value: Number(point.value?.value),
          });
        }
      }
    }
  }
  return points;
}

export interface FakeHost {
  readonly host: Host;
  /** Text by path; links too. A path that is not there does not exist; an Error is thrown. */
  readonly files: Record<string, string | Error>;
}

/** A host that consists of these files and of nothing else. Its clock stands still. */
export function fakeHost(given: Record<string, string | Error>, release = '6.1.0'): FakeHost {
  const files: Record<string, string | Error> = { '/proc/stat': 'btime 1700000000\n', ...given };
  const read = (path: string): string | null => {
    const content = files[path] ?? null;
    if (content instanceof Error) throw content;
    return content;
  };
  const real = createWorld();
  const world = {
    ...real,
    clock: createManualClock(),
    files: {
      ...real.files,
      readText: async (path: string) => read(path),
      readKernelText: read,
      readLink: async (path: string) => read(path),
      realPath: async (path: string) => read(path),
      list: async (folder: string) => {
        const names = Object.keys(files).filter((path) => path.startsWith(`${folder}/`))
          .map((path) => path.slice(folder.length + 1).split('/')[0]!);
        const entries = [...new Set(names)].map((name) => ({ name, kind: 'folder' as const }));
        return entries.length === 0 ? null : entries;
      },
    },
  };
  return { host: createHost(world, { rootPath: '', release }), files };
}

export function denied(): Error {
  return Object.assign(new Error('EACCES'), { code: 'EACCES' });
}

/** The failure of a machine that is broken. */
export function broken(): Error {
  return Object.assign(new Error('EIO'), { code: 'EIO' });
}

/** /proc/<pid>/stat; `fields` are numbered as in proc_pid_stat(5), what is not given is 0. */
export function statLine(
  pid: number,
  name: string,
  fields: Record<number, string | number>,
): string {
  const rest = Array.from({ length: 50 }, (_, index) => fields[index + 3] ?? 0);
  rest[0] = fields[3] ?? 'S';
  return `${pid} (${name}) ${rest.join(' ')}\n`;
}
