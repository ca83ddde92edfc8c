// Whether a query, as a syntax tree, only reads published tables: every node, function, table and
// type in it must be on a list. What the tree does not say is read from the tokens beside it:
// - names of CTEs: a table that is not published must be one, and no table of the database may
//   have that name (`unpublished`; where a CTE is visible is so of no account);
// - functions of APPLY.

import { GateError } from './errors.ts';
import { formatOf } from './formats.ts';
import { isAggregate, isAllowed, refusalOf, REVIEWED, takesFunction } from './functions.ts';
import { METADATA_TABLES, metadataName, type Published } from './metadata.ts';
import { nearest } from './nearest.ts';
import { isName, isSymbol, isWord, stringOf, type Token } from './tokens.ts';
import { argumentsOf, literalText, nodesOf, type Node } from './tree.ts';

/** What is known beside the tree. */
export interface Surroundings {
  readonly published: Published;
  readonly tokens: readonly Token[];
  /** Lower-case names of all functions of the engine. */
  readonly functions: ReadonlySet<string>;
}

/** What a query asks for, as far as it may. */
export interface Found {
  /** Published tables, without their database. */
  readonly tables: ReadonlySet<string>;
  /** Metadata tables, as often as they stand in it. */
  readonly metadata: readonly string[];
  /** Names that are CTEs or aliases, unless the database has a table of that name. */
  readonly unpublished: ReadonlySet<string>;
}

const KINDS: ReadonlySet<string> = new Set(`
  SelectWithUnionQuery SelectIntersectExceptQuery SelectQuery ExpressionList Subquery WithElement
  Asterisk QualifiedAsterisk ColumnsTransformerList ColumnsExceptTransformer
  ColumnsReplaceTransformer ColumnsReplaceTransformer::Replacement ColumnsApplyTransformer
  ColumnsRegexpMatcher QualifiedColumnsRegexpMatcher ColumnsListMatcher QualifiedColumnsListMatcher
  Function Identifier Literal TablesInSelectQuery TablesInSelectQueryElement TableExpression
  TableIdentifier TableJoin ArrayJoin SampleRatio OrderByElement InterpolateElement
  WindowDefinition WindowListElement`.split(/\s+/));

/** Sources of rows that make them up, or read a subquery. */
export const TABLE_FUNCTIONS = {
  allowed: ['numbers', 'numbers_mt', 'values', 'SQLStandardValues',
    'generateSeries', 'generate_series', 'primes', 'view', 'null'],
  refused: `
    arrowstream azureBlobStorage azureBlobStorageCluster cluster clusterAllReplicas cosn deltaLake
    deltaLakeAzure deltaLakeAzureCluster deltaLakeCluster deltaLakeLocal deltaLakeS3
    deltaLakeS3Cluster dictionary eval executable file fileCluster filesystem format fuzzJSON
    fuzzQuery gcs generateRandom hdfs hdfsCluster hudi hudiCluster iceberg icebergAzure
    icebergAzureCluster icebergCluster icebergHDFS icebergHDFSCluster icebergLocal
    icebergLocalCluster icebergS3 icebergS3Cluster input jdbc loop merge mergeTreeAnalyzeIndexes
    mergeTreeAnalyzeIndexesUUID mergeTreeIndex mergeTreeProjection mergeTreeTextIndex mongodb mysql
    odbc oss paimon paimonAzure paimonAzureCluster paimonCluster paimonHDFS paimonHDFSCluster
    paimonLocal paimonS3 paimonS3Cluster postgresql prometheusQuery prometheusQueryRange redis
    remote remoteSecure s3 s3Cluster sqlite timeSeriesData timeSeriesMetrics timeSeriesSamples
    timeSeriesSelector timeSeriesTags url urlCluster viewExplain viewIfPermitted ytsaurus zeros
    zeros_mt`
    .split(/\s+/).filter((name) => name !== ''),
} as const;

const IN = /^(?:global)?(?:not)?(?:null)?in(?:ignoreset)?$/i;
const CASTS = /^(?:_?cast|accuratecast(?:ornull|ordefault)?|reinterpret)$/i;
const TYPE_NAMERS = /^(?:defaultValueOfTypeName|values)$/i;
const NAMERS = /^(?:arrayReduce|arrayReduceInRanges|initializeAggregation)$/i;
const FORMATTERS = /^formatRow(?:NoNewline)?$/i;
const NAME = /^[A-Za-z_]\w*$/;
/** A name that is no path: the embedded engine takes a table's name for that of a file, too. */
const PLAIN = /^[\w\u0080-\uffff]+$/;

/** Throws GateError for the first thing that may not be. */
export function checkQuery(root: Node, around: Surroundings): Found {
  const nodes = [...nodesOf(root)];
  const walk = new Walk(around, nodes);
  if (nodes.some(({ kind }) => kind === 'ColumnsApplyTransformer')) checkHidden(nodes, around);
  return walk;
}

