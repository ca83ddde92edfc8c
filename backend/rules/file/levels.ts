// From when on a rule holds: one condition, or one for each severity. Some kinds of rules know by
// themselves: anomalies, forecasts, objectives and composites.

import type { Condition, Level, RuleSource } from '../model.ts';
import { parseCondition } from './condition.ts';
import { durationText } from './options.ts';
import { limits, type RuleShape } from './shape.ts';
import type { Spot } from './sources.ts';

type Levels = readonly [Level, ...Level[]];

/** The severities that people use, the least first; others stay in the order of the file. */
const SEVERITIES = ['debug', 'info', 'notice', 'low', 'ticket', 'warning', 'minor', 'medium',
  'error', 'major', 'high', 'critical', 'page', 'fatal', 'emergency', 'disaster'];

/** Null when something is wrong with them; then it was reported. */
export function levelsOf(shape: RuleShape, source: RuleSource, spot: Spot): Levels | null {
  const { sheet, path, options } = spot;
  if (shape.for > options.retentionMs) {
    sheet.report([...path, 'for'], {
      why: `is longer than records are kept, which is ${durationText(options.retentionMs)}`,
      hint: 'write less',
    });
    return null;
  }
  const severity = severityOf(shape, spot);
  if (severity === null) return null;
  const own = ownCondition(source);
  if (own !== null) return knownLevels(shape, source, { severity, own }, spot);
  if (shape.levels === undefined) {
    const condition = conditionOf(shape, source, spot);
    return condition === null ? null : [{ severity, condition, forMs: shape.for }];
  }
  if (shape.condition === undefined) return severalLevels(shape, source, spot);
  sheet.report([...path, 'condition'], { part: 'key', why: 'cannot stand beside levels',
    hint: 'write it below the severity that it is for' });
  return null;
}

/** Of `severity`, or of the label, as people have it from Prometheus. */
function severityOf({ severity, levels, labels }: RuleShape, spot: Spot): string | null {
  const { sheet, path } = spot;
  const label = Object.hasOwn(labels, 'severity') ? String(labels['severity']) : undefined;
  const said = [severity, levels, label].filter((one) => one !== undefined).length;
  if (said > 1) {
    const key = severity !== undefined && levels !== undefined ? ['severity']
      : ['labels', 'severity'];
    sheet.report([...path, ...key], { part: 'key', why: 'the severity is said twice',
      hint: levels === undefined ? 'write severity alone' : 'levels name the severities' });
    return null;
  }
  const isTemplate = label?.includes('{{') === true;
  return severity ?? (isTemplate ? '' : label) ?? '';
}

/** What the kind of rule decides by itself; null for those that need a condition. */
function ownCondition(source: RuleSource): Condition | null {
  switch (source.type) {
    case 'anomaly': {
      const { direction, sensitivity: value } = source.anomaly;
      if (direction === 'above') return { operator: '>', value, to: value };
      if (direction === 'below') return { operator: '<', value: -value, to: -value };
      return { operator: 'outside', value: -value, to: value };
    }
    case 'forecast': {
      const value = source.forecast.withinMs / 1000;
      return { operator: '<=', value, to: value };
    }
    // The burn rate where a row of windows holds, 0 where none does.
    case 'slo':
    case 'composite': return { operator: '>', value: 0, to: 0 };
    default: return null;
  }
}

const SAYS_INSTEAD: Partial<Record<RuleSource['type'], string>> = {
  anomaly: 'sensitivity and direction say it', forecast: 'reaches and within say it',
  slo: 'windows say it, with their severities', composite: 'the expression says it',
};

function knownLevels(
  shape: RuleShape,
  source: RuleSource,
  { severity, own }: { readonly severity: string; readonly own: Condition },
  { sheet, path }: Spot,
): Levels | null {
  const keys = ['condition', 'levels', ...(source.type === 'slo' ? ['severity'] : [])] as const;
  const extra = keys.find((key) => sheet.has(path, key));
  if (extra !== undefined) {
    sheet.report([...path, extra], { part: 'key', why: `means nothing with ${source.type}`,
      hint: SAYS_INSTEAD[source.type]! });
    return null;
  }
  const level = (name: string): Level => ({ severity: name, condition: own, forMs: shape.for });
  if (source.type !== 'slo') return [level(severity)];
  const names = [...new Set(source.slo.windows.map((window) => window.severity))];
  const [first, ...rest] = ranked(names);
  return [level(first!), ...rest.map(level)];
}

function conditionOf(shape: RuleShape, source: RuleSource, spot: Spot): Condition | null {
  const { sheet, path } = spot;
  if (shape.condition === undefined) {
    sheet.report(path, { why: 'does not say from when on it holds',
      hint: "write condition: '> 5', or levels: {warning: '> 5', critical: '> 20'}" });
    return null;
  }
  return checked(shape.condition, source, { ...spot, path: [...path, 'condition'] });
}

function severalLevels(shape: RuleShape, source: RuleSource, spot: Spot): Levels | null {
  const { sheet } = spot;
  const path = [...spot.path, 'levels'];
  const names = ranked(Object.keys(shape.levels!));
  if (names.length === 0 || names.length > limits.levelsMax) {
    sheet.report(path, { part: 'key', why: `needs 1 to ${limits.levelsMax} severities`,
      hint: "write levels: {warning: '> 5', critical: '> 20'}" });
    return null;
  }
  const found = names.flatMap((severity) => {
    const written = shape.levels![severity]!;
    const isPlain = typeof written !== 'object';
    const at = [...path, severity, ...(isPlain ? [] : ['condition'])];
    const condition = checked(isPlain ? written : written.condition, source, { ...spot, path: at });
    const forMs = isPlain ? shape.for : written.for ?? shape.for;
    return condition === null ? [] : [{ severity, condition, forMs }];
  });
  return found.length === names.length ? found as [Level, ...Level[]] : null;
}

function checked(
  written: string | number,
  source: RuleSource,
  { sheet, path }: Spot,
): Condition | null {
  const percents = source.type === 'change' && source.as === 'percent';
  const read = parseCondition(written, percents);
  if (!read.ok) {
    sheet.report(path, read);
    return null;
  }
  const { value } = read;
  const why = impossible(value, source);
  if (why === null) return value;
  sheet.report(path, why);
  return null;
}

/** A condition that can never hold, or always does. */
function impossible(
  { operator, value }: Condition,
  source: RuleSource,
): { readonly why: string; readonly hint: string } | null {
  const isOver = operator === '>' || operator === '>=';
  if (source.type === 'absence' && isOver && source.expected.length === 0
    && value * 1000 >= source.seenWithinMs) {
    return { why: 'can never hold: what is quiet for so long is forgotten',
      hint: 'write a longer seen_within, or a shorter time' };
  }
  const isShare = source.type === 'signal' && source.query.aggregate.type === 'error_rate';
  if (isShare && isOver && value >= 1 && !(value === 1 && operator === '>=')) {
    return { why: 'can never hold: error_rate is a share from 0 to 1',
      hint: "write it like '> 5%'" };
  }
  return null;
}

/** The least severe first. */
function ranked(names: readonly string[]): string[] {
  const rank = (name: string) => SEVERITIES.indexOf(name.toLowerCase());
  if (names.some((name) => rank(name) === -1)) return [...names];
  return [...names].sort((one, other) => rank(one) - rank(other));
}
