// What a person writes behind `value`: what becomes of the records in the window.

import { closestWord } from '../../../config/errors.ts';
import { FUNCTIONS } from '../../metrics/question.ts';
import type { Aggregate } from '../model.ts';
import { refuse, type Read } from './condition.ts';

type OfMetric = Extract<Aggregate, { type: 'metric' }>;

const COUNTED = ['count', 'rate', 'error_rate'] as const;
const OF_FIELD = ['sum', 'avg', 'min', 'max', 'distinct'] as const;

/** Of logs and spans: `count` unless something is written. */
export function parseAggregate(text: string, signal: 'logs' | 'traces'): Read<Aggregate> {
  const counted = COUNTED.find((one) => one === text);
  if (counted !== undefined) return { ok: true, value: { type: counted } };
  const [, name = '', field] = /^([a-z_]+[\d.]*)(?:\(\s*([^()\s]+)\s*\))?$/.exec(text) ?? [];
  const level = quantileOf(name);
  if (level !== null) {
    const of = field ?? (signal === 'traces' ? 'duration' : null);
    if (of !== null) return { ok: true, value: { type: 'quantile', field: of, level } };
    return refuse('needs a field of the logs',
      `write ${name}(field), such as ${name}(duration_ms)`);
  }
  const ofField = OF_FIELD.find((one) => one === name);
  if (ofField !== undefined) {
    if (field !== undefined) return { ok: true, value: { type: ofField, field } };
    return refuse('needs a field', `write ${name}(field)`);
  }
  return refuse('is nothing that can be measured', hintOf(name, [...COUNTED, ...OF_FIELD, 'p95']));
}

/** Of metrics: what becomes of the points of a series, then of the series of a group. */
export function parseMetricAggregate(
  text: string,
  across: OfMetric['across'] | undefined,
): Read<Aggregate> {
  const level = quantileOf(text);
  const found = level === null ? FUNCTIONS.find((one) => one === text) : 'quantile';
  if (found === undefined || text === 'quantile') {
    return refuse('is nothing that can be measured', text === 'quantile' ? 'write p95'
      : hintOf(text, [...FUNCTIONS.filter((one) => one !== 'quantile'), 'p95']));
  }
  const usual = ADDED.includes(found) ? 'sum' : 'avg';
  return { ok: true, value: {
    type: 'metric', function: found, level: level ?? 0, across: across ?? usual,
  } };
}

/** What was added, adds up. */
const ADDED: readonly string[] = ['rate', 'increase', 'count'];

/** `p95` → 0.95. */
function quantileOf(name: string): number | null {
  const digits = /^p(\d{1,2}(?:\.\d{1,4})?)$/.exec(name)?.[1];
  const level = Number(`${digits ?? ''}e-2`);
  return digits !== undefined && level > 0 ? level : null;
}

function hintOf(word: string, known: readonly string[]): string {
  const closest = closestWord(word, known);
  const listed = `known: ${known.join(', ')}`;
  return closest === null ? listed : `did you mean ${closest}? ${listed}`;
}
