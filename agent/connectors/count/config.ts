// The keys of count, as the Collector's connector has them. A kind of record that no key names is
// counted under the Collector's default name.

import * as z from 'zod';
import { refusedKey, section, strictObject } from '../../../config/schema.ts';
import { ottlConditions } from '../../ottl/schema.ts';
import type { OttlContextName } from '../../ottl/view.ts';

/** What can be counted, with the context of its conditions. */
export const COUNTED = {
  spans: 'span',
  spanevents: 'spanevent',
  metrics: 'metric',
  datapoints: 'datapoint',
  logs: 'log',
} as const satisfies Record<string, OttlContextName>;

export type CountedKind = keyof typeof COUNTED;

const scalar = () => z.union([z.string(), z.number(), z.boolean()]);

const attribute = () => strictObject({
  key: z.string().min(1).describe('An attribute of the record, or else of its scope or resource.'),
  default_value: scalar()
    .describe('Its value where it is absent; such a record is not counted if there is none.')
    .optional(),
});

const noAttributes = () =>
  z.array(attribute()).max(0, 'is not supported: a metric has no attributes');

const info = (kind: CountedKind) => strictObject({
  description: z.string().describe('The description of the metric.').default(''),
  conditions: ottlConditions({ context: COUNTED[kind] })
    .describe('Only records for which one of them holds are counted; none: all records.')
    .default([]),
  attributes: (kind === 'metrics' ? noAttributes() : z.array(attribute()))
    .describe('There is a count for each combination of their values.').default([]),
});

const counts = (kind: CountedKind, name: string, what: string) =>
  z.preprocess((value) => value ?? undefined, z.record(z.string().min(1), info(kind))
    .describe(`Metrics that count ${what}, by name.`)
    .prefault({ [name]: { description: `The number of ${what}.` } }));

export const createSchema = () => section({
  spans: counts('spans', 'trace.span.count', 'spans'),
  spanevents: counts('spanevents', 'trace.span.event.count', 'events of spans'),
  metrics: counts('metrics', 'metric.count', 'metrics'),
  datapoints: counts('datapoints', 'metric.datapoint.count', 'data points'),
  logs: counts('logs', 'log.record.count', 'log records'),
  profiles: refusedKey('profiles are not known here'),
});

export type CountConfig = z.output<ReturnType<typeof createSchema>>;
export type CountInfo = CountConfig[CountedKind][string];
