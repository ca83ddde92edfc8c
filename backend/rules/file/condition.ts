// What a person writes behind `condition`: an operator and a number, which may have a unit.
//
//   > 5    >= 250ms (0.25 seconds)    < 95% (0.95)    == 0    > 2GiB (bytes)
//   outside 10..20    within 1..2     both ends are inside

import { parseByteSize, parseDuration } from '../../../config/schema.ts';
import type { Condition } from '../model.ts';

export type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly why: string; readonly hint: string };

export const refuse = (why: string, hint: string) => ({ ok: false, why, hint }) as const;

const HINT = "write it like '> 5', '>= 250ms', '< 95%' or 'outside 10..20'";

/** `percents`: what is measured is in percent, so `50%` is 50. */
export function parseCondition(written: string | number, percents = false): Read<Condition> {
  const text = String(written).trim();
  const number = (part: string) => parseNumber(part, percents);
  const range = /^(within|outside)\s+(.+?)\s*\.\.\s*(.+)$/.exec(text);
  if (range !== null) {
    const [value, to] = [number(range[2]!), number(range[3]!)];
    if (value === null || to === null) return refuse('is not a range of numbers', HINT);
    if (value > to) return refuse('is a range whose end is below its beginning', 'swap the two');
    return { ok: true, value: { operator: range[1] as 'within' | 'outside', value, to } };
  }
  const compared = /^(>=|<=|==|!=|>|<|=)\s*(.+)$/.exec(text);
  if (compared === null) {
    return refuse('is not a condition', number(text) === null ? HINT : `say how: '> ${text}'`);
  }
  const value = number(compared[2]!);
  if (value === null) return refuse('does not compare with a number', HINT);
  const operator = compared[1] === '=' ? '==' : compared[1] as Condition['operator'];
  return { ok: true, value: { operator, value, to: value } };
}

/** A number, a share for `%`, seconds for a duration, bytes for a size; null for all else. */
export function parseNumber(written: string, percents = false): number | null {
  const text = written.trim();
  if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text)) return Number(text);
  const percent = /^([+-]?(?:\d+\.?\d*|\.\d+)) ?%$/.exec(text);
  // Divided as text, so that 99.9 % is 0.999 and not a little more.
  if (percent !== null) return percents ? Number(percent[1]) : Number(`${percent[1]!}e-2`);
  const sign = text.startsWith('-') ? -1 : 1;
  const size = text.replace(/^[+-]/, '');
  const ms = parseDuration(size);
  if (ms !== null) return sign * ms / 1000;
  const bytes = parseByteSize(size);
  return bytes === null ? null : sign * bytes;
}

/** A share from 0 to 1, written as `0.999` or `99.9%`; null for all else. */
export function parseShare(written: string | number): number | null {
  const number = parseNumber(String(written));
  const isShare = typeof written === 'number' || /^[\d.]+ ?%?$/.test(written.trim());
  return number !== null && isShare ? number : null;
}
