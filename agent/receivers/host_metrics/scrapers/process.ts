// One resource for each process, with its CPU time, memory and disk traffic.
//
// CPU time, memory, faults and threads come from /proc/<pid>/stat, which the process table has
// read; /proc/<pid>/io (proc_pid_io(5)) has the bytes that reached or left storage, which is what
// `process.disk.io` tells (gopsutil's, and so the Collector's, newer `rchar` also counts pipes and
// the page cache). /proc/<pid>/status and /proc/<pid>/fd are read only for metrics that are off by
// default. Counters start with the process. Memory utilization is in percent, as the Collector
// has it; CPU utilization is a share of all CPUs.
//
// What other users' processes hide from an agent that is not root is left out, and told in one
// sentence unless the configuration mutes it; other failures in one sentence per kind and scrape.

import { errorMessage } from '../../../../runtime/errors.ts';
import { createFilter, type NameFilter } from '../filter.ts';
import { namedNumbers, number, type Host } from '../host.ts';
import { createIdentities } from '../process_identity.ts';
import type { ProcessStat, ProcessTable } from '../process_table.ts';
import {
  NO_ATTRIBUTES, pair, text, type MetricDefinition, type Reading, type Sample,
} from '../../readings/readings.ts';
import type { Scraper, Wanted } from '../scraper.ts';
import { parseCpuTimes } from './cpu.ts';

const off = { kind: 'counter', value: 'int', enabled: false } as const;
const offLevel = { ...off, kind: 'level' } as const;
const bytes = { unit: 'By', kind: 'level', value: 'int', enabled: true } as const;
const share = { unit: '1', kind: 'gauge', value: 'double', enabled: false } as const;

export const processMetrics: readonly MetricDefinition[] = [
  {
    name: 'process.cpu.time', unit: 's', kind: 'counter', value: 'double', enabled: true,
    description: 'CPU time of the process in each state.',
  },
  {
    ...share, name: 'process.cpu.utilization',
    description: 'Share of the time of all CPUs since the last scrape that the process had.',
  },
  { ...bytes, name: 'process.memory.usage', description: 'Memory that the process has in RAM.' },
  {
    ...bytes, name: 'process.memory.virtual',
    description: 'Size of the address space of the process.',
  },
  {
    ...share, name: 'process.memory.utilization',
    description: 'Percentage of the memory of the host that the process has in RAM.',
  },
  {
    ...bytes, name: 'process.disk.io', kind: 'counter',
    description: 'Bytes that the process had read from and written to storage.',
  },
  {
    ...off, name: 'process.disk.operations', unit: '{operations}',
    description: 'Calls of read and write that the process made.',
  },
  {
    ...off, name: 'process.paging.faults', unit: '{faults}',
    description: 'Page faults of the process.',
  },
  {
    ...off, name: 'process.context_switches', unit: '{count}',
    description: 'How often the main thread of the process gave up its CPU or had to.',
  },
  {
    ...offLevel, name: 'process.threads', unit: '{threads}',
    description: 'Threads of the process.',
  },
  {
    ...offLevel, name: 'process.open_file_descriptors', unit: '{count}',
    description: 'Files, sockets and pipes that the process has open.',
  },
  {
    ...offLevel, name: 'process.signals_pending', unit: '{signals}',
    description: 'Kinds of signals that wait to be delivered to the process.',
  },
  {
    ...offLevel, name: 'process.handles', unit: '{count}',
    description: 'Handles that the process holds; there are none on Linux.',
  },
  {
    name: 'process.uptime', unit: 's', kind: 'gauge', value: 'double', enabled: false,
    description: 'Time since the process was started.',
  },
];

/** Processes beyond this number, the youngest, are not told; a sentence says so. */
export const PROCESSES_MAX = 5000;
/** Processes whose files are read at the same time. */
const READERS = 4;

export interface ProcessOptions {
  readonly include?: NameFilter | undefined;
  readonly exclude?: NameFilter | undefined;
  /** Younger processes are left out. */
  readonly delayMs: number;
  /** Kinds of failures that nobody wants to read about. */
  readonly muted: ReadonlySet<Trouble>;
  readonly attributes: ReadonlySet<string>;
}

export type Trouble = 'name' | 'exe' | 'io' | 'user' | 'cgroup' | 'other';

interface Moment {
  readonly timeNs: bigint;
  readonly bootNs: bigint;
  readonly pageBytes: number;
  readonly memoryBytes: number;
  readonly cpus: number;
}

