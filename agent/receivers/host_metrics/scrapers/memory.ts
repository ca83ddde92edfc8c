// Memory from /proc/meminfo (proc_meminfo(5)), whose lines are `Name:   1234 kB`.
//
// The states are the Collector's on Linux (memoryscraper/memory_scraper_linux.go, with the feature
// gate UseLinuxMemAvailable that is on since it became beta) over gopsutil (mem/mem_linux.go):
//
//     used               MemTotal - MemAvailable, which is also what `free` prints
//     free, buffered     MemFree, Buffers
//     cached             Cached + SReclaimable
//     slab_reclaimable, slab_unreclaimable     SReclaimable, SUnreclaim
//
// They overlap, so they do not add up to the total. Kernels before 3.14 have no MemAvailable:
// MemFree + cached stands in for it.

import { namedNumbers, type Host } from '../host.ts';
import {
  NO_ATTRIBUTES, text, type MetricDefinition, type Sample,
} from '../../readings/readings.ts';
import { hostScraper, type Scraper, type Wanted } from '../scraper.ts';

const HUGEPAGES = 'system.memory.linux.hugepages';
const pages = { unit: '{page}', kind: 'level', value: 'int', enabled: false } as const;

const HUGEPAGE_METRICS: readonly MetricDefinition[] = [
  { ...pages, name: `${HUGEPAGES}.limit`, description: 'Number of huge pages.' },
  { ...pages, name: `${HUGEPAGES}.page_size`, unit: 'By', description: 'Size of a huge page.' },
  { ...pages, name: `${HUGEPAGES}.reserved`, description: 'Huge pages promised, not yet used.' },
  { ...pages, name: `${HUGEPAGES}.surplus`, description: 'Huge pages beyond the number set.' },
  { ...pages, name: `${HUGEPAGES}.usage`, description: 'Huge pages in each state.' },
  {
    name: `${HUGEPAGES}.utilization`, unit: '1', kind: 'gauge', value: 'double', enabled: false,
    description: 'Share of the huge pages that is in each state.',
  },
];

export const memoryMetrics: readonly MetricDefinition[] = [
  {
    name: 'system.memory.usage', unit: 'By', kind: 'level', value: 'int', enabled: true,
    description: 'Memory in each state.',
  },
  {
    name: 'system.memory.utilization', unit: '1', kind: 'gauge', value: 'double', enabled: false,
    description: 'Share of the memory that is in each state.',
  },
  {
    name: 'system.memory.limit', unit: 'By', kind: 'level', value: 'int', enabled: false,
    description: 'Memory that the host has.',
  },
  {
    name: 'system.memory.page_size', unit: 'By', kind: 'gauge', value: 'int', enabled: false,
    description: 'Size of a page of memory.',
  },
  {
    name: 'system.linux.memory.available', unit: 'By', kind: 'level', value: 'int', enabled: false,
    description: 'Memory that new programs can have without swapping, as the kernel estimates it.',
  },
  {
    name: 'system.linux.memory.dirty', unit: 'By', kind: 'level', value: 'int', enabled: false,
    description: 'Memory that waits to be written to disk.',
  },
  {
    name: 'system.memory.linux.shared', unit: 'By', kind: 'level', value: 'int', enabled: false,
    description: 'Memory that processes share, most of it in tmpfs.',
  },
  ...HUGEPAGE_METRICS,
];

export function createMemoryScraper(host: Host, wanted: Wanted): Scraper {
  return hostScraper('memory', host, async () => {
    const samples = memorySamples(host.readNow('/proc/meminfo'), wanted);
    if (wanted('system.memory.page_size')) {
      const value = await host.pageBytes();
      samples.push({ metric: 'system.memory.page_size', value, attributes: NO_ATTRIBUTES });
    }
    return samples;
  });
}

const everything: Wanted = () => true;

export function memorySamples(meminfo: string, wanted = everything): Sample[] {
  const kilobytes = namedNumbers(meminfo);
  const bytes = (name: string): number => (kilobytes.get(name) ?? NaN) * 1024;
  const total = bytes('MemTotal');
  if (!(total > 0)) throw new Error('cannot read the memory: /proc/meminfo has no MemTotal');
  const reclaimable = bytes('SReclaimable');
  const cached = bytes('Cached') + (Number.isNaN(reclaimable) ? 0 : reclaimable);
  const available = kilobytes.has('MemAvailable')
    ? bytes('MemAvailable')
    : bytes('MemFree') + cached;
  const states: Record<string, number> = {
    used: total - available,
    free: bytes('MemFree'),
    buffered: bytes('Buffers'),
    cached,
    slab_reclaimable: reclaimable,
    slab_unreclaimable: bytes('SUnreclaim'),
  };
  const samples = Object.entries(states).flatMap(([state, value]): Sample[] => {
    const attributes = [text('state', state)];
    return [
      { metric: 'system.memory.usage', value, attributes },
      { metric: 'system.memory.utilization', value: value / total, attributes },
    ];
  });
  const single = (metric: string, value: number): Sample =>
    ({ metric, value, attributes: NO_ATTRIBUTES });
  return [
    ...samples,
    single('system.memory.limit', total),
    single('system.linux.memory.available', available),
    single('system.linux.memory.dirty', bytes('Dirty')),
    single('system.memory.linux.shared', bytes('Shmem')),
    ...(HUGEPAGE_METRICS.some(({ name }) => wanted(name)) ? hugepageSamples(kilobytes) : []),
  ];
}

function hugepageSamples(numbers: ReadonlyMap<string, number>): Sample[] {
  const at = (name: string): number => numbers.get(name) ?? NaN;
  const prefix = HUGEPAGES;
  const [total, free] = [at('HugePages_Total'), at('HugePages_Free')];
  const states = { used: total - free, free };
  const single = (name: string, value: number): Sample =>
    ({ metric: `${prefix}.${name}`, value, attributes: NO_ATTRIBUTES });
  return [
    single('limit', total),
    single('page_size', at('Hugepagesize') * 1024),
    single('reserved', at('HugePages_Rsvd')),
    single('surplus', at('HugePages_Surp')),
    ...Object.entries(states).flatMap(([state, value]): Sample[] => {
      const attributes = [text(`${prefix}.state`, state)];
      return [
        { metric: `${prefix}.usage`, value, attributes },
        { metric: `${prefix}.utilization`, value: total === 0 ? 0 : value / total, attributes },
      ];
    }),
  ];
}
