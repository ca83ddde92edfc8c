// Who is on call: people who take turns, as the clock on a wall shows it.
//
// - A turn begins at `handover` of a day, every `shift_days` days from `start` on; days are those
//   of the place: over a change of daylight saving time a turn is an hour shorter or longer.
// - Before `start` the turns are counted backwards, so that somebody is always on call.
// - An override puts somebody in for a while; of several the last one counts.

import { wallClock } from '../times.ts';

export interface Rotation {
  readonly name: string;
  /** An IANA name. */
  readonly timeZone: string;
  /** Day on which the turn of the first person begins. */
  readonly start: Day;
  /** Minutes since midnight. */
  readonly handoverMinute: number;
  readonly shiftDays: number;
  readonly people: readonly [Person, ...Person[]];
  readonly overrides: readonly Override[];
}

export interface Day {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

export interface Person {
  readonly name: string;
  /** How this person is told. */
  readonly receiver: string;
}

export interface Override {
  /** Name of one of the people. */
  readonly person: string;
  readonly fromMs: number;
  /** Not inside. */
  readonly toMs: number;
}

export interface Turn {
  readonly person: Person;
  /** Begin and end, also of an override. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly override: boolean;
}

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** Whose turn it is at an instant. An override inside of a turn cuts nothing from its times. */
export function turnAt(rotation: Rotation, atMs: number): Turn {
  const { people, overrides } = rotation;
  const override = overrides.findLast(({ fromMs, toMs }) => fromMs <= atMs && atMs < toMs);
  const stand = override === undefined ? undefined
    : people.find(({ name }) => name === override.person);
  if (override !== undefined && stand !== undefined) {
    return { person: stand, fromMs: override.fromMs, toMs: override.toMs, override: true };
  }
  const index = turnIndex(rotation, atMs);
  const at = ((index % people.length) + people.length) % people.length;
  return { person: people[at]!, fromMs: beginOf(rotation, index),
    toMs: beginOf(rotation, index + 1), override: false };
}

function turnIndex({ timeZone, start, handoverMinute, shiftDays }: Rotation, atMs: number): number {
  const { year, month, day, minute } = wallClock(atMs, timeZone);
  const days = dayNumber({ year, month, day }) - dayNumber(start);
  return Math.floor((days - (minute < handoverMinute ? 1 : 0)) / shiftDays);
}

const dayNumber = ({ year, month, day }: Day): number => Date.UTC(year, month - 1, day) / DAY_MS;

const beginOf = ({ timeZone, start, handoverMinute, shiftDays }: Rotation, index: number): number =>
  instantAt((dayNumber(start) + index * shiftDays) * DAY_MS + handoverMinute * MINUTE_MS, timeZone);

/**
 * The instant at which the clock of a zone shows what UTC shows at `shownMs`; where the clock
 * leaves that out, an hour later, and where it shows it twice, the first time.
 */
export function instantAt(shownMs: number, timeZone: string): number {
  const offsetAt = (ms: number) => {
    const { year, month, day, minute } = wallClock(ms, timeZone);
    return dayNumber({ year, month, day }) * DAY_MS + minute * MINUTE_MS
      - Math.floor(ms / MINUTE_MS) * MINUTE_MS;
  };
  // The offsets of a day before and after are the two that can count.
  const candidates = [offsetAt(shownMs - DAY_MS), offsetAt(shownMs + DAY_MS)]
    .map((offset) => shownMs - offset).sort((one, other) => one - other);
  return candidates.find((ms) => ms + offsetAt(ms) === shownMs) ?? candidates.at(-1)!;
}
