// The statements that say what there is to be measured: `load`, `measure`, `logs`, `spans`.

import {
  durationIn, labelsIn, ScriptFault, settingIn, type Line, type Word,
} from './line.ts';
import type { MeasuredLoad, MetricLoad, RecordLoad } from './model.ts';
import { countsIn, valuesIn } from './series.ts';

/** `load 1m [gauge|counter|sum] [from 5m]`, and a series in each line below. */
export function readLoad(head: Line, lines: readonly Line[]): MetricLoad[] {
  const { stepMs } = stepIn(head);
  const kind = (['counter', 'sum'] as const).find((one) => head.take(one)) ?? 'gauge';
  if (kind === 'gauge') head.take('gauge');
  const fromMs = fromIn(head);
  head.end();
  atLeastOne(head, lines);
  return lines.map((line) => {
    const { name, labels } = named(line, 'a metric');
    return { kind, name, labels, fromMs, stepMs, place: line.place,
      values: valuesIn(line, { errors: false }) };
  });
}

/** `measure 1m [from 5m]`; lines begin with the rule: `HighCpu{host="a"} 1 2`, `Slo@page{} 1`. */
export function readMeasure(head: Line, lines: readonly Line[]): MeasuredLoad[] {
  const { stepMs } = stepIn(head);
  const fromMs = fromIn(head);
  head.end();
  atLeastOne(head, lines);
  return lines.map((line) => {
    const { name, labels } = named(line, 'a rule');
    const [rule, severity = ''] = name.split('@');
    return { rule: rule!, severity, labels, fromMs, stepMs, place: line.place,
      values: valuesIn(line, { errors: true }) };
  });
}

/** `logs 1m [from 5m] service=checkout level=error 5x10 body="card refused"`. */
export function readRecords(signal: 'logs' | 'traces', line: Line): RecordLoad {
  const { stepMs } = stepIn(line);
  const fromMs = fromIn(line);
  const counts: number[] = [];
  const fields: Record<string, string> = {};
  for (let word = line.peek(); word !== undefined; word = line.peek()) {
    line.next('a field');
    const setting = settingIn(word);
    if (setting === null) counts.push(...countOf(word));
    else fields[setting.name] = checked(setting.name, setting.value, signal);
  }
  if (counts.length === 0) {
    line.fail('how many is missing', '5x10 is five in each of ten steps');
  }
  return { signal, fields, counts, fromMs, stepMs, place: line.place };
}

function countOf(word: Word): number[] {
  const counts = countsIn(word);
  if (counts !== null) return counts;
  throw new ScriptFault(word.place, `"${word.text}" is neither a field nor a number of records`,
    'write fields like service=shop and numbers like 5x10');
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];
const STATUSES = ['unset', 'ok', 'error'];
const KINDS = ['internal', 'server', 'client', 'producer', 'consumer'];

function checked(name: string, value: Word, signal: 'logs' | 'traces'): string {
  const among = (words: readonly string[]) => {
    if (words.includes(value.text)) return;
    throw new ScriptFault(value.place, `"${value.text}" is no ${name}`,
      `known: ${words.join(', ')}`);
  };
  if (signal === 'logs' && name === 'level') among(LEVELS);
  if (signal === 'traces' && name === 'status') among(STATUSES);
  if (signal === 'traces' && name === 'kind') among(KINDS);
  if (signal === 'traces' && name === 'duration') durationIn(value);
  return value.text;
}

function named(line: Line, what: string) {
  const word = line.next(what);
  const { name, labels } = labelsIn(word);
  if (name === '') line.fail(`the name of ${what} is missing`, '', word);
  return { name, labels };
}

function stepIn(line: Line): { stepMs: number } {
  const word = line.next('the step');
  const stepMs = durationIn(word);
  if (stepMs <= 0) line.fail('a step is longer than nothing', '', word);
  return { stepMs };
}

const fromIn = (line: Line): number =>
  (line.take('from') ? durationIn(line.next('a time')) : 0);

function atLeastOne(head: Line, lines: readonly Line[]): void {
  if (lines.length === 0) head.fail('a series must follow', 'indent it, on a line of its own');
}
