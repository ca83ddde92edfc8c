// The gate: what analysts ask in SQL runs only after it let it through.
//
// It promises, of a statement it let through: the statement only reads; of rows, only those of
// published tables; of metadata, only what speaks of these. Nothing of the host, no file, no other
// server, no setting that matters. Whatever it does not know, it refuses. How:
// 1. ClickHouse's own formatter takes the text as a value, never as a statement, and returns it in
//    canonical form: one statement, no comments, one way to write things. Only that text goes on.
// 2. FORMAT and SETTINGS are taken off its end; other statements than queries are recognised word
//    by word (statements.ts).
// 3. ClickHouse parses the rest, without running it, and prints the syntax tree. Each node,
//    function, source and table in it must be on a list (select.ts).
// 4. ClickHouse's own tables are replaced by queries that show a safe part of them (metadata.ts).
//
// It is one of two walls: whoever runs the statement does so on a session locked by `readonly=1`
// with LOCKED_SETTINGS and limits, in an engine that was given no rights to files and hosts.

import { QueryError } from '../storage/contract.ts';
import { takeEnding } from './ending.ts';
import { GateError } from './errors.ts';
import type { Published } from './metadata.ts';
import { checkQuery } from './select.ts';
import { planOf, type Plan } from './statements.ts';
import { checkParams, checkTokens, withMetadata, withoutParams } from './texts.ts';
import { positionOf, tokenize, type Token } from './tokens.ts';
import { parseTree } from './tree.ts';

export interface GateOptions {
  /**
   * Runs a trusted reading statement in the database of the tables and resolves with the result as
   * TabSeparatedRaw. `params` are values for `{name:Type}`, as they are: the callee escapes them.
   * Rejects with QueryError.
   */
  readonly ask: (
    sql: string,
    params: Readonly<Record<string, string>>,
    abort: AbortSignal,
  ) => Promise<string>;
  /** Published tables. */
  readonly tables: ReadonlySet<string>;
  /** Where they are, and what a checked statement must run in. `default` unless given. */
  readonly database?: string;
  /** The tables are shared by tenants, and each sees a part of the rows. False unless given. */
  readonly shared?: boolean;
}

export type StatementKind = 'select' | 'describe' | 'show' | 'explain' | 'exists';

/** What may run, as it may run. */
export interface Statement {
  /** The text to run: one statement without FORMAT, SETTINGS and INTO OUTFILE. */
  readonly sql: string;
  readonly kind: StatementKind;
  /** Of the statement's FORMAT clause, as ClickHouse spells it; null when it had none. */
  readonly format: string | null;
  /** Published tables that it reads. */
  readonly tables: readonly string[];
  /** Of its SETTINGS clause; limits among them may be higher than what the asker may have. */
  readonly settings: Readonly<Record<string, string>>;
  /** Names of the parameters that it uses. */
  readonly params: readonly string[];
}

export interface Gate {
  /**
   * Resolves with what to run.
   *
   * @param paramNames the parameters that have values.
   * @throws GateError for what may not run; QueryError when the store is away.
   */
  check(sql: string, paramNames: Iterable<string>, abort: AbortSignal): Promise<Statement>;
}

/** Bounds. */
export const limits = {
  /** A longer text is refused; ClickHouse's own default for `max_query_size` is the same. */
  sqlCharactersMax: 256 * 1024,
  /** Verdicts that are remembered; the one that was asked for the longest ago is forgotten. */
  verdictsMax: 2000,
  /** The verdict on a longer text is not remembered. */
  verdictCharactersMax: 16 * 1024,
} as const;

const CANONICAL_SQL = 'SELECT formatQuerySingleLine({query:String})';
const FUNCTIONS_SQL = 'SELECT DISTINCT lower(name) FROM system.functions';
const EXISTING_SQL = `SELECT name FROM system.tables WHERE database = {database:String}
  AND name IN (splitByChar('\\x01', {names:String})) LIMIT 1`;

/** Builds a gate; it asks the engine for nothing before the first statement. */
export function createGate(options: GateOptions): Gate {
  return new TheGate(options);
}

class TheGate implements Gate {
  private readonly options: GateOptions;
  private readonly published: Published;
  /** A Map keeps the order in which keys were set: the first is the oldest. */
  private readonly verdicts = new Map<string, Statement | GateError>();
  private functions: ReadonlySet<string> | null = null;

  constructor(options: GateOptions) {
    const { tables, database = 'default', shared = false } = options;
    this.options = options;
    this.published = { tables, database, shared };
  }

  async check(sql: string, paramNames: Iterable<string>, abort: AbortSignal): Promise<Statement> {
    const params = [...new Set(paramNames)].sort();
    const key = [sql, ...params].join('\0');
    const known = this.verdicts.get(key);
    const verdict = known ?? await this.judge(sql, new Set(params), abort);
    this.remember(key, verdict);
    if (verdict instanceof GateError) throw verdict;
    return verdict;
  }

  private remember(key: string, verdict: Statement | GateError): void {
    if (key.length > limits.verdictCharactersMax) return;
    this.verdicts.delete(key);
    this.verdicts.set(key, verdict);
    const [oldest] = this.verdicts.keys();
    if (this.verdicts.size > limits.verdictsMax) this.verdicts.delete(oldest!);
  }

