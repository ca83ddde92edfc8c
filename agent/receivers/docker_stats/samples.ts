// The answer of GET /containers/{id}/stats becomes samples. All of it is read as of unknown origin:
// what is missing, such as fields of the other version of control groups, leaves nothing behind.
//
// As in the Collector, which has these from Docker's own command: utilization is percent of one CPU
// (two busy CPUs are 200), and usage leaves out what is cached and inactive (`total_inactive_file`
// with version 1, `inactive_file` with version 2).

import type { Attributes } from '../../../proto/otlp/model.ts';
import { map, number, type ContainerDetails } from '../../docker_engine/container.ts';
import { NO_ATTRIBUTES, text, type Sample } from '../readings/readings.ts';
import { BLOCK_IO_FIELDS, MEMORY_FIELDS, NETWORK_FIELDS } from './metrics.ts';

/** CPU times of the container and of its host, to compare with the next ones. */
export interface CpuMoment {
  readonly total: number;
  readonly system: number;
}

export interface StatsSamples {
  readonly samples: Sample[];
  readonly moment: CpuMoment;
}

const single = (metric: string, value: number): Sample =>
  ({ metric, value, attributes: NO_ATTRIBUTES });

/** `before`: what the last answer said, null for a container that is new. */
export function statsSamples(stats: unknown, before: CpuMoment | null): StatsSamples {
  const all = map(stats);
  const cpu = map(all['cpu_stats']);
  const pids = map(all['pids_stats']);
  const moment = momentOf(cpu);
  // An engine that takes two looks itself tells the first, too.
  const earlier = before ?? momentOf(map(all['precpu_stats']));
  return {
    moment,
    samples: [
      ...cpuSamples(cpu),
      single('container.cpu.utilization', utilization(cpu, earlier, moment)),
      ...memorySamples(map(all['memory_stats'])),
      ...blockSamples(map(all['blkio_stats'])),
      ...networkSamples(map(all['networks'])),
      single('container.pids.count', number(pids['current'])),
      // An engine writes 2^64 - 1 for no limit.
      single('container.pids.limit', below(number(pids['limit']), 2 ** 63)),
    ],
  };
}

const below = (value: number, limit: number): number => (value < limit ? value : NaN);

function momentOf(cpu: Record<string, unknown>): CpuMoment {
  return {
    total: number(map(cpu['cpu_usage'])['total_usage']),
    system: number(cpu['system_cpu_usage']),
  };
}

function cpuSamples(cpu: Record<string, unknown>): Sample[] {
  const usage = map(cpu['cpu_usage']);
  const throttling = map(cpu['throttling_data']);
  const prefix = 'container.cpu';
  return [
    single(`${prefix}.usage.total`, number(usage['total_usage'])),
    single(`${prefix}.usage.usermode`, number(usage['usage_in_usermode'])),
    single(`${prefix}.usage.kernelmode`, number(usage['usage_in_kernelmode'])),
    single(`${prefix}.usage.system`, number(cpu['system_cpu_usage'])),
    single(`${prefix}.logical.count`, onlineCpus(cpu)),
    ...perCpu(cpu).map((value, index): Sample => ({
      metric: `${prefix}.usage.percpu`, value, attributes: [text('core', `cpu${index}`)],
    })),
    single(`${prefix}.throttling_data.periods`, number(throttling['periods'])),
    single(`${prefix}.throttling_data.throttled_periods`, number(throttling['throttled_periods'])),
    single(`${prefix}.throttling_data.throttled_time`, number(throttling['throttled_time'])),
  ];
}

function perCpu(cpu: Record<string, unknown>): number[] {
  const list = map(cpu['cpu_usage'])['percpu_usage'];
  return Array.isArray(list) ? list.map(number) : [];
}

function onlineCpus(cpu: Record<string, unknown>): number {
  const online = number(cpu['online_cpus']);
  return online > 0 ? online : (perCpu(cpu).length || NaN);
}

function utilization(cpu: Record<string, unknown>, before: CpuMoment, now: CpuMoment): number {
  const used = now.total - before.total;
  const passed = now.system - before.system;
  if (Number.isNaN(used) || !(passed > 0)) return NaN;
  return used > 0 ? used / passed * onlineCpus(cpu) * 100 : 0;
}

function memorySamples(memory: Record<string, unknown>): Sample[] {
  const stats = map(memory['stats']);
  const usage = number(memory['usage']);
  const limit = number(memory['limit']);
  const inactive = number(stats['total_inactive_file'] ?? stats['inactive_file']);
  const used = inactive < usage ? usage - inactive : usage;
  return [
    single('container.memory.usage.total', used),
    single('container.memory.usage.limit', limit),
    single('container.memory.usage.max', number(memory['max_usage'])),
    single('container.memory.percent', limit > 0 ? used / limit * 100 : NaN),
    single('container.memory.fails', number(memory['failcnt'])),
    ...MEMORY_FIELDS.map((field) => single(`container.memory.${field}`, number(stats[field]))),
  ];
}

function blockSamples(block: Record<string, unknown>): Sample[] {
  return BLOCK_IO_FIELDS.flatMap((field) => {
    const list = block[field];
    return (Array.isArray(list) ? list.map(map) : []).map((one): Sample => ({
      metric: `container.blockio.${field}`,
      value: number(one['value']),
      attributes: [
        text('device_major', String(one['major'])), text('device_minor', String(one['minor'])),
        text('operation', String(one['op'] ?? '').toLowerCase()),
      ],
    }));
  });
}

function networkSamples(networks: Record<string, unknown>): Sample[] {
  return Object.entries(networks).flatMap(([name, fields]) => {
    const attributes = [text('interface', name)];
    return NETWORK_FIELDS.map((field): Sample => ({
      metric: `container.network.io.usage.${field}`, value: number(map(fields)[field]), attributes,
    }));
  });
}

const STATES = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'];
const STATUS_ATTRIBUTES: readonly Attributes[] = STATES.map((state) => [text('status', state)]);

/** What the engine says of the container itself. */
export function detailSamples(container: ContainerDetails, nowMs: number): Sample[] {
  return [
    single('container.restarts', container.restarts),
    single('container.uptime', (nowMs - container.startedMs) / 1000),
    single('container.cpu.limit', container.cpuLimit),
    single('container.cpu.shares', container.cpuShares),
    ...STATES.map((state, index): Sample => ({
      metric: 'container.status', value: state === container.state ? 1 : 0,
      attributes: STATUS_ATTRIBUTES[index]!,
    })),
  ];
}
