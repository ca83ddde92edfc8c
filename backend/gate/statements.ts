// What kind of statement a canonical text is. Everything but a query is recognised by its exact
// words, since its syntax tree does not tell all of it; some are answered by a query of our own,
// that says the same of published tables only.

import { GateError } from './errors.ts';
import { METADATA_TABLES, metadataName, metadataQuery, type Published } from './metadata.ts';
import { listOf } from './select.ts';
import { isName, isSymbol, isWord, quoted, quotedName, type Token } from './tokens.ts';

/** `tree` = the tree of `tokens` behind `skip` of them is to be checked before `sql` may run. */
export type Plan =
  | { readonly run: 'tree'; readonly kind: TreeKind; readonly skip: number }
  | { readonly run: 'ready'; readonly kind: ReadyKind; readonly sql: string;
      readonly tables: readonly string[] };

type TreeKind = 'select' | 'explain' | 'describe';
export type ReadyKind = 'show' | 'exists';

/** Throws GateError for what does more than read. */
export function planOf(tokens: readonly Token[], published: Published): Plan {
  const words = tokens.map((token) => (token.kind === 'word' ? token.text.toUpperCase() : ''));
  const [first = '', second = ''] = words;
  if (['SELECT', 'WITH', 'FROM'].includes(first) || isSymbol(tokens[0], '(')) {
    return { run: 'tree', kind: 'select', skip: 0 };
  }
  if (first === 'DESCRIBE' && second === 'TABLE') return { run: 'tree', kind: 'describe', skip: 0 };
  if (first === 'EXPLAIN') return explain(tokens, words, published);
  if (first === 'SHOW') return show(tokens, words, published);
  if (first === 'EXISTS') return exists(tokens, words, published);
  throw notReading(first);
}

const VERBS: Readonly<Record<string, string>> = {
  INSERT: 'telemetry comes in over OTLP',
  SET: 'write SETTINGS name = value at the end of the statement',
  USE: 'there is one database; leave USE away',
  KILL: 'cancel a query by its id, through the API',
  SYSTEM: 'what the store does besides is the operator\'s',
  GRANT: 'roles are in the configuration of Binnacle',
  REVOKE: 'roles are in the configuration of Binnacle',
  CREATE: 'use WITH name AS (SELECT …) for a table of one statement',
};

function notReading(verb: string): GateError {
  return new GateError('NOT_READING', `${verb.slice(0, 40) || 'this'} is not for analysts`,
    VERBS[verb] ?? 'SELECT, WITH, DESCRIBE TABLE, SHOW TABLES, EXISTS and EXPLAIN are allowed',
    verb);
}

/** Kinds of EXPLAIN; the empty one is PLAN. */
const EXPLAINS: readonly (readonly string[])[] = [
  ['QUERY', 'TREE'], ['PLAN'], ['PIPELINE'], ['AST'], ['SYNTAX'], ['ESTIMATE'], [],
];
const EXPLAIN_OPTIONS = new Set(`header description indexes projections actions json sorting graph
  compact keep_logical_steps run_passes dump_passes passes dump_tree dump_ast oneline optimize
  query_tree_passes run_query_tree_passes distributed pretty`.split(/\s+/));
/** Kinds and options that tell how many rows everybody has. */
const COUNTING = new Set(['ESTIMATE', 'indexes', 'projections']);