class Walk implements Found {
  readonly tables = new Set<string>();
  readonly metadata: string[] = [];
  readonly unpublished = new Set<string>();
  private readonly around: Surroundings;
  /** Names of functions that the query makes itself. */
  private readonly lambdas: ReadonlySet<string>;
  private readonly names: ReadonlySet<string>;
  /** Table functions, which are checked already where their call is met. */
  private readonly sources = new Set<Node>();

  constructor(around: Surroundings, nodes: readonly Node[]) {
    this.around = around;
    this.names = namesOf(around.tokens);
    this.lambdas = new Set(nodes.flatMap(({ kind, value, alias }) =>
      (kind === 'Function' && value === 'lambda' && alias !== null ? [alias] : [])));
    for (const node of nodes) this.node(node);
  }

  private node(node: Node): void {
    if (!KINDS.has(node.kind)) throw constructOf(node);
    switch (node.kind) {
      case 'SelectWithUnionQuery':
        if (node.children.length !== 1) throw constructOf(node);
        return;
      case 'TableExpression':
        return this.source(node);
      case 'Function':
        return this.call(node);
      default:
    }
  }

  private source(node: Node): void {
    const [source] = node.children;
    if (source?.kind === 'TableIdentifier') return this.table(source.value);
    if (source?.kind === 'Subquery') return;
    if (source?.kind !== 'Function') throw constructOf(source ?? node);
    const { value } = source;
    this.sources.add(source);
    if (TABLE_FUNCTIONS.allowed.some((name) => name.toLowerCase() === value.toLowerCase())) return;
    throw new GateError('TABLE_FUNCTION_DENIED',
      `${printed(value)}() brings rows from outside of the published tables`,
      `ask a published table (${listOf(this.around.published)}), or make rows with `
        + 'numbers(…), values(…) or generateSeries(…)', value);
  }

  private table(value: string): void {
    const { published } = this.around;
    const [first, second, ...more] = value.split('.');
    if (second === undefined) {
      if (published.tables.has(value)) this.tables.add(value);
      else if (PLAIN.test(value) && this.names.has(value)) this.unpublished.add(value);
      else throw tableDenied(value, published);
      return;
    }
    const metadata = metadataName(first!, second);
    if (more.length > 0) throw tableDenied(value, published);
    if (first === published.database && published.tables.has(second)) this.tables.add(second);
    else if (metadata !== null) this.metadata.push(metadata);
    else throw tableDenied(value, published);
  }

  private call(node: Node): void {
    const { value: name } = node;
    if (!this.sources.has(node) && !this.mayCall(name)) {
      throw functionDenied(name, this.around.published);
    }
    const given = argumentsOf(node);
    if (IN.test(name)) this.set(given[1]);
    if (CASTS.test(name)) checkType(name, given[1]);
    if (TYPE_NAMERS.test(name) && !isRow(given[0])) checkType(name, given[0]);
    if (NAMERS.test(name)) checkAggregateName(name, given[0]);
    if (FORMATTERS.test(name)) checkFormatName(name, given[0]);
    if (takesFunction(name)) given.forEach((one, index) => this.maybeFunction(one, index));
  }

  private mayCall(name: string): boolean {
    if (!NAME.test(name)) return false;
    const engines = this.around.functions.has(name.toLowerCase()) || refusalOf(name) !== null;
    return isAllowed(name) || (this.lambdas.has(name) && !engines);
  }

  /** A name on the right side of IN is read as a table. */
  private set(node: Node | undefined): void {
    if (node?.kind !== 'Identifier') return;
    const { published } = this.around;
    const own = node.value.startsWith(`${published.database}.`)
      ? node.value.slice(published.database.length + 1) : node.value;
    if (published.tables.has(own)) this.tables.add(own);
    else if (PLAIN.test(node.value) && this.names.has(node.value)) {
      this.unpublished.add(node.value);
    } else {
      throw new GateError('TABLE_DENIED',
        `IN ${printed(node.value)} would read a table that is not published`,
        'for a column with a list, write has(list, value); for a table, name a published one',
        node.value);
    }
  }

  /** `arrayMap(file, …)` calls a function by its bare name. */
  private maybeFunction(node: Node, index: number): void {
    if (node.kind !== 'Identifier' || isAllowed(node.value)) return;
    const name = node.value;
    const known = this.around.functions.has(name.toLowerCase()) || refusalOf(name) !== null;
    if (known && (index === 0 || !this.names.has(name))) {
      throw functionDenied(name, this.around.published);
    }
  }
}

/** Names that a text gives: `name AS (…)`, `name(…) AS (…)`, `… AS name`. */
function namesOf(tokens: readonly Token[]): ReadonlySet<string> {
  const names = new Set<string>();
  /** Of the innermost bracket that is open, and of the one that was closed last. */
  const open: number[] = [];
  let closed = -1;
  tokens.forEach((token, index) => {
    if (isSymbol(token, '(')) open.push(index);
    if (isSymbol(token, ')')) closed = open.pop() ?? -1;
    if (!isWord(token, 'AS')) return;
    const after = tokens[index + 1];
    if (isName(after)) names.add(after.name);
    const before = tokens[index - 1];
    if (isName(before)) names.add(before.name);
    const called = isSymbol(before, ')') ? tokens[closed - 1] : undefined;
    if (isName(called)) names.add(called.name);
  });
  return names;
}

