// Which scrapers a configuration asks for, built for this kind of host.

import { nameFilter, METRICS, type ScraperName, type ScrapersConfig } from './config.ts';
import { createFilter, type Accepts } from './filter.ts';
import type { Host } from './host.ts';
import { createProcessTable, type ProcessTable } from './process_table.ts';
import type { MetricDefinition } from '../readings/readings.ts';
import type { Scraper, Wanted } from './scraper.ts';
import { createCgroupScraper } from './scrapers/cgroup.ts';
import { createCpuScraper } from './scrapers/cpu.ts';
import { createDiskScraper } from './scrapers/disk.ts';
import { createFilesystemScraper } from './scrapers/filesystem.ts';
import { createHardwareScraper, KINDS, type SensorKind } from './scrapers/hardware.ts';
import { createLoadScraper } from './scrapers/load.ts';
import { createMemoryScraper } from './scrapers/memory.ts';
import { createNetworkScraper } from './scrapers/network.ts';
import { createPagingScraper } from './scrapers/paging.ts';
import { createPressureScraper } from './scrapers/pressure.ts';
import { createProcessScraper, type Trouble } from './scrapers/process.ts';
import { createProcessesScraper } from './scrapers/processes.ts';
import { createSystemScraper } from './scrapers/system.ts';

export interface ScraperSet {
  readonly scrapers: readonly Scraper[];
  /** Called before each collection. */
  renew(): void;
}

/** The definitions of the metrics that are to be sent, by scraper. */
export function enabledMetrics(config: ScrapersConfig): Map<string, readonly MetricDefinition[]> {
  return new Map(namesOf(config).map((name) => {
    const { metrics } = config[name]!;
    return [name, METRICS[name].filter((one) => metrics[one.name]?.enabled === true)];
  }));
}

/** The scrapers that the configuration names, in the order of METRICS. */
export function namesOf(config: ScrapersConfig): ScraperName[] {
  return (Object.keys(METRICS) as ScraperName[]).filter((name) => config[name] !== undefined);
}

export function createLinuxScrapers(host: Host, config: ScrapersConfig): ScraperSet {
  const table = createProcessTable(host);
  const enabled = enabledMetrics(config);
  const scrapers = namesOf(config).map((name) => {
    const wanted: Wanted = (metric) => enabled.get(name)!.some((one) => one.name === metric);
    return BUILDERS[name](host, config, { wanted, table });
  });
  return { scrapers, renew: table.renew };
}

interface Shared {
  readonly wanted: Wanted;
  readonly table: ProcessTable;
}

type Builder = (host: Host, config: ScrapersConfig, shared: Shared) => Scraper;

const BUILDERS: Record<ScraperName, Builder> = {
  cpu: (host, _, { wanted }) => createCpuScraper(host, wanted),
  memory: (host, _, { wanted }) => createMemoryScraper(host, wanted),
  load: (host, { load }) => createLoadScraper(host, load!.cpu_average),
  disk: (host, { disk }) => createDiskScraper(host, createFilter(
    nameFilter('devices', disk!.include), nameFilter('devices', disk!.exclude))),
  filesystem: (host, { filesystem }) => createFilesystemScraper(host, {
    includeDevices: nameFilter('devices', filesystem!.include_devices),
    excludeDevices: nameFilter('devices', filesystem!.exclude_devices),
    includeTypes: nameFilter('fs_types', filesystem!.include_fs_types),
    excludeTypes: nameFilter('fs_types', filesystem!.exclude_fs_types),
    includeMountPoints: nameFilter('mount_points', filesystem!.include_mount_points),
    excludeMountPoints: nameFilter('mount_points', filesystem!.exclude_mount_points),
    includeVirtual: filesystem!.include_virtual_filesystems,
  }),
  network: (host, { network }, { wanted }) => createNetworkScraper(host, createFilter(
    nameFilter('interfaces', network!.include), nameFilter('interfaces', network!.exclude),
  ), wanted),
  paging: (host) => createPagingScraper(host),
  processes: (host, _, { table }) => createProcessesScraper(host, table),
  process: (host, { process }, { wanted, table }) => createProcessScraper(host, table, wanted, {
    include: nameFilter('names', process!.include),
    exclude: nameFilter('names', process!.exclude),
    delayMs: process!.scrape_process_delay,
    muted: mutedTroubles(process!),
    attributes: enabledAttributes(process!),
  }),
  system: (host) => createSystemScraper(host),
  pressure: (host) => createPressureScraper(host),
  cgroup: (host, { cgroup }, { wanted }) => createCgroupScraper(host, wanted, {
    own: cgroup!.own,
    include: cgroup!.include,
    exclude: cgroup!.exclude,
    groupsMax: cgroup!.cgroups_max,
  }),
  hardware: (host, { hardware }, { wanted }) => createHardwareScraper(host, wanted,
    Object.fromEntries((Object.keys(KINDS) as SensorKind[]).map((kind) => [kind, createFilter(
      nameFilter('sensors', hardware![kind].include),
      nameFilter('sensors', hardware![kind].exclude),
    )])) as Record<SensorKind, Accepts>),
};

/** The attributes that process resources are to have. */
export function enabledAttributes(config: NonNullable<ScrapersConfig['process']>): Set<string> {
  return new Set(Object.entries(config.resource_attributes)
    .filter(([, { enabled }]) => enabled).map(([name]) => name));
}

function mutedTroubles(config: NonNullable<ScrapersConfig['process']>): Set<Trouble> {
  if (config.mute_process_all_errors) return new Set(TROUBLES);
  return new Set(TROUBLES.filter((one) =>
    one !== 'other' && config[`mute_process_${one}_error`]));
}

const TROUBLES: readonly Trouble[] = ['name', 'exe', 'io', 'user', 'cgroup', 'other'];
