// How far the log of a container was read. The engine begins a log at a time, not at a message, and
// several messages can have one time; the two streams of a container may also come a little out of
// order. So a place is a time and how many messages to pass over from there:
//
//     since       the engine is asked for messages that are not before it
//     skip        so many of these have their verdict
//     newest      the time of the newest of them: what is later is new, whatever `skip` says (the
//                 engine may have removed old messages)
//
// `since` lags two seconds behind the newest message, in steps of a tenth of a second, so that only
// the messages of so many seconds are counted.

export interface Place {
  readonly sinceNs: bigint;
  readonly skip: number;
  readonly newestNs: bigint;
}

/** Before the first message that is not before this time. */
export const placeAt = (sinceNs: bigint): Place => ({ sinceNs, skip: 0, newestNs: sinceNs });

const STEP_NS = 100_000_000n;
const LAG_STEPS = 20n;

/** Counts messages that have their verdict, in the order of the log. */
export interface Course {
  readonly place: Place;
  /** Messages counted since it was created. */
  readonly count: number;
  /** As it will be with these messages; the course itself does not change. */
  with(timesNs: readonly bigint[]): Course;
}

export function createCourse(place: Place): Course {
  // What was counted before is all in one step, since nobody knows where in the two seconds it
  // lies: until these are over, nothing is taken off.
  return courseAt({ place, count: 0, steps: new Map([[stepOf(place.newestNs), place.skip]]),
    frozen: place.skip === 0 ? -1n : stepOf(place.newestNs) });
}

const stepOf = (timeNs: bigint): bigint => timeNs / STEP_NS;

interface Counted {
  readonly place: Place;
  readonly count: number;
  /** Messages by tenths of a second. */
  readonly steps: ReadonlyMap<bigint, number>;
  /** `since` is raised when it can pass this step. */
  readonly frozen: bigint;
}

function courseAt({ place, count, steps, frozen }: Counted): Course {
  return {
    place,
    count,
    with: (timesNs) => {
      const counted = new Map(steps);
      let { newestNs } = place;
      for (const timeNs of timesNs) {
        if (timeNs > newestNs) newestNs = timeNs;
        // One that has no time, or is older than what is asked for, is not sent again.
        if (timeNs < place.sinceNs) continue;
        const step = stepOf(timeNs);
        counted.set(step, (counted.get(step) ?? 0) + 1);
      }
      const first = stepOf(newestNs) - LAG_STEPS;
      const raised = first * STEP_NS > place.sinceNs && first > frozen;
      if (raised) for (const step of counted.keys()) if (step < first) counted.delete(step);
      const skip = [...counted.values()].reduce((sum, one) => sum + one, 0);
      const sinceNs = raised ? first * STEP_NS : place.sinceNs;
      return courseAt({
        place: { sinceNs, skip, newestNs }, count: count + timesNs.length, steps: counted, frozen,
      });
    },
  };
}

/** True for messages that are to be passed over, in the order of the log. */
export function createSkip({ skip, newestNs }: Place): (timeNs: bigint) => boolean {
  let left = skip;
  return (timeNs) => {
    if (left > 0 && timeNs > newestNs) left = 0;
    if (left === 0) return false;
    left -= 1;
    return true;
  };
}

/** Seconds with a fraction, as the engine takes them. */
export const sinceText = ({ sinceNs }: Place): string =>
  `${sinceNs / 1_000_000_000n}.${String(sinceNs % 1_000_000_000n).padStart(9, '0')}`;

export const encodePlace = ({ sinceNs, skip, newestNs }: Place): [string, number, string] =>
  [String(sinceNs), skip, String(newestNs)];

/** Null for anything that is none. */
export function decodePlace(value: unknown): Place | null {
  const [since, skip, newest] = Array.isArray(value) ? value : [];
  const isTime = (one: unknown): one is string => typeof one === 'string' && /^\d{1,20}$/.test(one);
  if (!isTime(since) || !isTime(newest) || !Number.isSafeInteger(skip) || skip < 0) return null;
  return { sinceNs: BigInt(since), skip, newestNs: BigInt(newest) };
}
