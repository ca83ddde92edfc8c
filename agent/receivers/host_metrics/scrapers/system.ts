// How long the host has been up, from /proc/uptime (proc_uptime(5)): `seconds idle-seconds`.

import { fields, type Host } from '../host.ts';
import { NO_ATTRIBUTES, type MetricDefinition, type Sample } from '../../readings/readings.ts';
import { hostScraper, type Scraper } from '../scraper.ts';

export const systemMetrics: readonly MetricDefinition[] = [
  {
    name: 'system.uptime', unit: 's', kind: 'gauge', value: 'double', enabled: true,
    description: 'Time since the host was started.',
  },
];

export function createSystemScraper(host: Host): Scraper {
  return hostScraper('system', host, async () => uptimeSamples(host.readNow('/proc/uptime')));
}

export function uptimeSamples(uptime: string): Sample[] {
  const [first] = fields(uptime);
  const value = first !== undefined && /^\d+(\.\d+)?$/.test(first) ? Number(first) : NaN;
  return [{ metric: 'system.uptime', value, attributes: NO_ATTRIBUTES }];
}
