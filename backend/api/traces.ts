// `GET /api/traces`, `/api/traces/{id}` and `/api/traces/compare`: searches traces, shows one, and
// sets two side by side. See docs/api.md.

import type { FastifyInstance } from 'fastify';
import type { World } from '../../runtime/world.ts';
import { compareTraces } from '../traces/compare.ts';
import { compileTraceSearch, type TraceQuestion } from '../traces/question.ts';
import { limits as readLimits, readTrace, readTraceId, type TraceRequest, type WholeTrace }
  from '../traces/read.ts';
import type { Rows } from '../traces/rows.ts';
import { limits as searchLimits, searchTraces, type Place, type Sort }
  from '../traces/search.ts';
import { askingFor, type AskingOptions } from './asking.ts';
import { ApiError } from './errors.ts';
import { decodeCursor, encodeCursor, HOUR_MS, invalid, readLimit, readPeriod, type Period }
  from './period.ts';
import { refuseForeignPages } from './query.ts';
import { COMPARE_DOCS, SEARCH_DOCS, TRACE_DOCS } from './traces_docs.ts';

export interface TracesRouteOptions extends AskingOptions {
  readonly world: World;
}

type Asked = Readonly<Partial<Record<'q' | 'service' | 'operation' | 'status' | 'min_duration'
  | 'max_duration' | 'from' | 'to' | 'sort' | 'limit' | 'cursor', string>>>;

export function registerTraces(app: FastifyInstance, options: TracesRouteOptions): void {
  const { clock } = options.world;
  app.addHook('onRequest', refuseForeignPages);
  app.get('/api/traces', { schema: SEARCH_DOCS }, async (request, reply) => {
    const asked = request.query as Asked;
    const sort = (asked.sort ?? 'recent') as Sort;
    const { period, after } = placeOf(asked, sort, clock.nowMs());
    const limit = readLimit(asked.limit, searchLimits.itemsMax, searchLimits.itemsDefault);
    const { rows } = askingFor(options, request, reply, 0);
    const { items, next } = await searchTraces(rows,
      { ...questionOf(asked), period, sort, limit, after });
    return reply.header('cache-control', 'no-store').send({
      from: new Date(period.fromMs).toISOString(),
      to: new Date(period.toMs).toISOString(),
      items,
      next: next === null ? null : encodeCursor({ ...period, sort, ...next }),
    });
  });
  app.get('/api/traces/compare', { schema: COMPARE_DOCS }, async (request, reply) => {
    const { a, b } = request.query as { a: string; b: string };
    const { rows } = askingFor(options, request, reply, 0);
    const first = await traceOf(rows, a, COMPARED);
    const second = await traceOf(rows, b, COMPARED);
    const compared = compareTraces(first, second);
    const truncated = compared.truncated || first.truncated || second.truncated;
    return reply.header('cache-control', 'no-store').send({ ...compared, truncated });
  });
  app.get('/api/traces/:id', { schema: TRACE_DOCS }, async (request, reply) => {
    const { id } = request.params as { id: string };
    const { logs, limit } = request.query as { logs?: string; limit?: string };
    const { rows, hiddenLogs } = askingFor(options, request, reply, 0);
    const spansMax = readLimit(limit, readLimits.spansMax, readLimits.spansDefault);
    const trace = await traceOf(rows, id, { spansMax, isWithLogs: logs !== 'false', hiddenLogs });
    return reply.header('cache-control', 'no-store').send(trace);
  });
}

const COMPARED = { spansMax: readLimits.spansDefault, isWithLogs: false };

/** Throws ApiError for a text that is no trace id, or that of no trace. */
async function traceOf(
  rows: Rows,
  text: string,
  request: Omit<TraceRequest, 'traceId'>,
): Promise<WholeTrace> {
  const traceId = readTraceId(text);
  if (traceId === null) {
    throw invalid(`a trace id has 32 hexadecimal digits, which '${text.slice(0, 50)}' has not`);
  }
  const trace = await readTrace(rows, { traceId, ...request });
  if (trace === null) throw new ApiError('NOT_FOUND', `there is no trace ${traceId}`);
  return trace;
}

function questionOf(asked: Asked): TraceQuestion {
  const { q = '', service = null, operation = null, status = null } = asked;
  const chosen = {
    service, operation, status,
    durationNsMin: durationNs('min_duration', asked.min_duration),
    durationNsMax: durationNs('max_duration', asked.max_duration),
  };
  return compileTraceSearch(q, chosen);
}

const UNITS_NS: Readonly<Record<string, number>> =
  { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

function durationNs(name: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const [, count, unit] = /^(\d{1,15}(?:\.\d{1,9})?)(ns|us|µs|ms|s|m|h)$/.exec(text) ?? [];
  const ns = Math.round(Number(count) * (UNITS_NS[unit ?? ''] ?? Number.NaN));
  if (!Number.isSafeInteger(ns)) {
    throw invalid(`${name} must be a duration such as 250ms, 1.5s or 100us`);
  }
  return ns;
}

/** Pages of a list are of one period, whatever the time is. */
function placeOf(
  asked: Asked,
  sort: Sort,
  nowMs: number,
): { period: Period; after: Place | null } {
  if (asked.cursor === undefined) {
    return { period: readPeriod(asked, { nowMs, defaultMs: HOUR_MS }), after: null };
  }
  type Whole = Period & Place & { readonly sort: Sort };
  const place = decodeCursor(asked.cursor, (one): one is Whole => {
    const { fromMs, toMs, key, traceId, sort: sorted } = (one ?? {}) as Whole;
    return Number.isSafeInteger(fromMs) && Number.isSafeInteger(toMs) && sorted === sort
      && typeof key === 'string' && /^\d{1,19}$/.test(key) && typeof traceId === 'string';
  });
  const { fromMs, toMs, key, traceId } = place;
  return { period: { fromMs, toMs }, after: { key, traceId } };
}
