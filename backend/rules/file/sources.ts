// What a rule measures: exactly one of its keys says it, and the others must fit to that one.

import type { ConfigPath } from '../../../config/errors.ts';
import type { Signal } from '../../../proto/otlp/model.ts';
import { SearchError, type SearchNode } from '../../search/node.ts';
import { parseSearch } from '../../search/parse.ts';
import { planSearch } from '../../search/plan.ts';
import type { Aggregate, RuleSource, SignalQuery } from '../model.ts';
import { parseAggregate, parseMetricAggregate } from './aggregate.ts';
import { analysisOf, ANALYSES } from './analyses.ts';
import { parseComposite } from './composite.ts';
import type { AbsentShape, RuleShape } from './shape.ts';
import type { Sheet } from './sheet.ts';
import { sloOf } from './slo.ts';
import { durationText, type ReadRulesOptions } from './options.ts';

const KINDS = ['logs', 'spans', 'metric', 'sql', 'absent', 'slo', 'composite'] as const;
type Kind = (typeof KINDS)[number];

/** Keys that say how something is measured, and with which kinds they mean something. */
const BELONGS: Readonly<Record<string, readonly Kind[]>> = {
  where: ['metric'], across: ['metric'],
  value: ['logs', 'spans', 'metric'], by: ['logs', 'spans', 'metric'],
  over: ['logs', 'spans', 'metric', 'sql'],
  change: ['logs', 'spans', 'metric'], anomaly: ['logs', 'spans', 'metric'],
  forecast: ['logs', 'spans', 'metric'],
  on: ['composite'], stale: ['composite'],
};

/** Where a rule stands, and what it may do. */
export interface Spot {
  readonly sheet: Sheet;
  readonly path: ConfigPath;
  readonly options: ReadRulesOptions;
}

/** Null when something is wrong with it; then it was reported. */
export function sourceOf(shape: RuleShape, spot: Spot): RuleSource | null {
  const kind = kindOf(shape, spot);
  if (kind === null) return null;
  const { sheet, path } = spot;
  let fits = true;
  for (const [key, kinds] of Object.entries(BELONGS)) {
    if (kinds.includes(kind) || !sheet.has(path, key)) continue;
    fits = false;
    sheet.report([...path, key], { part: 'key', why: `means nothing with ${kind}`,
      hint: ['absent', 'slo'].includes(kind) && ['by', 'where'].includes(key)
        ? `write it below ${kind}` : `it belongs to ${kinds.join(', ')}` });
  }
  if (!fits) return null;
  switch (kind) {
    case 'sql': return sqlOf(shape, spot);
    case 'absent': return absenceOf(shape.absent!, { ...spot, path: [...path, 'absent'] });
    case 'slo': return sloOf(shape.slo!, { ...spot, path: [...path, 'slo'] });
    case 'composite': return compositeOf(shape, spot);
    default: return measuredOf(shape, spot);
  }
}

function kindOf(shape: RuleShape, { sheet, path }: Spot): Kind | null {
  const said = KINDS.filter((kind) => shape[kind] !== undefined);
  if (said.length === 1) return said[0]!;
  if (said.length === 0) {
    sheet.report(path, { why: 'does not say what it measures',
      hint: `write one of ${KINDS.join(', ')}` });
  }
  for (const kind of said.slice(1)) {
    sheet.report([...path, kind], { part: 'key', why: `the rule measures ${said[0]} already`,
      hint: 'make two rules of it' });
  }
  return null;
}

function sqlOf({ sql = '', over }: RuleShape, spot: Spot): RuleSource | null {
  const { sheet, path } = spot;
  const overMs = windowOf(over ?? DEFAULT_OVER_MS, [...path, 'over'], spot);
  const missing = ['from', 'to'].filter((name) => !new RegExp(`\\{\\s*${name}\\s*:`).test(sql));
  if (missing.length > 0) {
    sheet.report([...path, 'sql'], {
      why: `does not use {${missing[0]}:DateTime64(9)}`,
      hint: 'write WHERE Timestamp >= {from:DateTime64(9)} AND Timestamp < {to:DateTime64(9)}',
    });
    return null;
  }
  return overMs === null ? null : { type: 'sql', sql, overMs };
}

const DEFAULT_OVER_MS = 300_000;

/** A signal, and what is made of its values: a change, an anomaly, a forecast. */
function measuredOf(shape: RuleShape, spot: Spot): RuleSource | null {
  const { sheet, path } = spot;
  const said = ANALYSES.filter((key) => shape[key] !== undefined);
  for (const key of said.slice(1)) {
    sheet.report([...path, key], { part: 'key', why: `cannot stand beside ${said[0]}`,
      hint: 'make two rules of it' });
  }
  if (said.length > 1) return null;
  const search = signalOf(shape, spot);
  const aggregate = aggregateOf(shape, spot);
  const by = groupByOf(shape.by ?? [], [...path, 'by'], sheet);
  if (search === null || aggregate === null || by === null) return null;
  const query = (overMs: number): SignalQuery => ({ ...search, aggregate, overMs, groupBy: by });
  const written = shape.over === undefined ? null : windowOf(shape.over, [...path, 'over'], spot);
  if (shape.over !== undefined && written === null) return null;
  if (said.length === 0) return { type: 'signal', query: query(written ?? DEFAULT_OVER_MS) };
  return analysisOf(shape, (usualMs) => query(written ?? usualMs), spot);
}

