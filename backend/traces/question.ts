// What a search for traces asks for, from the text that a person writes: one search of spans, or a
// structure of several (structure.ts), in both cases together with what else was chosen.

import { SearchError } from '../search/node.ts';
import { parseSearch } from '../search/parse.ts';
import { compileSearch } from '../search/sql.ts';
import type { Selector } from './search.ts';
import { isStructure, parseStructure, StructureError, type Chain } from './structure.ts';

/** What the listed span must be besides; null: anything. Durations are nanoseconds. */
export interface Chosen {
  readonly service: string | null;
  readonly operation: string | null;
  readonly status: string | null;
  readonly durationNsMin: number | null;
  readonly durationNsMax: number | null;
}

export interface TraceQuestion {
  readonly selectors: readonly Selector[];
  readonly chains: readonly Chain[];
}

/**
 * Without anything that says which span is meant, it is the root: durations are those of traces
 * then. Throws SearchError with a position in `text`.
 */
export function compileTraceSearch(text: string, chosen: Chosen): TraceQuestion {
  const conditions = conditionsOf(chosen);
  if (!isStructure(text)) {
    const isSaid = text.trim() !== '' || chosen.service !== null || chosen.operation !== null
      || chosen.status !== null;
    const search = compileSearch(parseSearch(text), 'traces', 'q');
    const root = isSaid ? [] : [{ sql: "ParentSpanId = ''", params: {} }];
    return { selectors: [both(search, ...conditions, ...root)], chains: [] };
  }
  const { selectors, chains } = structureOf(text);
  return {
    chains,
    selectors: selectors.map((selector, index) => {
      const search = compilePart(selector.text, selector.position, `q${index}_`);
      return index === 0 ? both(search, ...conditions) : search;
    }),
  };
}

function structureOf(text: string): ReturnType<typeof parseStructure> {
  try {
    return parseStructure(text);
  } catch (error) {
    if (!(error instanceof StructureError)) throw error;
    throw new SearchError(error.message, error.position, '{service:shop} > {status:error}');
  }
}

function compilePart(text: string, position: number, prefix: string): Selector {
  try {
    return compileSearch(parseSearch(text), 'traces', prefix);
  } catch (error) {
    if (!(error instanceof SearchError)) throw error;
    throw new SearchError(error.message, error.position + position, error.suggestion);
  }
}

const both = (...selectors: readonly Selector[]): Selector => ({
  sql: selectors.map(({ sql }) => `(${sql})`).join(' AND '),
  params: Object.assign({}, ...selectors.map(({ params }) => params)) as Selector['params'],
});

function conditionsOf(chosen: Chosen): Selector[] {
  const { service, operation, status, durationNsMin, durationNsMax } = chosen;
  const given = (sql: string, params: Record<string, string | number | null>): Selector[] =>
    (Object.values(params).includes(null) ? [] : [{ sql, params }]);
  return [
    ...given('ServiceName = {service:String}', { service }),
    ...given('SpanName = {operation:String}', { operation }),
    ...given('StatusCode = {status:String}', { status }),
    ...given('Duration >= {duration_min:UInt64}', { duration_min: durationNsMin }),
    ...given('Duration <= {duration_max:UInt64}', { duration_max: durationNsMax }),
  ];
}
