// Hosts without /proc (macOS, Windows, the BSDs): what Node.js and `systeminformation` can tell of
// them, under the same names. There is less of it: no CPU states but those that Node.js knows, disk
// traffic only as a sum over all devices (so without `device`), no time per process, no pressure.
// A scraper that has nothing to tell on the platform says so once per warning interval.

import type { CpuInfo } from 'node:os';
import type { Systeminformation } from 'systeminformation';
import type { KeyValue } from '../../../proto/otlp/model.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { nameFilter, type ScraperName, type ScrapersConfig } from './config.ts';
import { createFilter } from './filter.ts';
import {
  int, NO_ATTRIBUTES, pair, text, type Reading, type Sample, type Scrape,
} from '../readings/readings.ts';
import type { Scraper } from './scraper.ts';
import { enabledAttributes, namesOf, type ScraperSet } from './scrapers.ts';
import { filesystemSamples } from './scrapers/filesystem.ts';
import { connectionAttributes, directions } from './scrapers/network.ts';
import { swapDeviceSamples } from './scrapers/paging.ts';
import { PROCESSES_MAX } from './scrapers/process.ts';
import { countSamples } from './scrapers/processes.ts';

type Library = Pick<typeof import('systeminformation'),
  'mem' | 'fsSize' | 'fsStats' | 'disksIO' | 'networkStats' | 'networkConnections' | 'processes'>;

/** The machine, as far as these scrapers look at it; node:os and the library in real life. */
export interface OtherHost {
  readonly clock: Clock;
  readonly platform: NodeJS.Platform;
  cpus(): CpuInfo[];
  loadavg(): number[];
  /** Seconds. */
  uptime(): number;
  load(): Promise<Library>;
}

type Read = (library: Library, host: OtherHost, config: ScrapersConfig) => Promise<Sample[]>;

export function createOtherScrapers(config: ScrapersConfig, host: OtherHost): ScraperSet {
  const bootNs = host.clock.nowNs() - BigInt(Math.round(host.uptime() * 1e9));
  const scrapers = namesOf(config).map((name): Scraper => ({
    name,
    scrape: async (): Promise<Scrape> => {
      const library = await host.load();
      const timeNs = host.clock.nowNs();
      if (name === 'process') {
        return { readings: await readProcesses(library, config.process!, timeNs), problems: [] };
      }
      const samples = await READERS[name](library, host, config);
      const reading: Reading = { resource: NO_ATTRIBUTES, startNs: bootNs, timeNs, samples };
      return { readings: [reading], problems: [] };
    },
  }));
  return { scrapers, renew: () => {} };
}

const single = (metric: string, value: number): Sample =>
  ({ metric, value, attributes: NO_ATTRIBUTES });

const READERS: Record<Exclude<ScraperName, 'process'>, Read> = {
  cpu: async (_, host) => cpuSamples(host.cpus()),
  memory: async (library) => memorySamples(await library.mem()),
  load: async (_, host, { load }) => {
    if (host.platform === 'win32') throw new Error('Windows has no load average');
    const divisor = load?.cpu_average ? host.cpus().length : 1;
    return host.loadavg().map((value, index) =>
      single(`system.cpu.load_average.${['1m', '5m', '15m'][index]!}`, value / divisor));
  },
  disk: async (library) => diskSamples(await library.fsStats(), await library.disksIO()),
  filesystem: async (library, _, config) => mountSamples(await library.fsSize(), config),
  network: async (library, _, { network }) => {
    const accepts = createFilter(
      nameFilter('interfaces', network?.include), nameFilter('interfaces', network?.exclude));
    const interfaces = (await library.networkStats('*')).filter(({ iface }) => accepts(iface));
    return [
      ...interfaces.flatMap(interfaceSamples),
      ...connectionSamples(await library.networkConnections()),
    ];
  },
  paging: async (library) => {
    const { swapused, swaptotal } = await library.mem();
    return swapDeviceSamples(NO_ATTRIBUTES, swapused, swaptotal);
  },
  processes: async (library) => {
    const { running, blocked, sleeping, unknown } = await library.processes();
    return countSamples(new Map(Object.entries({ running, blocked, sleeping, unknown })));
  },
  system: async (_, host) => [single('system.uptime', host.uptime())],
  pressure: async () => {
    throw new Error('only Linux tells its pressure');
  },
  cgroup: async () => {
    throw new Error('only Linux has control groups');
  },
  hardware: async () => {
    throw new Error('only the sensors of Linux can be read');
  },
};

