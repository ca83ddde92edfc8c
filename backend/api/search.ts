// `GET /api/search`: one search over log records and spans, the newest first. See docs/api.md.

import type { FastifyInstance } from 'fastify';
import { entryOf } from '../logs/entry.ts';
import { readLogs, type LogsReader, type OrderedRow } from '../logs/logs.ts';
import { isPlace, placeBehind, type Place } from '../logs/page.ts';
import { readSpans, spanEntryOf, type SpanRow } from '../logs/spans.ts';
import { searchOf } from '../logs/where.ts';
import { SearchError, type SearchNode } from '../search/node.ts';
import { compileSearch } from '../search/sql.ts';
import { FILTER_SCHEMAS, lengthSchema, periodOf, readerOf, type AskedLogs, type ReadingOptions }
  from './logs_asked.ts';
import { answers, CURSOR_SCHEMA, decodeCursor, encodeCursor, LIMIT_SCHEMA, listSchema, problems,
  readLimit } from './period.ts';
import { refuseForeignPages } from './query.ts';

const SIGNALS = ['logs', 'traces'] as const;
type Searched = (typeof SIGNALS)[number];

export function registerSearch(app: FastifyInstance, options: ReadingOptions): void {
  app.addHook('onRequest', refuseForeignPages);
  app.get('/api/search', { schema: DOCS }, async (request, reply) => {
    const asked = request.query as AskedLogs & { signal?: Searched };
    const search = searchOf(asked);
    const signals = searchable(search, asked.signal === undefined ? SIGNALS : [asked.signal]);
    const start = startOf(asked, options.world.clock.nowMs());
    const limit = readLimit(asked.limit);
    const reader = readerOf(options, request, reply);
    const lists: Listed[] = [];
    for (const signal of signals) lists.push(await find(reader, { signal, search, start, limit }));
    const found = lists.flatMap(({ signal, rows }) => rows.map((row) => ({ signal, row })))
      .sort((one, other) => Number(BigInt(other.row.ns) - BigInt(one.row.ns)))
      .slice(0, limit);
    const takenOf = (signal: Searched) => found.filter((one) => one.signal === signal).length;
    const next = Object.fromEntries(lists.map((list) =>
      [list.signal, behind(list, takenOf(list.signal), start[list.signal] ?? null)]));
    return reply.header('cache-control', 'no-store').send({
      items: found.map(({ row, signal }) => ({ signal, ...entryOfRow(row, signal) })),
      next: Object.values(next).every((place) => place === END) ? null
        : encodeCursor({ from: start.from, to: start.to, ...next }),
      signals,
    });
  });
}

const entryOfRow = (row: Row, signal: Searched): object =>
  (signal === 'logs' ? entryOf(row as OrderedRow) : spanEntryOf(row as SpanRow));

/** The signals that can be asked; throws what is wrong when none can. */
function searchable(search: SearchNode, wanted: readonly Searched[]): Searched[] {
  let problem: SearchError | null = null;
  const found = wanted.filter((signal) => {
    try {
      compileSearch(search, signal);
      return true;
    } catch (error) {
      if (!(error instanceof SearchError)) throw error;
      problem ??= error;
      return false;
    }
  });
  if (found.length === 0 && problem !== null) throw problem;
  return found;
}

/** A list that is over. */
const END = 'end';

interface Start {
  readonly from: string;
  readonly to: string;
  readonly logs?: Place | typeof END | null;
  readonly traces?: Place | typeof END | null;
}

const isStart = (value: unknown): value is Start => {
  const { from, to, logs, traces } = (value ?? {}) as Readonly<Record<string, unknown>>;
  const isNs = (one: unknown) => typeof one === 'string' && /^\d{1,19}$/.test(one);
  const isSide = (one: unknown) => one === undefined || one === null || one === END || isPlace(one);
  return isNs(from) && isNs(to) && isSide(logs) && isSide(traces);
};

function startOf(asked: AskedLogs, nowMs: number): Start {
  if (asked.cursor !== undefined) return decodeCursor(asked.cursor, isStart);
  const { fromNs, toNs } = periodOf(asked, nowMs);
  return { from: String(fromNs), to: String(toNs) };
}

type Row = OrderedRow | SpanRow;

interface Listed {
  readonly signal: Searched;
  readonly rows: readonly Row[];
  readonly isMore: boolean;
}

interface Finding {
  readonly signal: Searched;
  readonly search: SearchNode;
  readonly start: Start;
  readonly limit: number;
}

async function find(reader: LogsReader, finding: Finding): Promise<Listed> {
  const { signal, search, start, limit } = finding;
  const place = start[signal] ?? null;
  if (place === END) return { signal, rows: [], isMore: false };
  const toNs = place === null ? BigInt(start.to) : BigInt(place.ns) + 1n;
  const question = { fromNs: BigInt(start.from), toNs, search, limit, place };
  const { rows, next } = signal === 'logs' ? await readLogs(reader, question)
    : await readSpans(reader.ask, question);
  return { signal, rows, isMore: next !== null };
}

/** Where a list goes on when `taken` rows of it are on the page. */
function behind(list: Listed, taken: number, before: Place | typeof END | null) {
  if (before === END || (taken === list.rows.length && !list.isMore)) return END;
  return placeBehind(list.rows.slice(0, taken), before);
}

const DOCS = {
  operationId: 'search', summary: 'Log records and spans that a search finds', tags: ['logs'],
  description: 'The newest first, each with its `signal`. A signal that a search cannot be asked, '
    + 'as logs have no duration, is left out; `signals` says which are there.',
  querystring: { type: 'object', additionalProperties: false, properties: {
    ...FILTER_SCHEMAS, ...lengthSchema('7 days'), limit: LIMIT_SCHEMA, cursor: CURSOR_SCHEMA,
    signal: { type: 'string', enum: [...SIGNALS], description: 'Only this; both unless given.' },
  } },
  response: {
    200: answers('A page.', listSchema({ type: 'object', required: ['signal', 'timestamp'],
      additionalProperties: true })),
    400: problems('A value that cannot be right; INVALID_SEARCH has a position.'),
    422: problems('It takes too long; ask for a shorter period.'),
    429: problems('Too many queries run and wait at the same time.'),
    503: problems('The store is away.'),
  },
};
