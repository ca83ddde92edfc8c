// Many seeds, one after the other: what sim.test.ts runs in a thread of its own.

import { report, simulate } from './run.ts';

export interface SeedsRun {
  /** Stored by all of them. */
  readonly rows: number;
  /** The report of the first that broke a law, which is the last that ran; null is the wish. */
  readonly failed: string | null;
}

/** Simulates the seeds from 1 to `count`. */
export async function simulateSeeds(count: number): Promise<SeedsRun> {
  let rows = 0;
  for (let seed = 1; seed <= count; seed++) {
    const verdict = await simulate(seed);
    rows += verdict.rows;
    if (verdict.broken.length > 0) return { rows, failed: report(verdict) };
  }
  return { rows, failed: null };
}