function explain(tokens: readonly Token[], words: readonly string[], { shared }: Published): Plan {
  const kind = EXPLAINS.find((names) => names.every((name, index) => words[index + 1] === name))!;
  const asked = [...kind];
  let skip = 1 + kind.length;
  while (isSymbol(tokens[skip + 1], '=')) {
    const [option, , value, comma] = tokens.slice(skip, skip + 4);
    if (option?.kind !== 'word' || !EXPLAIN_OPTIONS.has(option.text) || value?.kind !== 'number') {
      throw new GateError('SETTING_DENIED', `EXPLAIN has no option ${option?.text.slice(0, 80)}`,
        'take header, actions, indexes, json, graph or compact, with 0 or 1');
    }
    asked.push(option.text);
    skip += isSymbol(comma, ',') ? 4 : 3;
  }
  const query = ['SELECT', 'WITH', 'FROM'].includes(words[skip] ?? '')
    || isSymbol(tokens[skip], '(');
  if (!query || (shared && asked.some((name) => COUNTING.has(name)))) {
    throw new GateError('NOT_READING', 'this EXPLAIN is not for analysts',
      'EXPLAIN, EXPLAIN PIPELINE, SYNTAX, AST and QUERY TREE take a SELECT');
  }
  return { run: 'tree', kind: 'explain', skip };
}

function show(tokens: readonly Token[], words: readonly string[], published: Published): Plan {
  const full = ['FULL', 'EXTENDED'].includes(words[1] ?? '') ? 1 : 0;
  const what = words[1 + full] ?? '';
  const rest = tokens.slice(2 + full);
  switch (what) {
    case 'TABLES':
      return showTables(rest, published);
    case 'DATABASES':
      return shown(`SELECT name FROM ${metadataQuery('system.databases', published)}`, rest);
    case 'FUNCTIONS':
      return shown(`SELECT * FROM ${metadataQuery('system.functions', published)}`, rest);
    case 'SETTINGS':
      return shown(`SELECT name, type, value FROM ${metadataQuery('system.settings', published)}`,
        rest);
    case 'CREATE':
      return showCreate(tokens, words, published);
    case 'COLUMNS': case 'FIELDS': case 'INDEXES': case 'INDEX': case 'INDICES': case 'KEYS':
      return showColumns(tokens, rest, published);
    default:
      throw new GateError('NOT_READING', `SHOW ${what.slice(0, 40)} is not for analysts`,
        'SHOW TABLES, SHOW CREATE TABLE, SHOW COLUMNS and SHOW FUNCTIONS are allowed');
  }
}

const ready = (kind: ReadyKind, sql: string, tables: readonly string[] = []): Plan =>
  ({ run: 'ready', kind, sql, tables });

/** A list of names, with the LIKE and LIMIT of the SHOW statement. */
function shown(select: string, rest: readonly Token[]): Plan {
  const words = rest.map((token) => (token.kind === 'word' ? token.text.toUpperCase() : ''));
  let sql = select;
  let at = 0;
  const not = words[at] === 'NOT' ? 'NOT ' : '';
  if (not !== '') at += 1;
  if (words[at] === 'LIKE' || words[at] === 'ILIKE') {
    if (rest[at + 1]?.kind !== 'string') throw unclear();
    sql += ` WHERE name ${not}${words[at]} ${rest[at + 1]!.text}`;
    at += 2;
  } else if (not !== '') throw unclear();
  sql += ' ORDER BY name';
  if (words[at] === 'LIMIT') {
    if (rest[at + 1]?.kind !== 'number') throw unclear();
    sql += ` LIMIT ${rest[at + 1]!.text}`;
    at += 2;
  }
  if (at !== rest.length) throw unclear();
  return ready('show', sql);
}

const unclear = (): GateError => new GateError('CONSTRUCT_DENIED',
  'this SHOW statement says more than is taken', 'ask system.tables or system.columns instead');

function showTables(rest: readonly Token[], published: Published): Plan {
  const [from, database] = rest;
  if (!isWord(from, 'FROM') && !isWord(from, 'IN')) {
    return shown(`SELECT name FROM ${metadataQuery('system.tables', published)}`, rest);
  }
  if (!isName(database)) throw unclear();
  if (database.name === published.database) return showTables(rest.slice(2), published);
  const names = METADATA_TABLES.filter((name) => name.startsWith(`${database.name}.`))
    .map((name) => quoted(name.slice(database.name.length + 1)));
  if (names.length === 0) throw otherDatabase(database.name, published);
  return shown(`SELECT name FROM (SELECT arrayJoin([${names.join(', ')}]) AS name)`,
    rest.slice(2));
}

