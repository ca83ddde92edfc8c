/**
 * Writes answers as ClickHouse's HTTP interface does: headers, content types, summary, errors,
 * gzip when it was asked for.
 */
import { createReadStream } from 'node:fs';
import { unlink } from 'node:fs/promises';
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { createGzip, gzipSync } from 'node:zlib';
import { EngineError } from './errors.ts';
import type { Executed } from './execute.ts';

/** What every answer tells about the engine. */
export interface Identity {
  version: string;
  timezone: string;
  displayName: string;
}

/** Sends what a statement gave, and removes its file. */
export async function sendResult(
  response: ServerResponse,
  identity: Identity,
  request: { queryId: string; gzip: boolean },
  executed: Executed,
): Promise<void> {
  const headers: OutgoingHttpHeaders = {
    ...identityHeaders(identity, request.queryId),
    'Content-Type': contentTypeOf(executed.format),
    'X-ClickHouse-Format': executed.format,
    'X-ClickHouse-Summary': summaryOf(executed),
  };
  if (executed.path === null) {
    sendBytes(response, headers, executed.bytes, request.gzip);
    return;
  }
  try {
    await sendFile(response, headers, executed.path, executed.pathBytes, request.gzip);
  } finally {
    await unlink(executed.path).catch(() => undefined);
  }
}

/** Sends an error in ClickHouse's form; the connection is closed when a body is left unread. */
export function sendError(
  response: ServerResponse,
  identity: Identity,
  queryId: string,
  error: EngineError,
): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const body = Buffer.from(error.body(identity.version));
  const unread = !response.req.complete;
  response.writeHead(error.status, {
    ...identityHeaders(identity, queryId),
    'Content-Type': 'text/plain; charset=UTF-8',
    'Content-Length': body.length,
    'X-ClickHouse-Exception-Code': error.code,
    ...(unread ? { Connection: 'close' } : {}),
    ...(error.status === 503 ? { 'Retry-After': 1 } : {}),
  });
  response.end(body);
}

/** The media type of a format; octets for what is not text. */
export function contentTypeOf(format: string): string {
  if (/^(JSONEachRow|JSONCompactEachRow|JSONStringsEachRow|JSONLines|NDJSON)/.test(format)) {
    return 'application/x-ndjson; charset=UTF-8';
  }
  if (format.startsWith('JSON')) {
    return 'application/json; charset=UTF-8';
  }
  if (/^(TabSeparated|TSV)/.test(format)) {
    return 'text/tab-separated-values; charset=UTF-8';
  }
  if (format.startsWith('CSV')) {
    return 'text/csv; charset=UTF-8; header=absent';
  }
  if (format === 'XML') {
    return 'application/xml; charset=UTF-8';
  }
  if (/^(Pretty|Vertical|Values|Markdown|SQLInsert|Template|Custom|Prometheus)/.test(format)) {
    return 'text/plain; charset=UTF-8';
  }
  return 'application/octet-stream';
}

function identityHeaders(identity: Identity, queryId: string): OutgoingHttpHeaders {
  return {
    'X-ClickHouse-Server-Display-Name': identity.displayName,
    'X-ClickHouse-Timezone': identity.timezone,
    'X-ClickHouse-Query-Id': queryId,
  };
}

/**
 * Counts as text, as JSON numbers lose precision. The engine tells result rows and written rows
 * only: rows and bytes read from tables are 0 here, and known in the JSON formats' `statistics`.
 */
function summaryOf(executed: Executed): string {
  const reads = executed.writtenRows === 0;
  return JSON.stringify({
    read_rows: String(executed.writtenRows),
    read_bytes: String(executed.writtenBytes),
    written_rows: String(executed.writtenRows),
    written_bytes: String(executed.writtenBytes),
    total_rows_to_read: '0',
    result_rows: String(reads ? executed.readRows : executed.writtenRows),
    result_bytes: String(reads ? executed.bytes.length + executed.pathBytes : 0),
    elapsed_ns: String(executed.elapsedNs),
  });
}

function sendBytes(
  response: ServerResponse,
  headers: OutgoingHttpHeaders,
  bytes: Buffer,
  gzip: boolean,
): void {
  const body = gzip ? gzipSync(bytes, { level: 1 }) : bytes;
  const encoding = gzip ? { 'Content-Encoding': 'gzip' } : {};
  response.writeHead(200, { ...headers, ...encoding, 'Content-Length': body.length });
  response.end(body);
}

async function sendFile(
  response: ServerResponse,
  headers: OutgoingHttpHeaders,
  path: string,
  bytes: number,
  gzip: boolean,
): Promise<void> {
  const file = createReadStream(path, { highWaterMark: 256 * 1024 });
  if (gzip) {
    response.writeHead(200, { ...headers, 'Content-Encoding': 'gzip' });
    await pipeline(file, createGzip({ level: 1 }), response);
    return;
  }
  response.writeHead(200, { ...headers, 'Content-Length': bytes });
  await pipeline(file, response);
}
