// Work on canonical texts: what may stand in them at all, parameters, and ClickHouse's own tables,
// which give way to queries that show a safe part of them.

import { GateError } from './errors.ts';
import { metadataName, metadataQuery, type Published } from './metadata.ts';
import { isName, isSymbol, isWord, quotedName, type Token } from './tokens.ts';

/** What names in a canonical text may not have: what would look like another node in its tree. */
const ODD_NAME = /[\\\x00-\x1f\x7f\u2028\u2029]| \((?:alias|children) /;

/** Throws GateError for what has no place in a canonical text. */
export function checkTokens(tokens: readonly Token[]): void {
  tokens.forEach((token, index) => {
    if (token.kind === 'quoted' && ODD_NAME.test(token.text)) {
      throw new GateError('NAME_DENIED', 'a name has a backslash, a quote or a line break in it',
        'give it a plain name with AS');
    }
    if (token.kind === 'odd' || (token.kind === 'symbol' && /[;$#'"`\\]/.test(token.text))) {
      throw new GateError('SYNTAX', 'this statement is not understood',
        'write one plain statement');
    }
    if (isWord(token, 'INTO') && isWord(tokens[index + 1], 'OUTFILE')) {
      throw new GateError('OUTFILE', 'INTO OUTFILE writes a file on the server',
        'leave it away: the result comes to you; say in which FORMAT', 'OUTFILE');
    }
  });
}

/** Types of values; Identifier is none, as it would put in a name that was not checked. */
const PARAM = /^\{\s*(\w+)\s*:\s*([\w\s(),'=.+-]+)\}$/;
const TYPES_REFUSED = /\bIdentifier\b|(?<!Simple)AggregateFunction/i;

/** The parameters in use. Throws GateError for one without a value, or for a name. */
export function checkParams(tokens: readonly Token[], names: ReadonlySet<string>): string[] {
  const used = new Set<string>();
  for (const { kind, text } of tokens) {
    if (kind === 'symbol' && /[{}]/.test(text)) {
      throw new GateError('SYNTAX', 'a curly bracket stands for a parameter only',
        'write {name:Type}, or map(key, value)');
    }
    if (kind !== 'param') continue;
    const [, name, type = ''] = PARAM.exec(text) ?? [];
    if (name === undefined || TYPES_REFUSED.test(type)) {
      throw new GateError('PARAMETER', `${text.slice(0, 80)} does not stand for a value`,
        'name tables and columns in the text; parameters have types such as String or UInt64');
    }
    if (!names.has(name)) {
      throw new GateError('PARAMETER', `there is no value for the parameter ${name}`,
        `give it as param_${name}, or in params`, name);
    }
    used.add(name);
  }
  return [...used];
}

/** For parsing only: a value in the place of each parameter. */
export function withoutParams(canonical: string, tokens: readonly Token[]): string {
  return replaced(canonical, tokens, (token) => (token.kind === 'param' ? ' 0 ' : null));
}

/** The text of tokens, some of them as `change` says. */
function replaced(
  canonical: string,
  tokens: readonly Token[],
  change: (token: Token, index: number) => string | null,
): string {
  let text = '';
  let from = tokens[0]?.start ?? 0;
  tokens.forEach((token, index) => {
    const instead = change(token, index);
    if (instead === null) return;
    text += canonical.slice(from, token.start) + instead;
    from = token.end;
  });
  return text + canonical.slice(from, tokens.at(-1)?.end ?? 0);
}

/**
 * Puts queries in the place of ClickHouse's own tables.
 *
 * @param wanted the tables that the syntax tree has, each as often as it stands there. Throws
 *   GateError unless exactly these were found, so that none is left.
 */
export function withMetadata(
  canonical: string,
  tokens: readonly Token[],
  wanted: readonly string[],
  published: Published,
): string {
  if (wanted.length === 0) return replaced(canonical, tokens, () => null);
  const found: string[] = [];
  let gone = 0;
  const sql = replaced(canonical, tokens, (_token, index) => {
    if (index < gone) return '';
    const name = metadataAt(tokens, index);
    if (name === null) return null;
    // `system.columns.name` is a column of what is now called `columns`.
    if (isSymbol(tokens[index + 3], '.')) {
      gone = index + 2;
      return '';
    }
    if (!isSource(tokens[index - 1])) throw unclear();
    gone = index + 3;
    found.push(name);
    return metadataQuery(name, published) + aliasOf(tokens, index);
  });
  if ([...found].sort().join() === [...wanted].sort().join()) return sql;
  throw unclear();
}

const unclear = (): GateError =>
  new GateError('CONSTRUCT_DENIED', 'it is not clear where system tables are read',
    'name them in FROM, with an alias');

function metadataAt(tokens: readonly Token[], index: number): string | null {
  const [database, dot, table] = tokens.slice(index, index + 3);
  const named = isName(database) && isSymbol(dot, '.') && isName(table)
    && !isSymbol(tokens[index - 1], '.');
  return named ? metadataName(database.name, table.name) : null;
}

const isSource = (before: Token | undefined): boolean =>
  isSymbol(before, ',') || ['FROM', 'JOIN', 'TABLE'].some((word) => isWord(before, word));

/** A subquery keeps the name that the table had, unless it was given one or is described. */
function aliasOf(tokens: readonly Token[], index: number): string {
  const aliased = isWord(tokens[index + 3], 'AS') || isWord(tokens[index - 1], 'TABLE');
  return aliased ? '' : ` AS ${quotedName(tokens[index + 2]!.name)}`;
}