  private async judge(
    sql: string,
    params: ReadonlySet<string>,
    abort: AbortSignal,
  ): Promise<Statement | GateError> {
    try {
      checkText(sql);
      const canonical = await this.canonical(sql, abort);
      return await this.statement(canonical, params, abort);
    } catch (error) {
      if (error instanceof GateError) return error.placed((name) => positionOf(sql, name));
      throw error;
    }
  }

  private async canonical(sql: string, abort: AbortSignal): Promise<string> {
    try {
      const text = await this.options.ask(CANONICAL_SQL, { query: sql }, abort);
      return text.replace(/\n$/, '');
    } catch (error) {
      throw isStatement(error) ? syntaxError(error) : error;
    }
  }

  private async statement(
    canonical: string,
    paramNames: ReadonlySet<string>,
    abort: AbortSignal,
  ): Promise<Statement> {
    const all = tokenize(canonical);
    checkTokens(all);
    const { tokens, format, settings } = takeEnding(all);
    const plan = planOf(tokens, this.published);
    const params = checkParams(tokens, paramNames);
    const found = { kind: plan.kind, format, settings, params };
    if (plan.run === 'ready') return { ...found, sql: plan.sql, tables: plan.tables };
    const { tables, sql } = await this.query(canonical, tokens, plan, abort);
    return { ...found, sql, tables };
  }

  private async query(
    canonical: string,
    tokens: readonly Token[],
    plan: Plan & { run: 'tree' },
    abort: AbortSignal,
  ): Promise<{ sql: string; tables: readonly string[] }> {
    const text = withoutParams(canonical, tokens.slice(plan.skip));
    const [tree, functions] = await Promise.all([
      this.tree(text, abort), this.functions ?? this.loadFunctions(abort),
    ]);
    const root = plan.kind === 'describe' ? describedIn(tree) : tree;
    const found = checkQuery(root, { published: this.published, tokens, functions });
    await this.refuseExisting(found.unpublished, abort);
    const sql = withMetadata(canonical, tokens, found.metadata, this.published);
    return { sql, tables: [...found.tables] };
  }

  private async tree(text: string, abort: AbortSignal) {
    try {
      const tree = parseTree(await this.options.ask(`EXPLAIN AST ${text}`, {}, abort));
      if (tree !== null) return tree;
    } catch (error) {
      throw isStatement(error) ? syntaxError(error) : error;
    }
    throw new GateError('CONSTRUCT_DENIED', 'this statement is not understood',
      'write it as a plain SELECT');
  }

  private async loadFunctions(abort: AbortSignal): Promise<ReadonlySet<string>> {
    const names = await this.options.ask(FUNCTIONS_SQL, {}, abort);
    this.functions = new Set(names.split('\n'));
    return this.functions;
  }

  /** A CTE may not have the name of a table that is not published: it is not visible everywhere. */
  private async refuseExisting(names: ReadonlySet<string>, abort: AbortSignal): Promise<void> {
    if (names.size === 0) return;
    const { database } = this.published;
    const params = { database, names: [...names].join('\x01') };
    const existing = (await this.options.ask(EXISTING_SQL, params, abort)).trim();
    if (existing === '') return;
    throw new GateError('TABLE_DENIED', `${existing} is a table that is not published`,
      'give the WITH query, or the alias, another name');
  }
}

function checkText(sql: string): void {
  if (sql.length > limits.sqlCharactersMax) {
    throw new GateError('TOO_LARGE',
      `a statement has at most ${limits.sqlCharactersMax} characters`,
      'give long lists as a parameter, {names:Array(String)}');
  }
  if (/\0|\p{Surrogate}/u.test(sql)) {
    throw new GateError('SYNTAX', 'the statement has characters that no text has',
      'send it as UTF-8 without zero bytes');
  }
  if (/^[\s;]*$/.test(sql)) {
    throw new GateError('EMPTY', 'there is no statement', 'write one, such as SHOW TABLES');
  }
}

/** The one table expression of a DESCRIBE. */
function describedIn(tree: NonNullable<ReturnType<typeof parseTree>>) {
  const [described] = tree.children;
  if (tree.kind === 'DescribeQuery' && tree.children.length === 1 && described !== undefined) {
    return described;
  }
  throw new GateError('CONSTRUCT_DENIED', 'this DESCRIBE says more than is taken',
    'write DESCRIBE TABLE and a name, or a query in brackets');
}

const isStatement = (error: unknown): error is QueryError =>
  error instanceof QueryError && error.kind === 'statement';

/** The text is a parameter, so what the engine says of it is about its own position. */
function syntaxError({ message }: QueryError): GateError {
  const [, at] = /failed at position (\d+)/.exec(message) ?? [];
  const several = message.includes('Multi-statements');
  const told = /^(?:Syntax error[^:]*: )?(.*?)(?::? In scope |\. Expected one of|$)/s.exec(message);
  return new GateError('SYNTAX', several ? 'there is more than one statement'
    : `this is not ClickHouse's SQL: ${(told?.[1] ?? message).slice(0, 200)}`,
  several ? 'send one at a time' : 'correct it at this position',
  at === undefined ? undefined : Number(at) - 1);
}
