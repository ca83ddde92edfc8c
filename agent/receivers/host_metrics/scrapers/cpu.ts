// CPU times from /proc/stat (proc_stat(5)), one line for each logical CPU that is online:
//
//     cpu0 user nice system idle iowait irq softirq steal guest guest_nice      (ticks of 10 ms)
//
// `user` and `nice` hold the times of guests already, so those are not read. Kernels before 2.6.11
// have no `steal`: it is 0 then. Utilization is a share of the time between two scrapes, so the
// first scrape has none.

import { fields, number, TICKS_PER_SECOND, type Host } from '../host.ts';
import { text, type MetricDefinition, type Sample } from '../../readings/readings.ts';
import { hostScraper, type Scraper, type Wanted } from '../scraper.ts';
import type { Attributes } from '../../../../proto/otlp/model.ts';

export const cpuMetrics: readonly MetricDefinition[] = [
  {
    name: 'system.cpu.time', unit: 's', kind: 'counter', value: 'double', enabled: true,
    description: 'Time that each logical CPU has spent in each state.',
  },
  {
    name: 'system.cpu.utilization', unit: '1', kind: 'gauge', value: 'double', enabled: false,
    description: 'Share of the time since the last scrape that each CPU spent in each state.',
  },
  {
    name: 'system.cpu.physical.count', unit: '{cpu}', kind: 'level', value: 'int', enabled: false,
    description: 'Number of physical CPU cores.',
  },
  {
    name: 'system.cpu.logical.count', unit: '{cpu}', kind: 'level', value: 'int', enabled: false,
    description: 'Number of logical CPUs that are online.',
  },
  {
    name: 'system.cpu.frequency', unit: 'Hz', kind: 'gauge', value: 'double', enabled: false,
    description: 'Frequency at which each logical CPU runs now.',
  },
];

const STATES = ['user', 'nice', 'system', 'idle', 'wait', 'interrupt', 'softirq', 'steal'] as const;

/** Seconds by logical CPU (`cpu0`), in the order of STATES. */
export type CpuTimes = ReadonlyMap<string, readonly number[]>;

const FOLDER = '/sys/devices/system/cpu';

export function createCpuScraper(host: Host, wanted: Wanted): Scraper {
  let before: CpuTimes = new Map();
  return hostScraper('cpu', host, async (problems) => {
    const times = parseCpuTimes(host.readNow('/proc/stat'));
    const samples = [...cpuTimeSamples(times), ...utilizationSamples(before, times)];
    before = times;
    samples.push({ metric: 'system.cpu.logical.count', value: times.size, attributes: [] });
    if (wanted('system.cpu.physical.count')) {
      const value = await countCores(host, [...times.keys()]);
      samples.push({ metric: 'system.cpu.physical.count', value, attributes: [] });
    }
    if (wanted('system.cpu.frequency')) {
      const found = await frequencySamples(host, [...times.keys()]);
      if (found.length === 0) problems.push('cannot read the CPU frequency: the kernel hides it');
      samples.push(...found);
    }
    return samples;
  });
}

export function parseCpuTimes(stat: string): CpuTimes {
  const times = new Map<string, readonly number[]>();
  for (const line of stat.split('\n')) {
    if (!/^cpu\d/.test(line)) continue;
    const [cpu, ...ticks] = fields(line);
    const seconds = STATES.map((state, index) =>
      number(state === 'steal' ? ticks[index] ?? '0' : ticks[index]) / TICKS_PER_SECOND);
    if (seconds.every(Number.isFinite)) times.set(cpu!, seconds);
  }
  return times;
}

export function cpuTimeSamples(times: CpuTimes): Sample[] {
  return [...times].flatMap(([cpu, seconds]) => STATES.map((_, index) => ({
    metric: 'system.cpu.time', value: seconds[index]!, attributes: attributesOf(cpu)[index]!,
  })));
}

/** For CPUs that both scrapes saw; all states are 0 when no time has passed between them. */
export function utilizationSamples(before: CpuTimes, after: CpuTimes): Sample[] {
  return [...after].flatMap(([cpu, seconds]) => {
    const earlier = before.get(cpu);
    if (earlier === undefined) return [];
    const spent = seconds.map((second, index) => Math.max(0, second - earlier[index]!));
    const all = spent.reduce((sum, one) => sum + one, 0);
    return spent.map((one, index) => ({
      metric: 'system.cpu.utilization',
      value: all === 0 ? 0 : one / all,
      attributes: attributesOf(cpu)[index]!,
    }));
  });
}

const attributesByCpu = new Map<string, readonly Attributes[]>();

/** The attributes of a CPU in each state; made once, since they never change. */
function attributesOf(cpu: string): readonly Attributes[] {
  const known = attributesByCpu.get(cpu);
  if (known !== undefined) return known;
  const made = STATES.map((state) => [text('cpu', cpu), text('state', state)]);
  attributesByCpu.set(cpu, made);
  return made;
}

/** Logical CPUs with the same list of siblings are one core. */
async function countCores(host: Host, cpus: readonly string[]): Promise<number> {
  const cores = new Set<string>();
  for (const cpu of cpus) {
    const siblings = await host.readIfThere(`${FOLDER}/${cpu}/topology/core_cpus_list`)
      ?? await host.readIfThere(`${FOLDER}/${cpu}/topology/thread_siblings_list`);
    if (siblings !== null) cores.add(siblings.trim());
  }
  if (cores.size > 0) return cores.size;
  return countCoresOf(await host.read('/proc/cpuinfo'));
}

/** From /proc/cpuinfo: the sum of `cpu cores` over the sockets (`physical id`); NaN if not told. */
export function countCoresOf(cpuinfo: string): number {
  const sockets = new Map<string, number>();
  for (const section of cpuinfo.split('\n\n')) {
    const socket = /^physical id\s*: (\d+)$/m.exec(section)?.[1];
    const cores = /^cpu cores\s*: (\d+)$/m.exec(section)?.[1];
    if (socket !== undefined && cores !== undefined) sockets.set(socket, Number(cores));
  }
  const sum = [...sockets.values()].reduce((all, one) => all + one, 0);
  return sum === 0 ? NaN : sum;
}

async function frequencySamples(host: Host, cpus: readonly string[]): Promise<Sample[]> {
  const told = parseFrequencies(await host.readIfThere('/proc/cpuinfo') ?? '');
  const samples: Sample[] = [];
  for (const cpu of cpus) {
    // ARM's cpuinfo does not tell the frequency; the governor's file does, in kHz.
    const governed = `${FOLDER}/${cpu}/cpufreq/scaling_cur_freq`;
    const hertz = told.get(cpu)
      ?? number((await host.readIfThere(governed))?.trim()) * 1000;
    if (!Number.isFinite(hertz)) continue;
    samples.push({ metric: 'system.cpu.frequency', value: hertz, attributes: [text('cpu', cpu)] });
  }
  return samples;
}

/** Hertz by logical CPU, from the `cpu MHz` lines of /proc/cpuinfo. */
export function parseFrequencies(cpuinfo: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const section of cpuinfo.split('\n\n')) {
    const cpu = /^processor\s*: (\d+)$/m.exec(section)?.[1];
    const megahertz = /^cpu MHz\s*: ([\d.]+)$/m.exec(section)?.[1];
    if (cpu === undefined || megahertz === undefined) continue;
    found.set(`cpu${cpu}`, Number(megahertz) * 1e6);
  }
  return found;
}