/** Of these, what stands in the text must be in the tree as well. */
const FAMILIES: readonly RegExp[] = [IN, CASTS, TYPE_NAMERS, NAMERS, FORMATTERS];

/**
 * The tree does not show what APPLY applies. So no name in the whole text may be that of a function
 * which is refused, and what needs a second look (IN, types, queries) may not be hidden.
 */
function checkHidden(nodes: readonly Node[], around: Surroundings): void {
  const names = around.tokens.filter(isName);
  for (const { name } of names) {
    const engines = around.functions.has(name.toLowerCase()) || refusalOf(name) !== null;
    if (engines && !isAllowed(name)) throw functionDenied(name, around.published);
  }
  const calls = nodes.filter(({ kind }) => kind === 'Function');
  const same = FAMILIES.every((family) => names.filter(({ name }) => family.test(name)).length
    === calls.filter(({ value }) => family.test(value)).length);
  const queries = nodes.filter(({ kind }) => kind === 'SelectQuery').length;
  if (same && names.filter(({ name }) => /^select$/i.test(name)).length === queries) return;
  throw new GateError('CONSTRUCT_DENIED', 'APPLY may not hold IN, CAST or a query',
    'name the columns, and write the expression for each of them', 'APPLY');
}

/** `values((1, 2), …)` has no structure in front of its rows. */
const isRow = (node: Node | undefined): boolean =>
  (node?.kind === 'Literal' && literalText(node) === null)
    || (node?.kind === 'Function' && node.value === 'tuple');

function checkType(name: string, node: Node | undefined): void {
  const type = literalText(node);
  if (type === null) {
    throw new GateError('TYPE_DENIED', `the type of ${name}() is not written out`,
      `write it as a text, such as CAST(x, 'String')`, name);
  }
  if (/(?<!Simple)AggregateFunction/i.test(type)) {
    throw new GateError('TYPE_DENIED', 'states of aggregates are not read from values',
      'use functions that end in -State on rows', 'AggregateFunction');
  }
}

function checkAggregateName(name: string, node: Node | undefined): void {
  const literal = literalText(node);
  const called = literal === null ? null : stringOf(literal);
  const [, aggregate = ''] = /^(\w+)\s*(?:\([\d\s.,]*\))?$/.exec(called ?? '') ?? [];
  if (isAggregate(aggregate)) return;
  throw new GateError('FUNCTION_DENIED', `${name}() is given no aggregate that is allowed`,
    `write its name out, such as ${name}('sum', …) or ${name}('quantile(0.9)', …)`, name);
}

function checkFormatName(name: string, node: Node | undefined): void {
  const literal = literalText(node);
  const format = literal === null ? null : formatOf(stringOf(literal) ?? '');
  if (format !== null) return;
  throw new GateError('FORMAT_DENIED', `${name}() is given no format that is allowed`,
    `write its name out, such as ${name}('JSONEachRow', …)`, name);
}

function functionDenied(name: string, published: Published): GateError {
  const refusal = refusalOf(name);
  if (refusal !== null) {
    const tables = refusal.why.includes('files') ? `: ${listOf(published)}` : '';
    return new GateError('FUNCTION_DENIED', `${printed(name)}() ${refusal.why}`,
      `${refusal.instead}${tables}`, name);
  }
  const close = nearest(name, [...REVIEWED.scalars, ...REVIEWED.aggregates]);
  return new GateError('FUNCTION_UNKNOWN', `there is no function ${printed(name)} for analysts`,
    close === null ? 'system.functions lists the functions' : `did you mean ${close}?`, name);
}

function tableDenied(name: string, published: Published): GateError {
  const own = name.startsWith(`${published.database}.`)
    ? name.slice(published.database.length + 1) : name;
  const close = nearest(own, [...published.tables, ...METADATA_TABLES]);
  return new GateError('TABLE_DENIED', `${printed(name)} is no published table`,
    `${close === null ? '' : `did you mean ${close}? `}published are ${listOf(published)}`, name);
}

const CONSTRUCTS: Readonly<Record<string, string>> = {
  Set: 'SETTINGS may stand at the end of the statement only',
  ParallelWithQuery: 'ask for one result at a time',
  ExecuteAsQuery: 'ask in your own name',
  QueryParameter: 'a parameter stands for a value, never for a name',
};

function constructOf({ kind }: Node): GateError {
  return new GateError('CONSTRUCT_DENIED', `${printed(kind)} has no place in a query here`,
    CONSTRUCTS[kind] ?? 'write it as a plain SELECT', kind === 'Set' ? 'SETTINGS' : undefined);
}

const TABLES_SHOWN = 12;

/** For messages: the published tables, or the first of them. */
export function listOf({ tables }: Published): string {
  const names = [...tables];
  const more = names.length > TABLES_SHOWN ? ', …' : '';
  return names.slice(0, TABLES_SHOWN).join(', ') + more;
}

const printed = (name: string): string => name.slice(0, 80).replace(/[^\x20-\x7e]/g, '?');
