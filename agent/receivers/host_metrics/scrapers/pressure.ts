// Pressure stall information (Documentation/accounting/psi.rst): how long tasks waited for CPU,
// memory or disk. Each file of /proc/pressure has
//
//     some avg10=0.00 avg60=0.54 avg300=0.78 total=18700858        (percent, microseconds)
//     full avg10=0.00 avg60=0.00 avg300=0.00 total=0
//
// The names follow the Collector's pressure scraper that is being added there; it has the same
// shape: `total` in seconds is on, the averages (as shares of 1) are off. Kernels without PSI have
// no such folder, and kernels before 6.1 no `irq`.

import type { Attributes } from '../../../../proto/otlp/model.ts';
import { type Host } from '../host.ts';
import { text, type MetricDefinition, type Sample } from '../../readings/readings.ts';
import { hostScraper, type Scraper } from '../scraper.ts';

const SUBJECTS: Record<string, string> = {
  cpu: 'a CPU', memory: 'memory', io: 'disk or network storage', irq: 'interrupts to be served',
};
const AVERAGES: Record<string, string> = { avg10: '10s', avg60: '1m', avg300: '5m' };

export const pressureMetrics: readonly MetricDefinition[] = Object.entries(SUBJECTS)
  .flatMap(([subject, words]): MetricDefinition[] => [
    {
      name: `system.${subject}.linux.pressure.total`, unit: 's', kind: 'counter', value: 'double',
      enabled: true, description: `Time in which tasks waited for ${words}.`,
    },
    ...Object.values(AVERAGES).map((span): MetricDefinition => ({
      name: `system.${subject}.linux.pressure.${span}`, unit: '1', kind: 'gauge', value: 'double',
      enabled: false, description: `Share of the last ${span} in which tasks waited for ${words}.`,
    })),
  ]);

const ATTRIBUTES = {
  some: [text('system.pressure.stall_type', 'some')],
  full: [text('system.pressure.stall_type', 'full')],
};

export function createPressureScraper(host: Host): Scraper {
  return hostScraper('pressure', host, async () => {
    const samples: Sample[] = [];
    for (const subject of Object.keys(SUBJECTS)) {
      const content = host.readNowIfThere(`/proc/pressure/${subject}`);
      if (content !== null) samples.push(...pressureSamples(subject, content));
    }
    if (samples.length > 0) return samples;
    throw new Error('cannot read /proc/pressure: this kernel runs without pressure information');
  });
}

export function pressureSamples(subject: string, content: string): Sample[] {
  const prefix = `system.${subject}.linux.pressure`;
  return parsePressure(content).flatMap(({ attributes, shares, totalSeconds }): Sample[] => [
    { metric: `${prefix}.total`, value: totalSeconds, attributes },
    ...Object.values(AVERAGES).map((span, index) =>
      ({ metric: `${prefix}.${span}`, value: shares[index]!, attributes })),
  ]);
}

export interface Pressure {
  readonly attributes: Attributes;
  /** Of the last 10, 60 and 300 seconds. */
  readonly shares: readonly number[];
  readonly totalSeconds: number;
}

/** The lines of one file, also of one that a control group has. */
export function parsePressure(content: string): Pressure[] {
  const lines = content.matchAll(
    /^(some|full) avg10=([\d.]+) avg60=([\d.]+) avg300=([\d.]+) total=(\d+)$/gm);
  return [...lines].map(([, type, ten, sixty, threeHundred, total]) => ({
    attributes: ATTRIBUTES[type as 'some' | 'full'],
    shares: [ten, sixty, threeHundred].map((percent) => Number(percent) / 100),
    totalSeconds: Number(total) / 1e6,
  }));
}