export function createProcessScraper(
  host: Host,
  table: ProcessTable,
  wanted: Wanted,
  options: ProcessOptions,
): Scraper {
  const accepts = createFilter(options.include, options.exclude);
  const identities = createIdentities(host, options.attributes);
  const usage = createUsage();
  const read = async (stat: ProcessStat, moment: Moment, troubles: Troubles) => {
    const identity = await identities.of(stat, troubles.add);
    const startNs = moment.bootNs + BigInt(Math.round(stat.startSeconds * 1e9));
    const ageMs = Number(moment.timeNs - startNs) / 1e6;
    if (!accepts(identity.name) || ageMs < options.delayMs) return null;
    const samples = statSamples(stat, moment, ageMs / 1000).filter(({ metric }) => wanted(metric));
    if (wanted('process.cpu.utilization')) samples.push(...usage.of(stat, moment));
    samples.push(...await fileSamples(host, stat.pid, wanted, troubles));
    return { resource: identity.attributes, startNs, timeNs: moment.timeNs, samples };
  };
  return {
    name: 'process',
    scrape: async () => {
      const all = await table.read();
      const processes = all.slice(0, PROCESSES_MAX);
      const troubles = createTroubles(options.muted);
      if (all.length > processes.length) {
        troubles.tell(`only ${PROCESSES_MAX} of ${all.length} processes are looked at`);
      }
      await identities.keep(processes);
      usage.keep(processes);
      const moment = await readMoment(host, wanted);
      const readings: Reading[] = [];
      const queue = processes.values();
      await Promise.all(Array.from({ length: READERS }, async () => {
        for (const stat of queue) {
          const reading = await read(stat, moment, troubles);
          if (reading !== null) readings.push(reading);
        }
      }));
      return { readings, problems: troubles.sentences(), ...troubles.hidden() };
    },
  };
}

async function readMoment(host: Host, wanted: Wanted): Promise<Moment> {
  const memory = wanted('process.memory.utilization') ? host.readNow('/proc/meminfo') : '';
  const stat = wanted('process.cpu.utilization') ? host.readNow('/proc/stat') : '';
  return {
    timeNs: host.nowNs(),
    bootNs: host.bootNs(),
    pageBytes: await host.pageBytes(),
    memoryBytes: (namedNumbers(memory).get('MemTotal') ?? NaN) * 1024,
    cpus: parseCpuTimes(stat).size,
  };
}

const CPU_STATES = [[text('state', 'user')], [text('state', 'system')], [text('state', 'wait')]];
const DIRECTIONS = [[text('direction', 'read')], [text('direction', 'write')]] as const;
const FAULTS = [[text('type', 'major')], [text('type', 'minor')]] as const;
const SWITCHES = [[text('type', 'voluntary')], [text('type', 'involuntary')]] as const;

const cpuSeconds = (stat: ProcessStat): number[] =>
  [stat.userSeconds, stat.systemSeconds, stat.waitSeconds];

const single = (metric: string, value: number): Sample =>
  ({ metric, value, attributes: NO_ATTRIBUTES });

export function statSamples(stat: ProcessStat, moment: Moment, ageSeconds: number): Sample[] {
  const resident = stat.residentPages * moment.pageBytes;
  return [
    ...cpuSeconds(stat).map((value, index) =>
      ({ metric: 'process.cpu.time', value, attributes: CPU_STATES[index]! })),
    single('process.memory.usage', resident),
    single('process.memory.virtual', stat.virtualBytes),
    single('process.memory.utilization', 100 * resident / moment.memoryBytes),
    ...pair('process.paging.faults', FAULTS, [stat.majorFaults, stat.minorFaults]),
    single('process.threads', stat.threads),
    single('process.uptime', ageSeconds),
  ];
}

/** Samples that need a file of their own each. */
async function fileSamples(
  host: Host,
  pid: number,
  wanted: Wanted,
  troubles: Troubles,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  const read = async (file: string, kind: Trouble, now: boolean): Promise<string> => {
    const path = `/proc/${pid}/${file}`;
    try {
      return (now ? host.readNowIfThere(path) : await host.readIfThere(path)) ?? '';
    } catch (error) {
      troubles.add(kind, pid, errorMessage(error));
      return '';
    }
  };
  if (wanted('process.disk.io') || wanted('process.disk.operations')) {
    samples.push(...ioSamples(await read('io', 'io', host.ioNow)));
  }
  if (wanted('process.context_switches') || wanted('process.signals_pending')) {
    samples.push(...statusSamples(await read('status', 'other', true)));
  }
  if (wanted('process.open_file_descriptors')) {
    const open = await host.list(`/proc/${pid}/fd`).catch((error: unknown) => {
      troubles.add('other', pid, errorMessage(error));
      return null;
    });
    if (open !== null) samples.push(single('process.open_file_descriptors', open.length));
  }
  return samples;
}

