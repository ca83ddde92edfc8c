// Load averages from /proc/loadavg (proc_loadavg(5)): `0.20 0.18 0.12 1/80 11206`. With
// `cpu_average` they are divided by the number of logical CPUs.

import { fields, type Host } from '../host.ts';
import { NO_ATTRIBUTES, type MetricDefinition, type Sample } from '../../readings/readings.ts';
import { hostScraper, type Scraper } from '../scraper.ts';
import { parseCpuTimes } from './cpu.ts';

const MINUTES = ['1m', '5m', '15m'] as const;

export const loadMetrics: readonly MetricDefinition[] = MINUTES.map((minutes) => ({
  name: `system.cpu.load_average.${minutes}`,
  unit: '{thread}',
  kind: 'gauge',
  value: 'double',
  enabled: true,
  description: `Threads that ran or waited to run, averaged over ${minutes.slice(0, -1)} min.`,
}));

export function createLoadScraper(host: Host, cpuAverage: boolean): Scraper {
  return hostScraper('load', host, async () => {
    const averages = host.readNow('/proc/loadavg');
    const divisor = cpuAverage ? parseCpuTimes(host.readNow('/proc/stat')).size : 1;
    return loadSamples(averages, divisor);
  });
}

export function loadSamples(loadavg: string, divisor: number): Sample[] {
  const averages = fields(loadavg).map((field) => (/^\d+\.\d+$/.test(field) ? Number(field) : NaN));
  return MINUTES.map((minutes, index) => ({
    metric: `system.cpu.load_average.${minutes}`,
    value: (averages[index] ?? NaN) / divisor,
    attributes: NO_ATTRIBUTES,
  }));
}
