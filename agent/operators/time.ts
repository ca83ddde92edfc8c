// Times: from a field of an entry to nanoseconds since the epoch, by a layout (../times) or as a
// number (`epoch`).

import * as z from 'zod';
import { fault, strictObject } from '../../config/schema.ts';
import type { Clock } from '../../runtime/clock.ts';
import { field, getField, type Entry, type Value } from './entry.ts';
import { parseGotime, parseStrptime, type Layout } from '../times/layout.ts';
import { momentNs, readMoment } from '../times/moment.ts';
import { parseZone, UTC } from '../times/zone.ts';
import { operatorKeys, stepOperator } from './step.ts';

const EPOCH_LAYOUTS = ['s', 'ms', 'us', 'ns', 's.ms', 's.us', 's.ns'];
/** The end of what fits in 64 bits unsigned. */
const TIME_NS_MAX = 2n ** 64n - 1n;
/** Longer text is no time. */
const TEXT_CHARS_MAX = 200;

/** The keys, for `timestamp` blocks and for time_parser. */
export const timeKeys = () => ({
  parse_from: field().describe('Field that holds the time.'),
  layout_type: z.enum(['strptime', 'gotime', 'epoch']).describe('How the layout is written.')
    .default('strptime'),
  layout: z.string().min(1).describe('What the time looks like, such as %Y-%m-%d %H:%M:%S.'),
  location: z.string().describe('Time zone of times without one: Local, UTC or a name such as '
    + 'Europe/Berlin.').optional(),
  time_zone_locations: z.record(z.string(), z.string())
    .describe('Time zone abbreviations (PDT) to locations.').default({}),
});

const shape = () => strictObject(timeKeys());
export type TimeConfig = z.output<ReturnType<typeof shape>>;

export const timeBlock = () => shape().superRefine((config, ctx) => {
  checkTime(config, ctx);
});

export const timeParser = stepOperator({
  keys: () => ({ ...operatorKeys(), ...timeKeys() }),
  check: checkTime,
  create: (config, { clock }) => createTime(config, clock),
});

/** Reports what of the keys cannot be used. */
export function checkTime(config: TimeConfig, ctx: z.core.$RefinementCtx<unknown>): void {
  if (config.layout_type === 'epoch') {
    if (!EPOCH_LAYOUTS.includes(config.layout)) {
      fault(ctx, 'is not a layout of type epoch', `known: ${EPOCH_LAYOUTS.join(', ')}`, ['layout']);
    }
  } else if (parseLayout(config) === null) {
    fault(ctx, `is not a layout of type ${config.layout_type}`,
      'write it like %Y-%m-%dT%H:%M:%S.%L%z (strptime) or 2006-01-02T15:04:05Z07:00 (gotime)',
      ['layout']);
  }
  const zones: [string, (string | number)[]][] = Object.entries(config.time_zone_locations)
    .map(([name, zone]) => [zone, ['time_zone_locations', name]]);
  if (config.location !== undefined) zones.push([config.location, ['location']]);
  for (const [zone, path] of zones) {
    if (parseZone(zone) === null) {
      fault(ctx, 'is not a time zone', 'write Local, UTC or a name such as Europe/Berlin', path);
    }
  }
}

/** Sets the time of an entry; answers what went wrong, or null. */
export type TimeStep = (entry: Entry) => string | null;

export function createTime(config: TimeConfig, clock: Clock): TimeStep {
  const read = createTimeReader(config, clock);
  return (entry) => {
    const value = getField(entry, config.parse_from);
    if (value === undefined) return 'the field of the time is not there';
    const timeNs = read(value);
    if (timeNs === null) return 'the time does not fit the layout';
    if (timeNs < 0n || timeNs > TIME_NS_MAX) return 'the time is out of range';
    entry.timeNs = timeNs;
    return null;
  };
}

/** Nanoseconds since the epoch, or null for what does not fit the layout. */
export function createTimeReader(
  config: Omit<TimeConfig, 'parse_from'>, clock: Clock,
): (value: Value) => bigint | null {
  return config.layout_type === 'epoch'
    ? (value) => readEpoch(value, config.layout)
    : layoutReader(config, clock);
}

type LayoutConfig = Omit<TimeConfig, 'parse_from'>;

function parseLayout({ layout, layout_type }: LayoutConfig): Layout | null {
  return layout_type === 'gotime' ? parseGotime(layout) : parseStrptime(layout);
}

function layoutReader(config: LayoutConfig, clock: Clock): (value: Value) => bigint | null {
  const layout = parseLayout(config)!;
  const zone = config.location === undefined && layout.endsInZ
    ? UTC
    : parseZone(config.location ?? 'Local')!;
  const zones = new Map(Object.entries(config.time_zone_locations)
    .map(([name, location]) => [name, parseZone(location)!]));
  return (value) => {
    if (typeof value !== 'string' || value.length > TEXT_CHARS_MAX) return null;
    const moment = readMoment(layout, value);
    return moment === null ? null : momentNs(moment, { zone, zones, nowMs: clock.nowMs() });
  };
}

const DIGITS: Record<string, number> = { s: 0, ms: 3, us: 6, ns: 9 };

/** Digits are moved as text, so that nanoseconds lose nothing where the value has them all. */
function readEpoch(value: Value, layout: string): bigint | null {
  const text = epochText(value);
  const match = text === null ? null : /^(-?\d{1,20})(?:\.(\d{1,18}))?$/.exec(text);
  if (match === null) return null;
  const [unit, fraction] = layout.split('.') as [string, string?];
  const whole = BigInt(match[1]!) * 10n ** BigInt(9 - DIGITS[unit]!);
  if (match[2] === undefined) return whole;
  if (fraction === undefined) return typeof value === 'number' ? whole : null;
  return whole + BigInt(match[2].padEnd(9, '0').slice(0, 9));
}

function epochText(value: Value): string | null {
  if (typeof value === 'string') return value.length <= TEXT_CHARS_MAX ? value : null;
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'number' || !Number.isFinite(value)) return null;
  return Number.isInteger(value) ? BigInt(value).toString() : value.toFixed(9);
}