/** Node.js counts milliseconds. */
export function cpuSamples(cpus: readonly CpuInfo[]): Sample[] {
  const samples = cpus.flatMap(({ times }, index) => Object.entries({
    user: times.user, system: times.sys, idle: times.idle, nice: times.nice, interrupt: times.irq,
  }).map(([state, ms]): Sample => ({
    metric: 'system.cpu.time',
    value: ms / 1000,
    attributes: [text('cpu', `cpu${index}`), text('state', state)],
  })));
  return [...samples, single('system.cpu.logical.count', cpus.length)];
}

function memorySamples({ total, free, available }: Systeminformation.MemData): Sample[] {
  const states = { used: total - available, free };
  return [
    ...Object.entries(states).flatMap(([state, value]): Sample[] => {
      const attributes = [text('state', state)];
      return [
        { metric: 'system.memory.usage', value, attributes },
        { metric: 'system.memory.utilization', value: value / total, attributes },
      ];
    }),
    single('system.memory.limit', total),
  ];
}

const DIRECTIONS = [[text('direction', 'read')], [text('direction', 'write')]] as const;

/** The library has null for what the platform does not tell, whatever its types say. */
function diskSamples(
  bytes: Systeminformation.FsStatsData | null,
  operations: Systeminformation.DisksIoData | null,
): Sample[] {
  if (bytes === null && operations === null) throw new Error('this platform hides disk traffic');
  return [
    ...pair('system.disk.io', DIRECTIONS, [bytes?.rx ?? NaN, bytes?.wx ?? NaN]),
    ...pair('system.disk.operations', DIRECTIONS,
      [operations?.rIO ?? NaN, operations?.wIO ?? NaN]),
  ];
}

function mountSamples(
  mounts: readonly Systeminformation.FsSizeData[],
  { filesystem }: ScrapersConfig,
): Sample[] {
  const device = createFilter(nameFilter('devices', filesystem?.include_devices),
    nameFilter('devices', filesystem?.exclude_devices));
  const type = createFilter(nameFilter('fs_types', filesystem?.include_fs_types),
    nameFilter('fs_types', filesystem?.exclude_fs_types));
  const point = createFilter(nameFilter('mount_points', filesystem?.include_mount_points),
    nameFilter('mount_points', filesystem?.exclude_mount_points));
  return mounts.filter((one) => device(one.fs) && type(one.type) && point(one.mount))
    .flatMap((one) => filesystemSamples({
      device: one.fs,
      mountPoint: one.mount,
      type: one.type,
      mode: one.rw === null ? 'unknown' : one.rw ? 'rw' : 'ro',
      deviceNumber: '',
      bind: false,
    }, {
      totalBytes: one.size,
      freeBytes: one.size - one.used,
      availableBytes: one.available,
      inodes: NaN,
      inodesFree: NaN,
    }));
}

function interfaceSamples(one: Systeminformation.NetworkStatsData): Sample[] {
  const both = directions(one.iface);
  return [
    ...pair('system.network.io', both, [one.rx_bytes, one.tx_bytes]),
    ...pair('system.network.errors', both, [one.rx_errors, one.tx_errors]),
    ...pair('system.network.dropped', both, [one.rx_dropped, one.tx_dropped]),
  ];
}

function connectionSamples(all: readonly Systeminformation.NetworkConnectionsData[]): Sample[] {
  const counts = new Map<string, number>();
  for (const { protocol, state } of all) {
    if (!protocol.startsWith('tcp') || !state) continue;
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return [...counts].map(([state, value]) => ({
    metric: 'system.network.connections', value, attributes: connectionAttributes(state),
  }));
}

/** Memory is told in KiB. The time of start is local and without a zone, so it is not used. */
async function readProcesses(
  library: Library,
  config: NonNullable<ScrapersConfig['process']>,
  timeNs: bigint,
): Promise<Reading[]> {
  const accepts = createFilter(
    nameFilter('names', config.include), nameFilter('names', config.exclude));
  const enabled = enabledAttributes(config);
  const { list } = await library.processes();
  return list.filter(({ name }) => accepts(name)).slice(0, PROCESSES_MAX).map((one) => ({
    resource: processResource(one).filter(({ key }) => enabled.has(key)),
    startNs: 0n,
    timeNs,
    samples: [
      single('process.memory.usage', one.memRss * 1024),
      single('process.memory.virtual', one.memVsz * 1024),
    ],
  }));
}

function processResource(one: Systeminformation.ProcessesProcessData): KeyValue[] {
  const texts = {
    'process.executable.name': one.name,
    'process.executable.path': one.path,
    'process.command': one.command,
    'process.command_line': `${one.command} ${one.params}`.trim(),
    'process.owner': one.user,
  };
  return [
    int('process.pid', one.pid),
    int('process.parent_pid', one.parentPid),
    ...Object.entries(texts).filter(([, value]) => value !== '')
      .map(([key, value]) => text(key, value)),
  ];
}