const otherDatabase = (name: string, { database }: Published): GateError =>
  new GateError('TABLE_DENIED', `there is no database ${name.slice(0, 80)}`,
    `published tables are in ${database}`);

function showCreate(
  tokens: readonly Token[],
  words: readonly string[],
  published: Published,
): Plan {
  const typed = ['TABLE', 'VIEW'].includes(words[2] ?? '') ? 1 : 0;
  const table = publishedName(tokens.slice(2 + typed), published);
  return ready('show', `SHOW CREATE TABLE ${nameIn(published, table)}`, [table]);
}

function showColumns(
  tokens: readonly Token[],
  rest: readonly Token[],
  published: Published,
): Plan {
  const more = rest.findIndex((token, index) => index > 0 && token.kind === 'word'
    && /^(?:FROM|IN|NOT|LIKE|ILIKE|LIMIT|WHERE)$/i.test(token.text));
  const ending = more < 0 ? rest.length : more;
  if (!isWord(rest[0], 'FROM') && !isWord(rest[0], 'IN')) throw unclear();
  const table = publishedName(rest.slice(1, ending), published);
  let after = rest.slice(ending);
  if (isWord(after[0], 'FROM') || isWord(after[0], 'IN')) {
    if (!isName(after[1]) || after[1].name !== published.database) throw unclear();
    after = after.slice(2);
  }
  const head = tokens.slice(0, tokens.length - rest.length).map(({ text }) => text).join(' ');
  const like = after.map(({ text }) => text).join(' ');
  if (!/^(?:(?:NOT )?I?LIKE '(?:[^'\\]|\\.)*')?(?: ?LIMIT \d+)?$/i.test(like)) throw unclear();
  const names = `${quotedName(table)} FROM ${quotedName(published.database)}`;
  return ready('show', `${head} FROM ${names} ${like}`.trimEnd(), [table]);
}

function exists(tokens: readonly Token[], words: readonly string[], published: Published): Plan {
  const typed = ['TABLE', 'VIEW', 'DATABASE'].includes(words[1] ?? '') ? 1 : 0;
  const names = tokens.slice(1 + typed);
  if (words[1] === 'DATABASE') {
    if (names.length !== 1 || !isName(names[0])) throw notReading('EXISTS');
    return answer(names[0].name === published.database);
  }
  const parts = partsOf(names);
  if (parts === null) throw notReading('EXISTS');
  const [database, table] = parts;
  const metadata = database !== null && metadataName(database, table) !== null;
  const own = database === null || database === published.database;
  return answer(metadata || (own && published.tables.has(table)));
}

const answer = (yes: boolean): Plan => ready('exists', `SELECT toUInt8(${Number(yes)}) AS result`);

/** `table` or `database.table`, and nothing else. */
function partsOf(tokens: readonly Token[]): [string | null, string] | null {
  const [first, dot, second] = tokens;
  if (tokens.length === 1 && isName(first)) return [null, first.name];
  const full = tokens.length === 3 && isName(first) && isSymbol(dot, '.') && isName(second);
  return full ? [first.name, second.name] : null;
}

function publishedName(tokens: readonly Token[], published: Published): string {
  const parts = partsOf(tokens);
  const own = parts !== null && (parts[0] === null || parts[0] === published.database);
  if (own && published.tables.has(parts[1])) return parts[1];
  const name = tokens.map(({ text }) => text).join('').slice(0, 80);
  throw new GateError('TABLE_DENIED', `${name} is no published table`,
    `published are ${listOf(published)}`, name);
}

const nameIn = ({ database }: Published, table: string): string =>
  `${quotedName(database)}.${quotedName(table)}`;
