// What the word at the cursor may become: keywords, tables, columns of the tables that the
// statement names (of all while it names none), and in `LogAttributes['…` the keys of its rows.

import type { Attribute, Table } from './catalog.ts';

const KEYWORDS = `SELECT FROM WHERE PREWHERE GROUP ORDER BY HAVING LIMIT OFFSET AND OR NOT IN LIKE
  ILIKE BETWEEN IS NULL AS ASC DESC WITH DISTINCT JOIN LEFT INNER ON USING UNION ALL CASE WHEN THEN
  ELSE END ARRAY INTERVAL MINUTE HOUR DAY FORMAT DESCRIBE SHOW TABLES EXPLAIN count sum avg min max
  quantile quantiles uniq topK any groupArray now now64 toStartOfMinute toStartOfHour toStartOfDay
  toStartOfInterval hasToken lower`.split(/\s+/);

export const COMMANDS = ['\\d', '\\q', '\\timing', '\\x', '\\?'] as const;

export interface Completer {
  /** As readline wants it: what is possible, and the text before the cursor that it replaces. */
  (before: string, line: string): Promise<[string[], string]>;
}

export interface CompleterOptions {
  readonly tables: readonly Table[];
  readonly attributesOf: (table: Table) => Promise<readonly Attribute[]>;
}

/** `before` are the lines above of the same statement. */
export function createCompleter({ tables, attributesOf }: CompleterOptions): Completer {
  return async (before, line) => {
    const named = namedIn(`${before}\n${line}`, tables);
    const key = /(\w+)\['([^']*)$/.exec(line);
    if (key !== null) {
      const [, column, part] = key as unknown as [string, string, string];
      const found = (await Promise.all(named.map(attributesOf))).flat()
        .filter((one) => one.column === column).map((one) => `${one.key}']`);
      return [matching(found, part), part];
    }
    const word = /[\w.\\?]*$/.exec(line)![0];
    if (line.trimStart().startsWith('\\')) {
      const isName = /^\s*\\\S+\s/.test(line);
      return [matching(isName ? tables.map(({ name }) => name) : COMMANDS, word), word];
    }
    if (word === '' && !/\bFROM\s+$/i.test(line)) return [[], word];
    const names = tables.map(({ name }) => name);
    if (/\b(?:FROM|JOIN|TABLE)\s+\w*$/i.test(line)) return [matching(names, word), word];
    const columns = (named.length === 0 ? tables : named)
      .flatMap((table) => table.columns.map(({ name }) => name));
    return [matching([...columns, ...names, ...KEYWORDS.map(inCaseOf(word))], word), word];
  };
}

const namedIn = (sql: string, tables: readonly Table[]): Table[] =>
  tables.filter(({ name }) => new RegExp(`\\b${name}\\b`).test(sql));

const inCaseOf = (word: string) => (keyword: string): string =>
  (/^[a-z]+$/.test(word) && /^[A-Z]+$/.test(keyword) ? keyword.toLowerCase() : keyword);

function matching(names: readonly string[], word: string): string[] {
  const lower = word.toLowerCase();
  return [...new Set(names)].filter((name) => name.toLowerCase().startsWith(lower)).sort();
}
