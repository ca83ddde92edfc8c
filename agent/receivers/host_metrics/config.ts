// What a person writes under `receivers.host_metrics`: the Collector's keys and defaults.
//
//     host_metrics:
//       collection_interval: 10s
//       scrapers:
//         cpu:
//           metrics:
//             system.cpu.utilization: { enabled: true }
//         filesystem:
//           exclude_mount_points: { mount_points: ['^/snap/'], match_type: regexp }
//
// A scraper runs when its key is there, with or without something behind it.

import * as z from 'zod';
import { NO_PATTERN, parsePattern } from '../../../config/pattern.ts';
import {
  count, duration, fault, ignoredKey, optionalSection, section, strictObject,
} from '../../../config/schema.ts';
import type { NameFilter } from './filter.ts';
import { processAttributes } from './process_identity.ts';
import type { MetricDefinition } from '../readings/readings.ts';
import { cgroupMetrics } from './scrapers/cgroup.ts';
import { cpuMetrics } from './scrapers/cpu.ts';
import { diskMetrics } from './scrapers/disk.ts';
import { filesystemMetrics } from './scrapers/filesystem.ts';
import { hardwareMetrics, KINDS, type SensorKind } from './scrapers/hardware.ts';
import { loadMetrics } from './scrapers/load.ts';
import { memoryMetrics } from './scrapers/memory.ts';
import { networkMetrics } from './scrapers/network.ts';
import { pagingMetrics } from './scrapers/paging.ts';
import { pressureMetrics } from './scrapers/pressure.ts';
import { processMetrics } from './scrapers/process.ts';
import { processesMetrics } from './scrapers/processes.ts';
import { systemMetrics } from './scrapers/system.ts';

/** All scrapers and the metrics that each has. */
export const METRICS = {
  cpu: cpuMetrics,
  memory: memoryMetrics,
  load: loadMetrics,
  disk: diskMetrics,
  filesystem: filesystemMetrics,
  network: networkMetrics,
  paging: pagingMetrics,
  processes: processesMetrics,
  process: processMetrics,
  system: systemMetrics,
  pressure: pressureMetrics,
  cgroup: cgroupMetrics,
  hardware: hardwareMetrics,
} as const satisfies Record<string, readonly MetricDefinition[]>;

export type ScraperName = keyof typeof METRICS;

/** Scrapers of the Collector that are not here, and what to say to somebody who names one. */
const NOT_HERE = ['nfs'];

const switchOf = (enabled: boolean) =>
  section({ enabled: z.boolean().describe('Whether it is sent.').default(enabled) });

type Switch = ReturnType<typeof switchOf>;

/** The `metrics` of a scraper. All share two switches: there are a hundred metrics. */
function metricsOf(on: Switch, off: Switch) {
  return (name: ScraperName) => section(Object.fromEntries(METRICS[name].map((one) =>
    [one.name, (one.enabled ? on : off).describe(one.description)]))).describe('Metrics, by name.');
}

const matchType = () => z.enum(['strict', 'regexp'])
  .describe('strict: the whole name; regexp: an expression found anywhere in the name.');

/** A filter whose list of names has the key `key`. */
function filter<K extends string>(key: K, description: string) {
  const names = z.array(z.string()).min(1).describe('Names or expressions.');
  const shape = { [key]: names, match_type: matchType() } as
    Record<K, typeof names> & { match_type: ReturnType<typeof matchType> };
  return optionalSection(shape).superRefine((value, ctx) => {
    const written = value as (Record<K, string[]> & { match_type: string }) | undefined;
    if (written?.match_type !== 'regexp') return;
    written[key].forEach((name, index) => {
      if (parsePattern(name) !== null) return;
      fault(ctx, NO_PATTERN.why, NO_PATTERN.hint, [key, index]);
    });
  }).describe(description);
}

/** The filter as code has it. */
export function nameFilter<K extends string>(
  key: K,
  written: { [N in K]: string[] } & { match_type: NameFilter['matchType'] } | undefined,
): NameFilter | undefined {
  return written === undefined ? undefined
    : { names: written[key], matchType: written.match_type };
}

const flag = (description: string) => z.boolean().describe(description).default(false);

const groupGlobs = (description: string) => z.array(z.string().startsWith('/', 'must begin with /'))
  .describe(description).default([]);

const sensorsOf = (kind: string) => section({
  include: filter('sensors', 'Only sensors with these labels.'),
  exclude: filter('sensors', 'All but sensors with these labels.'),
}).describe(`Sensors of ${kind}.`);

