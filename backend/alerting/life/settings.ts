// What an alerting file says about escalations and rotations:
//
//     escalations:
//       - name: shop
//         steps:
//           - {after: 10m, receiver: second-line}
//           - {after: 20m, on_call: leads, repeat: 10m}
//     rotations:
//       - name: leads
//         time_zone: Europe/Berlin
//         start: 2026-01-05
//         handover: '09:00'
//         people: [{name: ann, receiver: ann}, {name: bob, receiver: bob}]
//         overrides: [{person: bob, from: 2026-02-01T09:00, to: 2026-02-02T09:00}]
//
// A route names its escalation. Steps are counted from the first notification of a group.

import * as z from 'zod';
import type { ConfigProblem } from '../../../config/errors.ts';
import { problemAt } from '../../../config/parse.ts';
import { count, duration, fault, strictObject } from '../../../config/schema.ts';
import type { ConfigTree } from '../../../config/tree.ts';
import { isTimeZone } from '../times.ts';
import type { Escalation } from './escalations.ts';
import { instantAt, type Day, type Override, type Rotation } from './rotation.ts';

export const limits = {
  /** Steps of an escalation, people and overrides of a rotation; more are refused. */
  stepsMax: 20,
  peopleMax: 200,
  overridesMax: 1000,
} as const;

/** What the file's `escalations` and `rotations` become. */
export interface LifeSettings {
  readonly escalations: readonly Escalation[];
  readonly rotations: readonly Rotation[];
}

/** For the keys of the file, by their names. */
export const lifeSchemas = () => ({ escalations: escalations(), rotations: rotations() });

/** Of what the schemas made; nothing where the file says nothing. */
export const lifeSettings = (life: Readonly<Record<string, unknown>>): LifeSettings => ({
  escalations: (life['escalations'] ?? []) as readonly Escalation[],
  rotations: (life['rotations'] ?? []) as readonly Rotation[],
});

const name = () => z.string().min(1).max(200);

const escalations = (): z.ZodType<Escalation[]> => z.array(strictObject({
  name: name().describe('Name that routes use.'),
  steps: z.array(strictObject({
    after: duration({ min: '1s' }).describe('Time without acknowledgement since the step before.'),
    receiver: name().describe('Receiver that is told.').optional(),
    on_call: name().describe('Rotation whose person on call is told.').optional(),
    repeat: duration({ min: '1m' }).describe('Told again so often, until the next step.')
      .optional(),
  }).superRefine((step, ctx) => {
    if ((step.receiver === undefined) !== (step.on_call === undefined)) return;
    fault(ctx, 'needs either receiver or on_call', 'name whom the step tells');
  })).min(1).max(limits.stepsMax).describe('One after another.'),
})).transform((written): Escalation[] => written.map(({ name: called, steps }) => ({
  name: called,
  steps: steps.map(({ after, receiver = '', on_call: rotation = '', repeat = 0 }) =>
    ({ afterMs: after, receiver, rotation, repeatMs: repeat })),
}))).describe('Who is told when nobody acknowledges.').optional() as unknown as
  z.ZodType<Escalation[]>;

const DAY = /^(\d{4})-(\d\d)-(\d\d)$/;
const MOMENT = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::00)?)?(Z|[-+]\d\d:\d\d)?$/;
const TIME = /^([01]\d|2[0-3]):([0-5]\d)$/;

