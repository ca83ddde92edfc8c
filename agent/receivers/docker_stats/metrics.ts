// The metrics of containers: names, units, kinds and defaults are those of the Collector's
// docker_stats receiver. Most of the memory's are fields of the engine's `memory_stats.stats` under
// their own names; which there are depends on the version of control groups that the host uses.

import type { MetricDefinition } from '../readings/readings.ts';

const off = { enabled: false } as const;
const counter = { kind: 'counter', value: 'int', enabled: true } as const;
const bytes = { unit: 'By', kind: 'level', value: 'int', enabled: true } as const;
const gauge = { kind: 'gauge', value: 'double', enabled: true } as const;

/** Fields of `memory_stats.stats` that are bytes. */
const MEMORY_BYTES = [
  'active_anon', 'active_file', 'anon', 'cache', 'dirty', 'file', 'hierarchical_memory_limit',
  'hierarchical_memsw_limit', 'inactive_anon', 'inactive_file', 'mapped_file', 'rss', 'rss_huge',
  'total_active_anon', 'total_active_file', 'total_cache', 'total_dirty', 'total_inactive_anon',
  'total_inactive_file', 'total_mapped_file', 'total_rss', 'total_rss_huge', 'total_unevictable',
  'total_writeback', 'unevictable', 'writeback',
] as const;
const MEMORY_ON: readonly string[] = ['file', 'total_cache'];

/** Fields of `memory_stats.stats` that count. */
const MEMORY_COUNTS: Readonly<Record<string, string>> = {
  pgfault: '{faults}', pgmajfault: '{faults}', pgpgin: '{operations}', pgpgout: '{operations}',
  total_pgfault: '{faults}', total_pgmajfault: '{faults}', total_pgpgin: '{operations}',
  total_pgpgout: '{operations}',
};

/** Fields of `blkio_stats`, their units and what they say. */
const BLOCK_IO: Readonly<Record<string, readonly [string, string]>> = {
  io_merged_recursive: ['{operations}', 'Requests that were merged with a neighbour'],
  io_queued_recursive: ['{operations}', 'Requests that wait'],
  io_service_bytes_recursive: ['By', 'Bytes transferred to and from the device'],
  io_service_time_recursive: ['ns', 'Time between the dispatch of requests and their end'],
  io_serviced_recursive: ['{operations}', 'Requests that were handed to the device'],
  io_time_recursive: ['ms', 'Time that the device was given to the container'],
  io_wait_time_recursive: ['ns', 'Time for which requests waited'],
  sectors_recursive: ['{sectors}', 'Sectors transferred to and from the device'],
};

/** Ends of the names of network metrics, and the fields of `networks` that they are. */
const NETWORK: Readonly<Record<string, readonly [string, boolean]>> = {
  rx_bytes: ['By', true], tx_bytes: ['By', true],
  rx_dropped: ['{packets}', true], tx_dropped: ['{packets}', true],
  rx_errors: ['{errors}', false], tx_errors: ['{errors}', false],
  rx_packets: ['{packets}', false], tx_packets: ['{packets}', false],
};

export const MEMORY_FIELDS: readonly string[] = [...MEMORY_BYTES, ...Object.keys(MEMORY_COUNTS)];
export const BLOCK_IO_FIELDS: readonly string[] = Object.keys(BLOCK_IO);
export const NETWORK_FIELDS: readonly string[] = Object.keys(NETWORK);

const nanoseconds = { ...counter, unit: 'ns' } as const;

