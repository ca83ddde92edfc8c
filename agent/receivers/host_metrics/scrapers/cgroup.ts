// Control groups of version 2 (Documentation/admin-guide/cgroup-v2.rst): a resource for each, with
// the attribute `cgroup.path`, from the small files that the kernel keeps in its folder:
//
//     cpu.stat        usage_usec 123  user_usec 100  system_usec 23  nr_periods … throttled_usec …
//     memory.stat     anon 4096  file 8192 …                     (bytes, and numbers of events)
//     memory.max      max, or bytes          pids.max, memory.swap.max: likewise
//     cpu.max         max 100000, or 50000 100000      (µs of CPU time in each period, its µs)
//     io.stat         8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0
//
// A file is absent where its controller is not on, and in the root group many are: its metrics are
// left out then, as limits are that are not set. A group that goes while it is read is left out
// without a word. Which groups are looked at: cgroup_tree.ts.

import type { Attributes } from '../../../../proto/otlp/model.ts';
import { fields, namedNumbers, number, type Host } from '../host.ts';
import {
  NO_ATTRIBUTES, pair, text, type MetricDefinition, type Sample, type Scrape,
} from '../../readings/readings.ts';
import type { Scraper, Wanted } from '../scraper.ts';
import { findGroups, type GroupChoice } from './cgroup_tree.ts';
import { parsePressure } from './pressure.ts';

const counter = { kind: 'counter', value: 'int', enabled: true } as const;
const bytes = { unit: 'By', kind: 'level', value: 'int', enabled: true } as const;
const seconds = { unit: 's', kind: 'counter', value: 'double', enabled: true } as const;
const PRESSURES: Readonly<Record<string, string>> = {
  cpu: 'a CPU', memory: 'memory', io: 'disk or network storage',
};

export const cgroupMetrics: readonly MetricDefinition[] = [
  {
    ...seconds, name: 'cgroup.cpu.time',
    description: 'CPU time of all processes of the group in each state.',
  },
  {
    name: 'cgroup.cpu.limit', unit: '{cpu}', kind: 'gauge', value: 'double', enabled: true,
    description: 'CPUs that the group may use at a time.',
  },
  {
    ...counter, name: 'cgroup.cpu.periods', unit: '{period}',
    description: 'Periods in which the group had something to run, under a limit.',
  },
  {
    ...counter, name: 'cgroup.cpu.throttled.periods', unit: '{period}',
    description: 'Periods in which the group was stopped, since it had used up its limit.',
  },
  {
    ...seconds, name: 'cgroup.cpu.throttled.time',
    description: 'Time for which the group was stopped, since it had used up its limit.',
  },
  { ...bytes, name: 'cgroup.memory.usage', description: 'Memory of the group, caches included.' },
  { ...bytes, name: 'cgroup.memory.limit', description: 'Memory that the group may use.' },
  {
    ...bytes, name: 'cgroup.memory.peak', enabled: false,
    description: 'The most memory that the group has used.',
  },
  { ...bytes, name: 'cgroup.memory.stat', description: 'Memory of the group by its use.' },
  { ...bytes, name: 'cgroup.memory.swap.usage', description: 'Swap space that the group uses.' },
  {
    ...bytes, name: 'cgroup.memory.swap.limit', enabled: false,
    description: 'Swap space that the group may use.',
  },
  { ...counter, name: 'cgroup.memory.faults', unit: '{fault}', description: 'Page faults.' },
  {
    ...counter, name: 'cgroup.memory.events', unit: '{event}',
    description: 'How often the group met a border of its memory, and processes were killed.',
  },
  {
    ...counter, name: 'cgroup.disk.io', unit: 'By',
    description: 'Bytes read from and written to the device.',
  },
  {
    ...counter, name: 'cgroup.disk.operations', unit: '{operation}',
    description: 'Reads and writes that the device has finished.',
  },
  {
    ...bytes, name: 'cgroup.pids.count', unit: '{process}',
    description: 'Processes and threads of the group.',
  },
  {
    ...bytes, name: 'cgroup.pids.limit', unit: '{process}',
    description: 'Processes and threads that the group may have.',
  },
  ...Object.entries(PRESSURES).map(([subject, words]): MetricDefinition => ({
    ...seconds, name: `cgroup.${subject}.pressure.total`, enabled: false,
    description: `Time in which tasks of the group waited for ${words}.`,
  })),
];

/** Groups that are read before other work gets its turn. */
const GROUPS_AT_ONCE = 50;

export function createCgroupScraper(host: Host, wanted: Wanted, choice: GroupChoice): Scraper {
  const readers = FILES.filter(({ metrics }) => metrics.some(wanted));
  return {
    name: 'cgroup',
    scrape: async (): Promise<Scrape> => {
      const { root, paths, problems } = await findGroups(host, choice);
      const startNs = host.bootNs();
      const timeNs = host.nowNs();
      const readings = [];
      for (const [index, path] of paths.entries()) {
        const folder = `${root}${path === '/' ? '' : path}`;
        const samples = readers.flatMap(({ file, parse }) => {
          const content = host.readNowIfThere(`${folder}/${file}`);
          return content === null ? [] : parse(content);
        });
        const resource = [text('cgroup.path', path)];
        if (samples.length > 0) readings.push({ resource, startNs, timeNs, samples });
        if (index % GROUPS_AT_ONCE === GROUPS_AT_ONCE - 1) await new Promise(setImmediate);
      }
      return { readings, problems };
    },
  };
}