type Searched = Pick<SignalQuery, 'signal' | 'metric' | 'search'>;
type SignalShape = Pick<RuleShape, 'logs' | 'spans' | 'metric' | 'where'>;

/** Null when the search is wrong. */
function signalOf({ logs, spans, metric, where = '' }: SignalShape, spot: Spot): Searched | null {
  const key = logs !== undefined ? 'logs' : spans !== undefined ? 'spans' : 'where';
  const signal = logs !== undefined ? 'logs' : spans !== undefined ? 'traces' : 'metrics';
  const search = searchOf(logs ?? spans ?? where, signal, [...spot.path, key], spot.sheet);
  if (search === null) return null;
  return { signal, metric: metric ?? '', search };
}

/** Null, and a report, when it cannot be read, or the signal cannot be asked so. */
export function searchOf(
  text: string,
  signal: Signal,
  path: ConfigPath,
  sheet: Sheet,
): SearchNode | null {
  try {
    const search = parseSearch(text);
    planSearch(search, signal);
    return search;
  } catch (error) {
    if (!(error instanceof SearchError)) throw error;
    sheet.report(path, { why: error.message, offset: error.position,
      hint: error.suggestion === '' ? 'docs/search.md has the language' : error.suggestion });
    return null;
  }
}

function aggregateOf(shape: RuleShape, { sheet, path }: Spot): Aggregate | null {
  const { metric, spans, value, across } = shape;
  const read = metric !== undefined ? parseMetricAggregate(value ?? 'avg', across)
    : parseAggregate(value ?? 'count', spans !== undefined ? 'traces' : 'logs');
  if (read.ok) return read.value;
  sheet.report([...path, 'value'], read);
  return null;
}

/** Null when a label is there twice. */
export function groupByOf(
  by: readonly string[],
  path: ConfigPath,
  sheet: Sheet,
): readonly string[] | null {
  const twice = by.findIndex((field, index) => by.indexOf(field) < index);
  if (twice === -1) return by;
  sheet.report([...path, twice], { why: 'stands there twice', hint: 'take it out once' });
  return null;
}

/** A window in which records are looked at; null when it is impossible. */
export function windowOf(ms: number, path: ConfigPath, { sheet, options }: Spot): number | null {
  if (ms < WINDOW_MS_MIN) {
    sheet.report(path, { why: 'is no window', hint: 'write at least 1s, such as 5m' });
    return null;
  }
  if (ms <= options.retentionMs) return ms;
  sheet.report(path, {
    why: `is longer than records are kept, which is ${durationText(options.retentionMs)}`,
    hint: 'write a shorter window, or keep records longer',
  });
  return null;
}

const WINDOW_MS_MIN = 1000;

function absenceOf(shape: AbsentShape, spot: Spot): RuleSource | null {
  const { sheet, path } = spot;
  const said = (['logs', 'spans', 'metric'] as const).filter((key) => shape[key] !== undefined);
  if (said.length !== 1) {
    sheet.report(path, { why: 'needs one signal', hint: 'write logs, spans or metric below it' });
    return null;
  }
  if (shape.where !== undefined && shape.metric === undefined) {
    sheet.report([...path, 'where'], { part: 'key', why: `means nothing with ${said[0]}`,
      hint: `write the search behind ${said[0]}` });
    return null;
  }
  const searched = signalOf(shape, spot);
  const groupBy = groupByOf(shape.by, [...path, 'by'], sheet);
  const seenWithinMs = windowOf(shape.seen_within, [...path, 'seen_within'], spot);
  const expected = expectedOf(shape, spot);
  if (searched === null || groupBy === null || seenWithinMs === null || !expected) return null;
  const aggregate: Aggregate = searched.signal === 'metrics'
    ? { type: 'metric', level: 0, function: 'last', across: 'max' } : { type: 'count' };
  const query = { ...searched, aggregate, groupBy, overMs: seenWithinMs };
  return { type: 'absence', query, seenWithinMs, expected: shape.expected };
}

/** Groups that must be there are told by all of the labels, and by no others. */
function expectedOf({ by, expected }: AbsentShape, { sheet, path }: Spot): boolean {
  let isGood = true;
  expected.forEach((labels, index) => {
    const missing = by.find((label) => !Object.hasOwn(labels, label));
    const extra = Object.keys(labels).find((label) => !by.includes(label));
    const at = [...path, 'expected', index];
    if (extra !== undefined) {
      sheet.report([...at, extra], { part: 'key', why: 'is no label of by',
        hint: by.length === 0 ? 'write by, too' : `write ${by.join(', ')}` });
    } else if (missing !== undefined) {
      sheet.report(at, { why: `does not say ${missing}`, hint: 'write each label of by' });
    }
    isGood &&= extra === undefined && missing === undefined;
  });
  return isGood;
}

function compositeOf(shape: RuleShape, { sheet, path }: Spot): RuleSource | null {
  const parsed = parseComposite(shape.composite!);
  if (!parsed.ok) {
    sheet.report([...path, 'composite'], { ...parsed, offset: parsed.at });
    return null;
  }
  return { type: 'composite', composite: parsed.composite, on: shape.on ?? [],
    stale: shape.stale ?? 'false' };
}
