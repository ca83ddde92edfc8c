// How many processes there are in each state, and how many were ever created.
//
// As in the Collector (processesscraper/processes_scraper_unix.go) `running` and `blocked` are
// what /proc/stat says of the whole host at one moment (procs_running, procs_blocked; these count
// threads), the other states are the letters in /proc/<pid>/stat. The states that Linux has are
// always told, also when there is no such process.

import { namedNumbers, type Host } from '../host.ts';
import type { ProcessTable } from '../process_table.ts';
import {
  NO_ATTRIBUTES, text, type MetricDefinition, type Sample,
} from '../../readings/readings.ts';
import { hostScraper, type Scraper } from '../scraper.ts';

export const processesMetrics: readonly MetricDefinition[] = [
  {
    name: 'system.processes.count', unit: '{processes}', kind: 'level', value: 'int',
    enabled: true, description: 'Processes in each state.',
  },
  {
    name: 'system.processes.created', unit: '{processes}', kind: 'counter', value: 'int',
    enabled: true, description: 'Processes created since the host was started.',
  },
];

/** gopsutil's reading of the letters (process.go, convertStatusChar), in the Collector's words. */
const STATUS_BY_LETTER: Record<string, string> = {
  D: 'blocked', I: 'idle', R: 'running', S: 'sleeping', T: 'stopped', t: 'stopped',
  W: 'paging', Z: 'zombies',
};
const ALWAYS = ['blocked', 'idle', 'running', 'sleeping', 'stopped', 'zombies'];

export function createProcessesScraper(host: Host, table: ProcessTable): Scraper {
  return hostScraper('processes', host, async () => {
    const processes = await table.read();
    const letters = processes.map(({ state }) => state);
    return processesSamples(letters, host.readNow('/proc/stat'));
  });
}

export function processesSamples(letters: readonly string[], stat: string): Sample[] {
  const counts = new Map(ALWAYS.map((status) => [status, 0]));
  for (const letter of letters) {
    const status = STATUS_BY_LETTER[letter] ?? 'unknown';
    counts.set(status, (counts.get(status) ?? 0) + 1);
  }
  const numbers = namedNumbers(stat);
  counts.set('running', numbers.get('procs_running') ?? counts.get('running')!);
  counts.set('blocked', numbers.get('procs_blocked') ?? counts.get('blocked')!);
  return [...countSamples(counts), {
    metric: 'system.processes.created',
    value: numbers.get('processes') ?? NaN,
    attributes: NO_ATTRIBUTES,
  }];
}

export function countSamples(counts: ReadonlyMap<string, number>): Sample[] {
  return [...counts].map(([status, value]) => ({
    metric: 'system.processes.count', value, attributes: [text('status', status)],
  }));
}
