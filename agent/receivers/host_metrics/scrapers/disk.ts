// Block devices from /proc/diskstats (Documentation/admin-guide/iostats.rst). After major, minor
// and name come
//
//     reads  merged  sectors  ms   writes  merged  sectors  ms   in flight  ms busy  ms weighted
//
// Newer kernels append discards and flushes, which have no metric. A sector is 512 bytes, whatever
// the device. Devices and partitions that never did anything are left out, as in the Collector.

import type { Attributes } from '../../../../proto/otlp/model.ts';
import type { Accepts } from '../filter.ts';
import { fields, number, type Host } from '../host.ts';
import { pair, text, type MetricDefinition, type Sample } from '../../readings/readings.ts';
import { hostScraper, type Scraper } from '../scraper.ts';

const int = { value: 'int', enabled: true } as const;
const seconds = { unit: 's', kind: 'counter', value: 'double', enabled: true } as const;

export const diskMetrics: readonly MetricDefinition[] = [
  {
    ...int, name: 'system.disk.io', unit: 'By', kind: 'counter',
    description: 'Bytes read from and written to the device.',
  },
  {
    ...int, name: 'system.disk.operations', unit: '{operations}', kind: 'counter',
    description: 'Reads and writes that the device has finished.',
  },
  {
    ...seconds, name: 'system.disk.io_time',
    description: 'Time in which the device had something to do.',
  },
  {
    ...seconds, name: 'system.disk.operation_time',
    description: 'Time that all reads and writes took together.',
  },
  {
    ...seconds, name: 'system.disk.weighted_io_time',
    description: 'Time in which the device was busy, times the operations that waited.',
  },
  {
    ...int, name: 'system.disk.pending_operations', unit: '{operations}', kind: 'level',
    description: 'Operations that the device works on or has in its queue.',
  },
  {
    ...int, name: 'system.disk.merged', unit: '{operations}', kind: 'counter',
    description: 'Reads and writes that were merged with a neighbour before the device saw them.',
  },
];

const SECTOR_BYTES = 512;
/** Numbers after the name in the oldest form still understood (2.6). */
const NUMBERS = 11;

export function createDiskScraper(host: Host, accepts: Accepts): Scraper {
  return hostScraper('disk', host, async () =>
    diskSamples(host.readNow('/proc/diskstats'), accepts));
}

export function diskSamples(diskstats: string, accepts: Accepts): Sample[] {
  return diskstats.split('\n').flatMap((line) => {
    const [, , device, ...rest] = fields(line);
    const numbers = rest.slice(0, NUMBERS).map(number);
    if (device === undefined || numbers.length < NUMBERS) return [];
    if (!numbers.every(Number.isFinite) || numbers.every((one) => one === 0)) return [];
    return accepts(device) ? deviceSamples(device, numbers) : [];
  });
}

function deviceSamples(device: string, numbers: readonly number[]): Sample[] {
  const [reads, readsMerged, readSectors, readMs, writes, writesMerged, writeSectors, writeMs,
    pending, busyMs, weightedMs] = numbers as readonly [
    number, number, number, number, number, number, number, number, number, number, number];
  const own = [text('device', device)];
  const both: [Attributes, Attributes] =
    [[...own, text('direction', 'read')], [...own, text('direction', 'write')]];
  const bytes = [readSectors * SECTOR_BYTES, writeSectors * SECTOR_BYTES] as const;
  return [
    ...pair('system.disk.io', both, bytes),
    ...pair('system.disk.operations', both, [reads, writes]),
    ...pair('system.disk.operation_time', both, [readMs / 1000, writeMs / 1000]),
    ...pair('system.disk.merged', both, [readsMerged, writesMerged]),
    { metric: 'system.disk.io_time', value: busyMs / 1000, attributes: own },
    { metric: 'system.disk.weighted_io_time', value: weightedMs / 1000, attributes: own },
    { metric: 'system.disk.pending_operations', value: pending, attributes: own },
  ];
}