/** Goes by the few names that matter: there is such a file for each process. */
export function ioSamples(io: string): Sample[] {
  const lines = `\n${io}`;
  const at = (name: string): number => {
    const start = lines.indexOf(`\n${name}: `);
    if (start === -1) return NaN;
    const end = lines.indexOf('\n', start + 1);
    return number(lines.slice(start + name.length + 3, end === -1 ? lines.length : end));
  };
  return [
    ...pair('process.disk.io', DIRECTIONS, [at('read_bytes'), at('write_bytes')]),
    ...pair('process.disk.operations', DIRECTIONS, [at('syscr'), at('syscw')]),
  ];
}

export function statusSamples(status: string): Sample[] {
  const numbers = namedNumbers(status);
  const voluntary = numbers.get('voluntary_ctxt_switches') ?? NaN;
  const involuntary = numbers.get('nonvoluntary_ctxt_switches') ?? NaN;
  const masks = [...status.matchAll(/^(?:SigPnd|ShdPnd):\s+([0-9a-f]+)$/gm)]
    .map((match) => BigInt(`0x${match[1]}`));
  const pending = masks.reduce((all, mask) => all | mask, 0n).toString(2).replaceAll('0', '');
  return [
    ...pair('process.context_switches', SWITCHES, [voluntary, involuntary]),
    single('process.signals_pending', masks.length === 0 ? NaN : pending.length),
  ];
}

interface Usage {
  of(stat: ProcessStat, moment: Moment): Sample[];
  keep(processes: readonly ProcessStat[]): void;
}

/** Remembers the CPU times of the last scrape. A process seen for the first time has no usage. */
function createUsage(): Usage {
  const before = new Map<number, { stat: ProcessStat; timeNs: bigint }>();
  return {
    of: (stat, { timeNs, cpus }) => {
      const last = before.get(stat.pid);
      before.set(stat.pid, { stat, timeNs });
      if (last === undefined || last.stat.startSeconds !== stat.startSeconds) return [];
      const seconds = Number(timeNs - last.timeNs) / 1e9 * cpus;
      const earlier = cpuSeconds(last.stat);
      return cpuSeconds(stat).map((value, index) => ({
        metric: 'process.cpu.utilization',
        value: Math.max(0, value - earlier[index]!) / seconds,
        attributes: CPU_STATES[index]!,
      }));
    },
    keep: (processes) => {
      const alive = new Set(processes.map(({ pid }) => pid));
      for (const pid of before.keys()) if (!alive.has(pid)) before.delete(pid);
    },
  };
}

interface Troubles {
  add(kind: Trouble, pid: number, why: string): void;
  tell(sentence: string): void;
  sentences(): string[];
  /** Of what the agent may not read. */
  hidden(): { hidden?: string };
}

/** Failures by kind: however many processes have one, there is one sentence. */
function createTroubles(muted: ReadonlySet<Trouble>): Troubles {
  const first = new Map<Trouble, { why: string; count: number }>();
  const told: string[] = [];
  const hidden = new Set<Trouble>();
  return {
    add: (kind, _pid, why) => {
      // A process that ends while it is read is no failure.
      if (muted.has(kind) || why.endsWith('ESRCH')) return;
      if (why.endsWith(': permission denied')) return void hidden.add(kind);
      const known = first.get(kind);
      if (known === undefined) first.set(kind, { why, count: 1 });
      else known.count += 1;
    },
    tell: (sentence) => told.push(sentence),
    sentences: () => [...told, ...[...first.values()].map(({ why, count }) =>
      count === 1 ? why : `${why} (and of ${count - 1} other processes)`)],
    hidden: () => {
      if (hidden.size === 0) return {};
      const keys = [...hidden].sort().map((kind) => `mute_process_${MUTES[kind]}: true`);
      return {
        hidden: 'some facts of other users\' processes cannot be read: run as root, or be content '
          + `and set ${keys.join(', ')}`,
      };
    },
  };
}

/** Ends of the keys that mute each kind. */
const MUTES: Readonly<Record<Trouble, string>> = {
  name: 'name_error', exe: 'exe_error', io: 'io_error', user: 'user_error',
  cgroup: 'cgroup_error', other: 'all_errors',
};
