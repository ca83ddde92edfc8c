// Severity: from a level as programs write it to OTLP's number. The names known by themselves are
// those of the Collector's presets: `default` (trace…fatal4, 1…24, warning, err), `otel` (without
// the aliases), `none`. `mapping` adds to them: a level, a list of levels, a range, or 2xx…5xx.

import * as z from 'zod';
import { fault, strictObject } from '../../config/schema.ts';
import { field, getField, type Entry, type Field, type Value } from './entry.ts';
import { operatorKeys, stepOperator } from './step.ts';

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];
/** `trace` is 1, `trace2` is 2, …, `fatal4` is 24. */
const NAMES = LEVELS.flatMap((level) => [level, `${level}2`, `${level}3`, `${level}4`]);

/** A range wider than this is refused: every number in it becomes an entry of a table. */
const RANGE_MAX = 10_000;

const level = () => z.union([
  z.string(), z.int(), z.strictObject({ min: z.int(), max: z.int() }),
]);

/** The keys, for `severity` blocks and for severity_parser. */
export const severityKeys = () => ({
  parse_from: field().describe('Field that holds the level.'),
  preset: z.enum(['default', 'otel', 'aliases', 'none']).describe('Levels known by themselves.')
    .default('default'),
  mapping: z.record(z.string(), z.union([level(), z.array(level())]))
    .describe('Severity (info, warn2, …) to the levels that mean it.').default({}),
  overwrite_text: z.boolean().describe('Write the severity’s own name as its text.').default(false),
});

const shape = () => strictObject(severityKeys());
export type SeverityConfig = z.output<ReturnType<typeof shape>>;

export const severityBlock = () => shape().superRefine((config, ctx) => {
  checkMapping(config, ctx);
});

export const severityParser = stepOperator({
  keys: () => ({ ...operatorKeys(), ...severityKeys() }),
  check: checkMapping,
  create: (config) => createSeverity(config),
});

/** Reports what of a mapping cannot be used. */
export function checkMapping(
  { mapping }: Pick<SeverityConfig, 'mapping'>,
  ctx: z.core.$RefinementCtx<unknown>,
): void {
  for (const [name, levels] of Object.entries(mapping)) {
    if (severityOf(name) === 0) {
      fault(ctx, 'is not a severity', 'known: trace, debug, info, warn, error, fatal, each with 2, '
        + '3 or 4 behind it, or 1 to 24', ['mapping', name]);
    }
    for (const one of [levels].flat()) {
      const wide = typeof one === 'object' && Math.abs(one.max - one.min) >= RANGE_MAX;
      if (wide) fault(ctx, `a range holds at most ${RANGE_MAX} numbers`, '', ['mapping', name]);
    }
  }
}

/** Sets the severity of an entry; answers what went wrong, or null. */
export type SeverityStep = (entry: Entry) => string | null;

export function createSeverity(config: SeverityConfig): SeverityStep {
  const table = severityTable(config);
  const source: Field = config.parse_from;
  return (entry) => {
    const value = getField(entry, source);
    if (value === undefined) return 'the field of the severity is not there';
    const text = levelText(value);
    if (text === null) return 'the severity is neither text nor a whole number';
    const number = table.get(text.toLowerCase()) ?? 0;
    entry.severityNumber = number;
    entry.severityText = config.overwrite_text && number > 0
      ? NAMES[number - 1]!.toUpperCase()
      : text;
    return null;
  };
}

function levelText(value: Value): string | null {
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number' && Number.isInteger(value)) return String(value);
  return null;
}

function severityTable({ preset, mapping }: SeverityConfig): Map<string, number> {
  const table = new Map<string, number>();
  if (preset !== 'none') {
    NAMES.forEach((name, index) => table.set(name, index + 1).set(String(index + 1), index + 1));
  }
  if (preset === 'default') {
    for (const suffix of ['', '2', '3', '4']) {
      table.set(`warning${suffix}`, severityOf(`warn${suffix}`));
      table.set(`err${suffix}`, severityOf(`error${suffix}`));
    }
  }
  for (const [name, levels] of Object.entries(mapping)) {
    for (const text of [levels].flat().flatMap(levelTexts)) table.set(text, severityOf(name));
  }
  return table;
}

function levelTexts(one: z.output<ReturnType<typeof level>>): string[] {
  if (typeof one === 'object') return numbers(one.min, one.max);
  const text = String(one).toLowerCase();
  const status = /^([2-5])xx$/.exec(text);
  return status === null ? [text] : numbers(Number(status[1]) * 100, Number(status[1]) * 100 + 99);
}

function numbers(first: number, last: number): string[] {
  const least = Math.min(first, last);
  return Array.from({ length: Math.abs(last - first) + 1 }, (_, index) => String(least + index));
}

/** 1–24, or 0 for what is no severity. */
function severityOf(name: string): number {
  const text = name.toLowerCase();
  if (/^\d+$/.test(text)) return Number(text) <= 24 ? Number(text) : 0;
  return NAMES.indexOf(text) + 1;
}
