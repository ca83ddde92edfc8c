// Queries: one statement in, the bytes of its result out as they come. See the contract.

import type { Readable } from 'node:stream';
import { QueryError } from '../contract.ts';
import type { Health, QueryAnswer, QueryRequest, QuerySummary } from '../contract.ts';
import type { Clock } from '../../../runtime/clock.ts';
import type { Connection } from './client.ts';
import { connectionCause, queryError } from './errors.ts';

const PING_MS_MAX = 3000;

/** Behind what the backend itself asks and inserts (client.ts). */
const PRIORITY = 2;

export async function runQuery(
  connection: Connection,
  request: QueryRequest,
): Promise<QueryAnswer> {
  const { abort, format, sql, params, queryId, settings } = request;
  if (abort.aborted) throw queryError(null, true);
  try {
    const answer = await connection.exec({
      query: sql,
      abort_signal: abort,
      clickhouse_settings: {
        priority: String(PRIORITY),
        ...settings,
        // A client that goes away must not leave its query running.
        cancel_http_readonly_queries_on_client_close: 1,
        default_format: format as 'JSON',
      },
      ...(params === undefined ? {} : { query_params: { ...params } }),
      ...(queryId === undefined ? {} : { query_id: queryId }),
    });
    const body = destroyedBy(abort, answer.stream);
    return {
      body,
      contentType: header(answer.response_headers['content-type']) ?? 'application/octet-stream',
      format: header(answer.response_headers['x-clickhouse-format']) ?? format,
      queryId: answer.query_id,
      summary: parseSummary({ ...answer.summary }),
    };
  } catch (error) {
    throw queryError(error, abort.aborted);
  }
}

/** The client forgets the signal when the headers have come, so the body is ended here. */
function destroyedBy(abort: AbortSignal, body: Readable): Readable {
  const destroy = () => body.destroy(
    new QueryError(394, 'QUERY_WAS_CANCELLED', 'cancelled', 'cancelled'),
  );
  abort.addEventListener('abort', destroy, { once: true });
  body.once('close', () => abort.removeEventListener('abort', destroy));
  if (abort.aborted) destroy();
  return body;
}

function parseSummary(summary: Readonly<Record<string, unknown>>): QuerySummary {
  const count = (name: string) => Number(summary[name] ?? 0);
  return {
    readRows: count('read_rows'),
    readBytes: count('read_bytes'),
    resultRows: count('result_rows'),
    resultBytes: count('result_bytes'),
    elapsedMs: count('elapsed_ns') / 1e6,
  };
}

function header(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

export async function ping(connection: Connection, clock: Clock): Promise<Health> {
  const startMs = clock.monotonicMs();
  const abort = new AbortController();
  const timer = clock.after(PING_MS_MAX, () => abort.abort());
  try {
    const answer = await connection.client().query({
      query: 'SELECT version() AS version',
      format: 'JSONEachRow',
      abort_signal: abort.signal,
    });
    const [row] = await answer.json<{ version: string }>();
    return { up: true, version: row?.version ?? '', latencyMs: clock.monotonicMs() - startMs };
  } catch (error) {
    const late = `it did not answer within ${PING_MS_MAX} ms`;
    return { up: false, reason: abort.signal.aborted ? late : connectionCause(error) };
  } finally {
    timer.cancel();
  }
}
