// How a value has changed since an earlier window of the same length.

import { fingerprintOf } from '../../labels/labels.ts';
import type { Sample } from '../model.ts';

export interface ChangeOptions {
  /** `percent` is 0 for no change, 100 for twice as much; `ratio` is 1 and 2. */
  readonly as: 'difference' | 'ratio' | 'percent';
  /** A group that is missing on one side counts as 0 there, or else has no sample. */
  readonly missingIsZero: boolean;
}

/**
 * Groups in the order of `now`, then those that are no more. From 0 to 0 nothing has changed; from
 * 0 to something the ratio and the percentage are infinite, with the sign of what is there now.
 * `extra`: `now` and `before`.
 */
export function changeSamples(
  now: readonly Sample[],
  before: readonly Sample[],
  { as, missingIsZero }: ChangeOptions,
): Sample[] {
  const earlier = new Map(before.map((sample) => [fingerprintOf(sample.labels), sample]));
  const samples: Sample[] = [];
  for (const sample of now) {
    const key = fingerprintOf(sample.labels);
    const found = earlier.get(key);
    earlier.delete(key);
    if (found === undefined && !missingIsZero) continue;
    samples.push(changed(sample, sample.value, found?.value ?? 0, as));
  }
  if (!missingIsZero) return samples;
  return [...samples, ...[...earlier.values()].map((gone) => changed(gone, 0, gone.value, as))];
}

const changed = (
  { labels }: Sample,
  now: number,
  before: number,
  as: ChangeOptions['as'],
): Sample => ({ labels, value: changeOf(now, before, as), extra: { now, before } });

export function changeOf(now: number, before: number, as: ChangeOptions['as']): number {
  if (as === 'difference') return now - before;
  const ratio = now === before ? 1 : before === 0 ? Math.sign(now) * Infinity : now / before;
  if (as === 'ratio') return ratio;
  // Of a negative value, more is still more.
  return now === before ? 0 : before === 0 ? ratio : (now - before) / Math.abs(before) * 100;
}