const scrapers = (metrics: ReturnType<typeof metricsOf>) => ({
  cpu: optionalSection({ metrics: metrics('cpu') }).describe('CPU times.'),
  memory: optionalSection({ metrics: metrics('memory') }).describe('Memory.'),
  load: optionalSection({
    metrics: metrics('load'),
    cpu_average: flag('Divide the load by the number of logical CPUs.'),
  }).describe('Load averages.'),
  disk: optionalSection({
    metrics: metrics('disk'),
    include: filter('devices', 'Only these devices.'),
    exclude: filter('devices', 'All but these devices.'),
  }).describe('Block devices.'),
  filesystem: optionalSection({
    metrics: metrics('filesystem'),
    include_devices: filter('devices', 'Only these devices.'),
    exclude_devices: filter('devices', 'All but these devices.'),
    include_fs_types: filter('fs_types', 'Only these types.'),
    exclude_fs_types: filter('fs_types', 'All but these types.'),
    include_mount_points: filter('mount_points', 'Only these mount points.'),
    exclude_mount_points: filter('mount_points', 'All but these mount points.'),
    include_virtual_filesystems: flag('Also what is not on storage: tmpfs, overlay, bind mounts.'),
  }).describe('Mounted file systems.'),
  network: optionalSection({
    metrics: metrics('network'),
    include: filter('interfaces', 'Only these interfaces.'),
    exclude: filter('interfaces', 'All but these interfaces.'),
  }).describe('Network interfaces and TCP connections.'),
  paging: optionalSection({ metrics: metrics('paging') }).describe('Swap and paging.'),
  processes: optionalSection({ metrics: metrics('processes') }).describe('Numbers of processes.'),
  process: optionalSection({
    metrics: metrics('process'),
    include: filter('names', 'Only processes with these executable names.'),
    exclude: filter('names', 'All but processes with these executable names.'),
    mute_process_all_errors: flag('Say nothing of what a process hides.'),
    mute_process_name_error: flag('Say nothing when a command line may not be read.'),
    mute_process_exe_error: flag('Say nothing when an executable path may not be read.'),
    mute_process_io_error: flag('Say nothing when disk traffic may not be read.'),
    mute_process_user_error: flag('Say nothing when an owner may not be read.'),
    mute_process_cgroup_error: flag('Say nothing when a control group may not be read.'),
    scrape_process_delay: duration()
      .describe('Leave out processes younger than this.').prefault('0s'),
    resource_attributes: section(Object.fromEntries(Object.entries(processAttributes)
      .map(([name, enabled]) => [name, switchOf(enabled)])))
      .describe('Attributes of the resource of each process.'),
  }).describe('Each process.'),
  system: optionalSection({ metrics: metrics('system') }).describe('Uptime.'),
  pressure: optionalSection({ metrics: metrics('pressure') }).describe('Pressure stalls.'),
  cgroup: optionalSection({
    metrics: metrics('cgroup'),
    own: z.boolean().describe('The group that the agent is in.').default(true),
    include: groupGlobs('Globs of groups from the root of their tree: /system.slice/*.service.'),
    exclude: groupGlobs('Globs of groups that are left out.'),
    cgroups_max: count({ min: 1, max: 10_000 })
      .describe('Groups that are looked at; more are left out, with a warning.').default(500),
  }).describe('Control groups of version 2.'),
  hardware: optionalSection({
    metrics: metrics('hardware'),
    ...Object.fromEntries((Object.keys(KINDS) as SensorKind[]).map((kind) =>
      [kind, sensorsOf(kind)])) as Record<SensorKind, ReturnType<typeof sensorsOf>>,
  }).describe('Sensors of the hardware.'),
} satisfies Record<ScraperName, z.ZodType>);

export const hostMetricsSchema = () =>
  schemaOf(scrapers(metricsOf(switchOf(true), switchOf(false))));

const schemaOf = (shape: ReturnType<typeof scrapers>) => strictObject({
  collection_interval: duration({ min: '1ms' })
    .describe('Time from one collection to the next.').prefault('1m'),
  initial_delay: duration().describe('Time from the start to the first collection.').prefault('1s'),
  timeout: duration()
    .describe('Time that a scraper may take; 0: as long as the collection interval.')
    .prefault('0s'),
  metadata_collection_interval:
    ignoredKey('the host is told by resource_detection, not by events of its own'),
  root_path: z.string().refine((path) => path === '' || path.startsWith('/'), {
    message: 'must begin with /',
  }).describe('Where the root of the host is mounted, for an agent in a container.').default(''),
  scrapers: z.preprocess(refuseLater, strictObject(shape))
    .superRefine((value, ctx) => {
      if (Object.values(value).some((one) => one !== undefined)) return;
      fault(ctx, 'names no scraper', `name some of ${Object.keys(METRICS).join(', ')}`);
    }).describe('What to collect.'),
});

export type HostMetricsConfig = z.output<ReturnType<typeof hostMetricsSchema>>;
export type ScrapersConfig = HostMetricsConfig['scrapers'];

function refuseLater(value: unknown, ctx: z.core.$RefinementCtx<unknown>): unknown {
  if (value === null || typeof value !== 'object') return value;
  for (const name of NOT_HERE) {
    if (!Object.hasOwn(value, name)) continue;
    fault(ctx, 'is a scraper of the Collector that Binnacle does not have yet',
      `remove it; here are ${Object.keys(METRICS).join(', ')}`, [name]);
  }
  return Object.fromEntries(Object.entries(value).filter(([name]) => !NOT_HERE.includes(name)));
}
