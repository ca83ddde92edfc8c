// What a scraper is: one subject (cpu, memory, …), its table of metrics, and how to read it.

import type { Host } from './host.ts';
import { NO_ATTRIBUTES, type Sample, type Scrape } from '../readings/readings.ts';

export interface Scraper {
  /** As in the configuration; also the end of its scope's name. */
  readonly name: string;
  /**
   * Reads the host once. Never called again before it has answered. Throws an error with a
   * sentence when it could read nothing.
   */
  scrape(): Promise<Scrape>;
}

/** True for metrics that somebody wants: what only others need is not read. */
export type Wanted = (metric: string) => boolean;

/** A scraper whose samples are all of the host itself and of one moment. */
export function hostScraper(
  name: string,
  host: Host,
  read: (problems: string[]) => Promise<readonly Sample[]>,
): Scraper {
  return {
    name,
    scrape: async () => {
      const startNs = host.bootNs();
      const timeNs = host.nowNs();
      const problems: string[] = [];
      const samples = await read(problems);
      return { readings: [{ resource: NO_ATTRIBUTES, startNs, timeNs, samples }], problems };
    },
  };
}
