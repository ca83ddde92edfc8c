// `SET name = value, …`: what drivers and people write to change settings of a session.

import { DriverError } from './errors.ts';

const SET = /^\s*set\s+/i;
const VALUE = /\s*([A-Za-z_]\w*)\s*=\s*('(?:[^'\\]|\\.|'')*'|-?[\w.]+)\s*(,|;?\s*$)/y;

/** The settings by name; null when the statement is another one. Throws DriverError. */
export function parseSet(sql: string): Record<string, string> | null {
  const head = SET.exec(sql);
  if (head === null) return null;
  const found: Record<string, string> = {};
  VALUE.lastIndex = head[0].length;
  for (let isMore = true; isMore;) {
    const match = VALUE.exec(sql);
    if (match === null) {
      throw new DriverError(62, 'SYNTAX_ERROR', 'SET is followed by name = value, …');
    }
    found[match[1]!] = plain(match[2]!);
    isMore = match[3] === ',';
  }
  return found;
}

function plain(value: string): string {
  if (!value.startsWith("'")) return value;
  return value.slice(1, -1).replaceAll("''", "'").replace(/\\(.)/g, '$1');
}
