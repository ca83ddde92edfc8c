// Which values attributes of metrics have had, and whether another one is one too many.
//
// A value may pass when it was seen in this epoch or the one before, or is one of the first so many
// that are new in this epoch. So what is steady passes, however much of it there is, and what
// explodes is held.
//
// Promises: at most `trackersMax` pairs of metric and attribute and `limits.valuesMax` values are
// remembered; what is beyond counts as one too many, of attributes that are watched, and passes, of
// those that are not. What was one too many is counted by a sketch.

import { createSketch, type Sketch } from './sketch.ts';

export interface TrackersOptions {
  readonly trackersMax: number;
  /** New values of an attribute of this metric in an epoch. */
  newMax(metric: string): number;
  /** An attribute has its first value too many in this epoch. */
  overflow(metric: string, attribute: string): void;
}

export interface Offender {
  readonly metric: string;
  readonly attribute: string;
  /** Values in the epoch, those too many by estimate. */
  readonly values: number;
}

export interface Trackers {
  /** The attributes of one metric. */
  metric(name: string): MetricTrackers;
  size(): number;
  /** Pairs that could not be watched, each time they were met. */
  rejected(): number;
  /** Those with most values, of this epoch and the one before. */
  offenders(most: number): readonly Offender[];
  /** Values that were held off, of all epochs that have ended and this one. */
  heldOff(): number;
  /** Begins an epoch. */
  rotate(): void;
}

export interface MetricTrackers {
  /** False: one too many. */
  passes(attribute: string, value: string): boolean;
}

interface Tracker {
  previous: Set<string>;
  current: Set<string>;
  /** New values in this epoch. */
  added: number;
  /** Of values too many in this epoch. */
  beyond: Sketch | null;
}

const limits = {
  /** Values of all attributes together; in each epoch what is beyond is one too many. */
  valuesMax: 1_000_000,
  /** Longer values are told apart by their length, beginning and end. */
  valueChars: 256,
} as const;

export function createTrackers({ trackersMax, newMax, overflow }: TrackersOptions): Trackers {
  const metrics = new Map<string, Map<string, Tracker>>();
  const overflowing = new Map<Tracker, { metric: string; attribute: string }>();
  let latest: readonly Offender[] = [];
  let trackers = 0;
  let values = 0;
  let rejected = 0;
  let heldOff = 0;

  const trackerAt = (own: Map<string, Tracker>, metric: string, attribute: string) => {
    const known = own.get(attribute);
    if (known !== undefined) return known;
    if (trackers >= trackersMax) return null;
    const created: Tracker = { previous: new Set(), current: new Set(), added: 0, beyond: null };
    if (own.size === 0) metrics.set(metric, own);
    own.set(attribute, created);
    trackers += 1;
    return created;
  };
  const passes = (tracker: Tracker, most: number, text: string): boolean => {
    if (tracker.current.has(text)) return true;
    const isKnown = tracker.previous.has(text);
    if (!isKnown && (tracker.added >= most || values >= limits.valuesMax)) return false;
    if (!isKnown) tracker.added += 1;
    tracker.current.add(text);
    values += 1;
    return true;
  };
  const now = (): Offender[] => [...overflowing].map(([{ current, beyond }, names]) =>
    ({ ...names, values: current.size + beyond!.count() }));
  const heldOffNow = () =>
    [...overflowing.keys()].reduce((sum, { beyond }) => sum + beyond!.count(), 0);
  return {
    metric: (name) => {
      const own = metrics.get(name) ?? new Map<string, Tracker>();
      const most = newMax(name);
      return { passes: (attribute, value) => {
        const tracker = trackerAt(own, name, attribute);
        if (tracker === null) {
          rejected += 1;
          return true;
        }
        const text = value.length <= limits.valueChars ? value : shortened(value);
        if (passes(tracker, most, text)) return true;
        if (tracker.beyond === null) {
          tracker.beyond = createSketch();
          overflowing.set(tracker, { metric: name, attribute });
          overflow(name, attribute);
        }
        tracker.beyond.add(text);
        return false;
      } };
    },
    size: () => trackers,
    rejected: () => rejected,
    offenders: (most) => {
      const current = now();
      const named = new Set(current.map(nameOf));
      const before = latest.filter((offender) => !named.has(nameOf(offender)));
      return [...current, ...before].sort((one, other) => other.values - one.values).slice(0, most);
    },
    heldOff: () => heldOff + heldOffNow(),
    rotate: () => {
      heldOff += heldOffNow();
      latest = now();
      overflowing.clear();
      values = 0;
      for (const [name, own] of metrics) {
        for (const [attribute, tracker] of own) {
          values += tracker.current.size;
          if (tracker.current.size === 0) {
            own.delete(attribute);
            trackers -= 1;
          }
          tracker.previous = tracker.current;
          tracker.current = new Set();
          tracker.added = 0;
          tracker.beyond = null;
        }
        if (own.size === 0) metrics.delete(name);
      }
    },
  };
}

const nameOf = ({ metric, attribute }: Offender): string => `${metric}\0${attribute}`;

function shortened(value: string): string {
  const part = limits.valueChars / 2;
  return `${value.length}:${value.slice(0, part)}${value.slice(-part)}`;
}
