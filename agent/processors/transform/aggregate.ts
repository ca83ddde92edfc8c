// Editors that put data points of a metric together: aggregate_on_attributes and
// aggregate_on_attribute_value. Points become one when they have the same attributes and time, and,
// of delta metrics, the same start. Histograms of other bounds stay apart.

import type {
  Attributes, DataPoint, Metric, MetricData, NumberDataPoint, NumberValue,
} from '../../../proto/otlp/model.ts';
import { addAmounts, addNumbers, amountOf, withAmount } from '../../series/amounts.ts';
import { attributesKey } from '../../series/identity.ts';
import { fail } from '../../ottl/fault.ts';
import { editor, type FunctionSpec } from '../../ottl/functions/function.ts';
import {
  literalText, literalTexts, literalWord, optional,
} from '../../ottl/functions/parameters.ts';
import { findKey, stringAny, withKey } from '../../ottl/value.ts';
import { draftOf, type OttlView } from '../../ottl/view.ts';
import { METRIC_ONLY } from './convert.ts';

const AGGREGATIONS = ['sum', 'max', 'min', 'mean', 'median', 'count'] as const;
type Aggregation = (typeof AGGREGATIONS)[number];

const aggregation = () => literalWord(AGGREGATIONS);

const onAttributes = editor('aggregate_on_attributes', {
  function: aggregation(), attributes: optional(literalTexts()),
}, ({ function: how, attributes }) => {
  const kept = attributes === undefined ? undefined : new Set(attributes);
  const chosen = kept === undefined ? (all: Attributes) => all
    : (all: Attributes) => all.filter(({ key }) => kept.has(key));
  return (view) => aggregate(view, how, chosen);
}, METRIC_ONLY);

const onValue = editor('aggregate_on_attribute_value', {
  function: aggregation(), attribute: literalText(), values: literalTexts(),
  newValue: literalText(),
}, ({ function: how, attribute, values, newValue }) => {
  const replaced = new Set(values);
  return (view) => aggregate(view, how, (all) => {
    const found = findKey(all, attribute);
    return found?.type === 'string' && replaced.has(found.value)
      ? withKey(all, attribute, stringAny(newValue)) : all;
  });
}, METRIC_ONLY);

function aggregate(
  view: OttlView, how: Aggregation, chosen: (attributes: Attributes) => Attributes,
): void {
  const { data } = view.metric!;
  if (data === undefined) return;
  if (data.type === 'summary') fail('summaries cannot be aggregated');
  const isNumber = data.type === 'gauge' || data.type === 'sum';
  if (!isNumber && how !== 'sum') fail(`histograms cannot be aggregated by ${how}`);
  const byStart = 'aggregationTemporality' in data && data.aggregationTemporality === 1;
  const groups = groupPoints(data.dataPoints.map((point: DataPoint) =>
    ({ ...point, attributes: chosen(point.attributes) })), byStart);
  const dataPoints = [...groups.values()].flatMap((points) => (isNumber
    ? [mergedNumbers(points as NumberDataPoint[], how)] : mergedHistograms(points, data)));
  draftOf(view, 'metric').data = { ...data, dataPoints } as unknown as Metric['data'];
}

function groupPoints(points: readonly DataPoint[], byStart: boolean): Map<string, DataPoint[]> {
  const groups = new Map<string, DataPoint[]>();
  for (const point of points) {
    const start = byStart ? point.startTimeUnixNano : '';
    const key = `${point.timeUnixNano};${start};${attributesKey(point.attributes)}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [point]);
    else group.push(point);
  }
  return groups;
}

const earliest = (points: readonly DataPoint[]): bigint =>
  points.reduce((least, { startTimeUnixNano: start }) => (start < least ? start : least),
    points[0]!.startTimeUnixNano);

function mergedNumbers(points: readonly NumberDataPoint[], how: Aggregation): NumberDataPoint {
  const values = points.flatMap(({ value }) => (value === undefined ? [] : [value]));
  const value = values.length === 0 ? undefined : merged(values, how);
  return { ...points[0]!, startTimeUnixNano: earliest(points), value };
}

function merged(values: readonly NumberValue[], how: Aggregation): NumberValue {
  switch (how) {
    case 'sum':
      return values.reduce(addNumbers);
    case 'max':
      return values.reduce((most, value) => (value.value > most.value ? value : most));
    case 'min':
      return values.reduce((least, value) => (value.value < least.value ? value : least));
    case 'mean':
      return divided(values.reduce(addNumbers), values.length);
    case 'median':
      return median(values);
    case 'count':
      return { type: 'int', value: BigInt(values.length) };
  }
}

/** Ints stay ints, without what is behind the point. */
function divided(sum: NumberValue, by: number): NumberValue {
  return sum.type === 'int' ? { type: 'int', value: sum.value / BigInt(by) }
    : { type: 'double', value: sum.value / by };
}

function median(values: readonly NumberValue[]): NumberValue {
  const sorted = values.toSorted((a, b) => (a.value < b.value ? -1 : Number(a.value > b.value)));
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return divided(addNumbers(sorted[middle - 1]!, sorted[middle]!), 2);
}

/** Those that cannot be added stay as they are. */
function mergedHistograms(
  points: readonly DataPoint[], data: Exclude<MetricData, { type: 'gauge' | 'summary' }>,
): DataPoint[] {
  const result: DataPoint[] = [];
  for (const point of points) {
    const index = result.findIndex((one) => add(one, point, data.type) !== null);
    if (index === -1) result.push(point);
    else result[index] = add(result[index]!, point, data.type)!;
  }
  return result;
}

function add(one: DataPoint, other: DataPoint, type: Parameters<typeof amountOf>[0]) {
  const [first, second] = [amountOf(type, one), amountOf(type, other)];
  const sum = first === null || second === null ? null : addAmounts(first, second);
  return sum === null ? null : withAmount(one, sum, earliest([one, other]));
}

export const AGGREGATE_EDITORS: readonly FunctionSpec[] = [onAttributes, onValue];