const rotations = (): z.ZodType<Rotation[]> => z.array(strictObject({
  name: name().describe('Name that steps use.'),
  time_zone: z.string().refine(isTimeZone, 'is not a time zone, such as Europe/Berlin')
    .describe('Of handovers, start and overrides.').default('UTC'),
  start: z.string().regex(DAY, 'must be a day, such as 2026-01-05')
    .describe('Day on which the turn of the first person begins.'),
  handover: z.string().regex(TIME, 'must be a time, such as 09:00')
    .describe('When turns change.').default('09:00'),
  shift_days: count({ min: 1, max: 366 }).describe('Days of a turn.').default(7),
  people: z.array(strictObject({
    name: name().describe('Who.'),
    receiver: name().describe('Receiver that reaches this person.'),
  })).min(1).max(limits.peopleMax).describe('In the order of their turns.'),
  overrides: z.array(strictObject({
    person: name().describe('Who stands in; one of the people.'),
    from: moment().describe('When that begins.'),
    to: moment().describe('When it ends.'),
  })).max(limits.overridesMax).describe('Who stands in for a while.').default([]),
})).superRefine((written, ctx) => written.forEach(({ people, overrides }, index) => {
  for (const [at, { person, from, to }] of overrides.entries()) {
    const path = [index, 'overrides', at];
    if (!people.some((one) => one.name === person)) {
      fault(ctx, 'is none of the people of the rotation', '', [...path, 'person']);
    }
    if (Date.parse(utcOf(to)) <= Date.parse(utcOf(from))) {
      fault(ctx, 'must be after from', '', [...path, 'to']);
    }
  }
})).transform((written) => written.map((one): Rotation => ({
  name: one.name, timeZone: one.time_zone, start: dayOf(one.start),
  handoverMinute: minuteOf(one.handover), shiftDays: one.shift_days,
  people: one.people as unknown as Rotation['people'],
  overrides: one.overrides.map(({ person, from, to }): Override => ({
    person, fromMs: momentOf(from, one.time_zone), toMs: momentOf(to, one.time_zone),
  })),
}))).describe('Who takes turns on call.').optional() as unknown as z.ZodType<Rotation[]>;

const moment = () => z.string().regex(MOMENT, 'must be a time, such as 2026-02-01T09:00');

function dayOf(text: string): Day {
  const [, year, month, day] = DAY.exec(text)!;
  return { year: Number(year), month: Number(month), day: Number(day) };
}

function minuteOf(text: string): number {
  const [, hour, minute] = TIME.exec(text)!;
  return Number(hour) * 60 + Number(minute);
}

/** Without an offset it is what the clock of the zone shows. */
function momentOf(text: string, timeZone: string): number {
  const hasOffset = MOMENT.exec(text)?.[3] !== undefined;
  const ms = Date.parse(utcOf(text));
  return hasOffset ? ms : instantAt(ms, timeZone);
}

function utcOf(text: string): string {
  const [, day = '', time = '00:00', offset = 'Z'] = MOMENT.exec(text) ?? [];
  return `${day}T${time}${offset}`;
}

/** What no schema sees: names that mean nothing, and names that mean two things. */
export function lifeProblems(
  { escalations: chains, rotations: turns }: LifeSettings,
  receivers: readonly string[],
  tree: ConfigTree,
): ConfigProblem[] {
  const names = turns.map((one) => one.name);
  const unknown = (path: (string | number)[], noun: string, known: readonly string[]) =>
    problemAt(tree, path, { why: `names a ${noun} that there is not`,
      hint: known.length === 0 ? `there is no ${noun}` : `there are ${known.join(', ')}` });
  return [
    ...twice(chains, 'escalations', tree), ...twice(turns, 'rotations', tree),
    ...chains.flatMap(({ steps }, index) => steps.flatMap(({ receiver, rotation }, at) => {
      const path = ['escalations', index, 'steps', at];
      if (receiver !== '' && !receivers.includes(receiver)) {
        return [unknown([...path, 'receiver'], 'receiver', receivers)];
      }
      return rotation === '' || names.includes(rotation) ? []
        : [unknown([...path, 'on_call'], 'rotation', names)];
    })),
    ...turns.flatMap(({ people }, index) => people.flatMap(({ receiver }, at) =>
      (receivers.includes(receiver) ? []
        : [unknown(['rotations', index, 'people', at, 'receiver'], 'receiver', receivers)]))),
  ];
}

const twice = (named: readonly { readonly name: string }[], key: string, tree: ConfigTree) =>
  named.flatMap((one, index) =>
    (named.findIndex((other) => other.name === one.name) === index ? []
      : [problemAt(tree, [key, index, 'name'], { why: 'is the name of another one',
          hint: 'names are unique' })]));