const CPU: readonly MetricDefinition[] = [
  { ...nanoseconds, name: 'container.cpu.usage.total', description: 'CPU time.' },
  {
    ...nanoseconds, name: 'container.cpu.usage.usermode', description: 'CPU time in user mode.',
  },
  {
    ...nanoseconds, name: 'container.cpu.usage.kernelmode',
    description: 'CPU time in kernel mode.',
  },
  {
    ...nanoseconds, ...off, name: 'container.cpu.usage.percpu',
    description: 'CPU time on each CPU; only with control groups of version 1.',
  },
  {
    ...nanoseconds, ...off, name: 'container.cpu.usage.system',
    description: 'CPU time of the whole host.',
  },
  {
    ...gauge, unit: '1', name: 'container.cpu.utilization',
    description: 'Percentage of a CPU that the container used since the last collection.',
  },
  {
    ...gauge, ...off, unit: '{cpus}', name: 'container.cpu.limit',
    description: 'CPUs that the container may use.',
  },
  {
    ...gauge, ...off, unit: '{cpus}', value: 'int', name: 'container.cpu.logical.count',
    description: 'CPUs that are there for the container.',
  },
  {
    ...gauge, ...off, unit: '1', value: 'int', name: 'container.cpu.shares',
    description: 'Weight of the container when CPUs are short.',
  },
  {
    ...counter, ...off, unit: '{periods}', name: 'container.cpu.throttling_data.periods',
    description: 'Periods with a limit in force.',
  },
  {
    ...counter, ...off, unit: '{periods}',
    name: 'container.cpu.throttling_data.throttled_periods',
    description: 'Periods in which the container used up its limit.',
  },
  {
    ...nanoseconds, ...off, name: 'container.cpu.throttling_data.throttled_time',
    description: 'Time for which the container was stopped by its limit.',
  },
];

const MEMORY: readonly MetricDefinition[] = [
  {
    ...bytes, name: 'container.memory.usage.total',
    description: 'Memory of the container, without the cache that can be dropped.',
  },
  { ...bytes, name: 'container.memory.usage.limit', description: 'Memory that it may use.' },
  {
    ...bytes, ...off, name: 'container.memory.usage.max', description: 'The most that it used.',
  },
  {
    ...gauge, unit: '1', name: 'container.memory.percent',
    description: 'Percentage of the memory that it may use.',
  },
  {
    ...counter, ...off, unit: '{fails}', name: 'container.memory.fails',
    description: 'How often it met the limit of its memory.',
  },
  ...MEMORY_BYTES.map((field): MetricDefinition => ({
    ...bytes, enabled: MEMORY_ON.includes(field), name: `container.memory.${field}`,
    description: `Memory that the kernel counts as ${field}.`,
  })),
  ...Object.entries(MEMORY_COUNTS).map(([field, unit]): MetricDefinition => ({
    ...counter, ...off, unit, name: `container.memory.${field}`,
    description: `What the kernel counts as ${field}.`,
  })),
];

export const containerMetrics: readonly MetricDefinition[] = [
  ...CPU,
  ...MEMORY,
  ...Object.entries(BLOCK_IO).map(([field, [unit, words]]): MetricDefinition => ({
    ...counter, unit, enabled: field === 'io_service_bytes_recursive',
    name: `container.blockio.${field}`, description: `${words}.`,
  })),
  ...Object.entries(NETWORK).map(([field, [unit, enabled]]): MetricDefinition => ({
    ...counter, unit, enabled, name: `container.network.io.usage.${field}`,
    description: `What an interface of the container counts as ${field}.`,
  })),
  {
    ...bytes, ...off, unit: '{pids}', name: 'container.pids.count',
    description: 'Processes and threads of the container.',
  },
  {
    ...bytes, ...off, unit: '{pids}', name: 'container.pids.limit',
    description: 'Processes and threads that it may have.',
  },
  {
    ...counter, ...off, unit: '{restarts}', name: 'container.restarts',
    description: 'How often the engine has started the container again.',
  },
  {
    ...gauge, ...off, unit: '{status}', value: 'int', name: 'container.status',
    description: '1 for the state that the container is in, 0 for the others.',
  },
  {
    ...gauge, ...off, unit: 's', name: 'container.uptime',
    description: 'Time since the container was started.',
  },
];
