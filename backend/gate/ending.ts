// The end of a statement: its FORMAT and SETTINGS clauses, in either order. They are taken off, as
// the desk that runs the statement decides about both. Only what stands at the very end is taken;
// a SETTINGS clause further inside stays, and is refused with the tree it is part of.

import { GateError } from './errors.ts';
import { FORMATS, formatOf } from './formats.ts';
import { nearest } from './nearest.ts';
import { checkSetting } from './settings.ts';
import { isName, isSymbol, isWord, stringOf, type Token } from './tokens.ts';

export interface Ending {
  /** What is left of the tokens. */
  readonly tokens: readonly Token[];
  readonly format: string | null;
  readonly settings: Readonly<Record<string, string>>;
}

const limits = {
  /** FORMAT, and SETTINGS before and behind it; what is left stays, and is refused. */
  clausesMax: 3,
  /** Settings of a clause; more are refused. */
  settingsMax: 100,
} as const;

/** Throws GateError for a format or a setting that is not to be had. */
export function takeEnding(all: readonly Token[]): Ending {
  let tokens = all;
  let format: string | null = null;
  const settings: Record<string, string> = {};
  for (let index = 0; index < limits.clausesMax; index += 1) {
    const clause = formatClause(tokens);
    if (clause !== null && format === null) {
      format = checkedFormat(clause);
      tokens = tokens.slice(0, -2);
      continue;
    }
    const start = settingsClause(tokens);
    if (start === null) break;
    // What stands behind FORMAT counts more, as it does in ClickHouse.
    for (const [name, value] of assignmentsOf(tokens.slice(start + 1))) {
      checkSetting(name, value);
      settings[name] ??= value;
    }
    tokens = tokens.slice(0, start);
  }
  return { tokens, format, settings };
}

function formatClause(tokens: readonly Token[]): string | null {
  const [before, keyword, name] = tokens.slice(-3);
  const found = name !== undefined && keyword?.depth === 0 && isWord(keyword, 'FORMAT')
    && isName(name) && !isWord(before, 'AS') && !isSymbol(before, '.');
  return found ? name.name : null;
}

function checkedFormat(name: string): string {
  const format = formatOf(name);
  if (format !== null) return format;
  const close = nearest(name, FORMATS.allowed);
  const refused = FORMATS.refused.some((one) => one.toLowerCase() === name.toLowerCase());
  throw new GateError('FORMAT_DENIED',
    refused ? `the format ${name} needs files or services of the server`
      : `there is no format ${name.slice(0, 80)}`,
    close === null || refused ? 'take JSON, JSONEachRow, CSVWithNames, Parquet or Arrow'
      : `did you mean ${close}?`, name);
}

/** The index of a SETTINGS that goes on to the end; null when there is none. */
function settingsClause(tokens: readonly Token[]): number | null {
  const start = tokens.findLastIndex((token) => token.depth === 0 && isWord(token, 'SETTINGS'));
  if (start < 1 || isWord(tokens[start - 1], 'AS')) return null;
  const rest = tokens.slice(start + 1);
  return isName(rest[0]) && isSymbol(rest[1], '=') ? start : null;
}

function assignmentsOf(tokens: readonly Token[]): [string, string][] {
  const found: [string, string][] = [];
  if (tokens.filter((token) => isSymbol(token, '=')).length > limits.settingsMax) {
    throw new GateError('SETTING_DENIED', `there are more than ${limits.settingsMax} settings`,
      'leave away those that are as they are anyhow');
  }
  for (let index = 0; index < tokens.length;) {
    const [name, equals, ...rest] = tokens.slice(index);
    const comma = rest.findIndex((token) => token.depth === 0 && isSymbol(token, ','));
    const value = comma < 0 ? rest : rest.slice(0, comma);
    if (!isName(name) || !isSymbol(equals, '=')) throw unreadable(name);
    found.push([name.name, valueOf(name, value)]);
    index += 2 + value.length + 1;
  }
  return found;
}

function valueOf(name: Token, tokens: readonly Token[]): string {
  const negative = isSymbol(tokens[0], '-');
  const [value, ...more] = negative ? tokens.slice(1) : tokens;
  if (value === undefined || more.length > 0) throw unreadable(name);
  const plain = value.kind === 'number' || isWord(value, 'TRUE') || isWord(value, 'FALSE');
  const text = plain ? value.text : value.kind === 'string' ? stringOf(value.text) : null;
  if (text === null) throw unreadable(name);
  return negative ? `-${text}` : text;
}

function unreadable(name: Token | undefined): GateError {
  return new GateError('SETTING_DENIED',
    `the setting ${name?.name.slice(0, 80) ?? ''} has no plain value`,
    'write SETTINGS name = value, with a number or a text', name?.name);
}
