// Swap from /proc/swaps, paging from /proc/vmstat (proc_swaps(5), proc_vmstat(5)).
//
//     Filename      Type        Size      Used      Priority        (sizes in KiB)
//     /dev/sda2     partition   2097148   512       -2
//
// Operations are what the kernel counts: `major` are pages swapped in and out (pswpin, pswpout),
// `minor` are KiB paged in and out of files (pgpgin, pgpgout). Major faults had to wait for the
// disk, minor are all others. The Collector takes the same fields, but shows each 4096 times too
// large (it takes gopsutil's byte counts for counts); these here agree with `vmstat -s`.

import { fields, namedNumbers, number, type Host } from '../host.ts';
import { pair, text, type MetricDefinition, type Sample } from '../../readings/readings.ts';
import { hostScraper, type Scraper } from '../scraper.ts';

export const pagingMetrics: readonly MetricDefinition[] = [
  {
    name: 'system.paging.usage', unit: 'By', kind: 'level', value: 'int', enabled: true,
    description: 'Swap space in each state.',
  },
  {
    name: 'system.paging.utilization', unit: '1', kind: 'gauge', value: 'double', enabled: false,
    description: 'Share of the swap space that is in each state.',
  },
  {
    name: 'system.paging.operations', unit: '{operations}', kind: 'counter', value: 'int',
    enabled: true, description: 'Paging in and out, from and to swap (major) and files (minor).',
  },
  {
    name: 'system.paging.faults', unit: '{faults}', kind: 'counter', value: 'int', enabled: true,
    description: 'Page faults.',
  },
];

export function createPagingScraper(host: Host): Scraper {
  return hostScraper('paging', host, async () => [
    ...swapSamples(host.readNowIfThere('/proc/swaps') ?? ''),
    ...pagingSamples(host.readNow('/proc/vmstat')),
  ]);
}

export function swapSamples(swaps: string): Sample[] {
  return swaps.split('\n').slice(1).flatMap((line) => {
    const [device, , size, used] = fields(line);
    const [total, taken] = [number(size) * 1024, number(used) * 1024];
    if (device === undefined || !Number.isFinite(total + taken)) return [];
    return swapDeviceSamples([text('device', device)], taken, total);
  });
}

/** `device` is empty where the platform tells only the sum. */
export function swapDeviceSamples(
  device: Sample['attributes'],
  usedBytes: number,
  totalBytes: number,
): Sample[] {
  const both = [[...device, text('state', 'used')], [...device, text('state', 'free')]] as const;
  const freeBytes = totalBytes - usedBytes;
  const share = totalBytes === 0 ? 0 : usedBytes / totalBytes;
  return [
    ...pair('system.paging.usage', both, [usedBytes, freeBytes]),
    ...pair('system.paging.utilization', both, [share, totalBytes === 0 ? 0 : 1 - share]),
  ];
}

export function pagingSamples(vmstat: string): Sample[] {
  const numbers = namedNumbers(vmstat);
  const at = (name: string): number => numbers.get(name) ?? NaN;
  const faults = at('pgfault');
  const major = at('pgmajfault');
  return [
    ...pair('system.paging.operations', OPERATIONS.major, [at('pswpin'), at('pswpout')]),
    ...pair('system.paging.operations', OPERATIONS.minor, [at('pgpgin'), at('pgpgout')]),
    ...pair('system.paging.faults', FAULTS, [major, faults - major]),
  ];
}

const operations = (type: string) => [
  [text('direction', 'page_in'), text('type', type)],
  [text('direction', 'page_out'), text('type', type)],
] as const;
const OPERATIONS = { major: operations('major'), minor: operations('minor') };
const FAULTS = [[text('type', 'major')], [text('type', 'minor')]] as const;