interface GroupFile {
  readonly file: string;
  readonly metrics: readonly string[];
  readonly parse: (content: string) => Sample[];
}

/** `max`, which is no limit, becomes no number. */
const single = (file: string, metric: string): GroupFile => ({
  file,
  metrics: [metric],
  parse: (content) => [
    { metric, value: number(content.trim()), attributes: NO_ATTRIBUTES },
  ],
});

const FILES: readonly GroupFile[] = [
  {
    file: 'cpu.stat',
    metrics: ['cgroup.cpu.time', 'cgroup.cpu.periods', 'cgroup.cpu.throttled.periods',
      'cgroup.cpu.throttled.time'],
    parse: cpuSamples,
  },
  { file: 'cpu.max', metrics: ['cgroup.cpu.limit'], parse: cpuLimit },
  single('memory.current', 'cgroup.memory.usage'),
  single('memory.max', 'cgroup.memory.limit'),
  single('memory.peak', 'cgroup.memory.peak'),
  single('memory.swap.current', 'cgroup.memory.swap.usage'),
  single('memory.swap.max', 'cgroup.memory.swap.limit'),
  {
    file: 'memory.stat',
    metrics: ['cgroup.memory.stat', 'cgroup.memory.faults'],
    parse: memorySamples,
  },
  { file: 'memory.events', metrics: ['cgroup.memory.events'], parse: eventSamples },
  {
    file: 'io.stat', metrics: ['cgroup.disk.io', 'cgroup.disk.operations'], parse: ioStatSamples,
  },
  single('pids.current', 'cgroup.pids.count'),
  single('pids.max', 'cgroup.pids.limit'),
  ...Object.keys(PRESSURES).map((subject): GroupFile => ({
    file: `${subject}.pressure`,
    metrics: [`cgroup.${subject}.pressure.total`],
    parse: (content) => parsePressure(content).map(({ attributes, totalSeconds: value }) =>
      ({ metric: `cgroup.${subject}.pressure.total`, value, attributes })),
  })),
];

const CPU_STATES = [[text('state', 'user')], [text('state', 'system')]] as const;
const FAULTS = [[text('type', 'major')], [text('type', 'minor')]] as const;

export function cpuSamples(stat: string): Sample[] {
  const numbers = namedNumbers(stat);
  const at = (name: string): number => numbers.get(name) ?? NaN;
  const one = (metric: string, value: number): Sample =>
    ({ metric, value, attributes: NO_ATTRIBUTES });
  return [
    ...pair('cgroup.cpu.time', CPU_STATES, [at('user_usec') / 1e6, at('system_usec') / 1e6]),
    one('cgroup.cpu.periods', at('nr_periods')),
    one('cgroup.cpu.throttled.periods', at('nr_throttled')),
    one('cgroup.cpu.throttled.time', at('throttled_usec') / 1e6),
  ];
}

function cpuLimit(max: string): Sample[] {
  const [quota, period] = fields(max).map(number);
  const value = (quota ?? NaN) / (period ?? NaN);
  return [{ metric: 'cgroup.cpu.limit', value, attributes: NO_ATTRIBUTES }];
}

/** Those of memory.stat that are bytes and do not only say in other words what others say. */
const MEMORY_TYPES = [
  'anon', 'file', 'kernel', 'kernel_stack', 'pagetables', 'percpu', 'sock', 'vmalloc', 'shmem',
  'file_mapped', 'file_dirty', 'file_writeback', 'inactive_anon', 'active_anon', 'inactive_file',
  'active_file', 'unevictable', 'slab_reclaimable', 'slab_unreclaimable',
].map((name) => [name, [text('type', name)]] as const);

export function memorySamples(stat: string): Sample[] {
  const numbers = namedNumbers(stat);
  const faults = numbers.get('pgfault') ?? NaN;
  const major = numbers.get('pgmajfault') ?? NaN;
  return [
    ...MEMORY_TYPES.map(([name, attributes]): Sample => ({
      metric: 'cgroup.memory.stat', value: numbers.get(name) ?? NaN, attributes,
    })),
    ...pair('cgroup.memory.faults', FAULTS, [major, faults - major]),
  ];
}

function eventSamples(events: string): Sample[] {
  return [...namedNumbers(events)].map(([event, value]) =>
    ({ metric: 'cgroup.memory.events', value, attributes: [text('event', event)] }));
}

/** Devices are `major:minor`, as the kernel has them. */
export function ioStatSamples(stat: string): Sample[] {
  return stat.split('\n').flatMap((line) => {
    const [device, ...pairs] = fields(line);
    if (device === undefined || !/^\d+:\d+$/.test(device)) return [];
    const numbers = new Map(pairs.map((one) => one.split('=', 2) as [string, string]));
    const at = (name: string): number => number(numbers.get(name));
    const own = text('device', device);
    const both: [Attributes, Attributes] =
      [[own, text('direction', 'read')], [own, text('direction', 'write')]];
    return [
      ...pair('cgroup.disk.io', both, [at('rbytes'), at('wbytes')]),
      ...pair('cgroup.disk.operations', both, [at('rios'), at('wios')]),
    ];
  });
}
