// An OTLP/HTTP client: one attempt to deliver one batch to one server (OTLP 1.11, "OTLP/HTTP").
// Whether and when there is another attempt is for the caller to decide.
//
//   2xx                → accepted, with what the response says of a partial success
//   429, 502, 503, 504 → retryable, after Retry-After if that is given
//   413                → rejected as too large
//   everything else    → rejected; redirects are not followed
//   no response        → retryable
//
// Promises:
// - A request larger than `requestBytesMax` is never sent; a response larger than
//   `responseBytesMax` is not read, and its batch never sent again.

import { gzip } from 'node:zlib';
import { promisify } from 'node:util';
import { Agent, type Dispatcher } from 'undici';
import type { Clock } from '../../runtime/clock.ts';
import { errorCode, errorMessage, systemCause } from '../../runtime/errors.ts';
import { ATTEMPT_HEADER, BATCH_HEADER } from '../contract/arrival.ts';
import type { Sender, SendOutcome } from '../contract/arrival.ts';
import type { Batch } from '../contract/batch.ts';
import { ACCEPTED, rejected, retryable } from '../contract/outcome.ts';
import { requestToJson } from '../otlp/json.ts';
import type { Signal } from '../otlp/model.ts';
import { decodeResponse, responseFromJson } from '../otlp/response.ts';
import { decodeStatus, statusFromJson } from '../otlp/status.ts';
import { DecodeError } from '../protobuf/error.ts';
import { EncodeError } from '../protobuf/writer.ts';
import type { ClientTls } from '../tls.ts';
import { CONTENT_TYPES } from './answer.ts';
import { parseRetryAfter } from './retry_after.ts';

export const limits = {
  /** Default for `requestBytesMax`, as OTLP recommends it. Over it: rejected as too large. */
  requestBytesMax: 64 * 1024 * 1024,
  /** Over it: rejected, since the server has taken the batch but not said what became of it. */
  responseBytesMax: 4 * 1024 * 1024,
  /** Default for `connectionsMax`. Over it: attempts wait for a free connection. */
  connectionsMax: 100,
} as const;

export interface OtlpHttpClientOptions {
  /** Where the requests of each signal go. */
  readonly urls: Readonly<Record<Signal, string>>;
  readonly clock: Clock;
  readonly tls?: ClientTls;
  readonly encoding: 'proto' | 'json';
  readonly compression: 'gzip' | 'none';
  /** Sent with each request; names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The same, for those that change; asked before each attempt. */
  readonly credentials?: () => Readonly<Record<string, string>>;
  /** Time for one attempt, in milliseconds. */
  readonly timeoutMs: number;
  readonly requestBytesMax?: number;
  readonly responseBytesMax?: number;
  readonly connectionsMax?: number;
}

const compress = promisify(gzip);
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);

export function createOtlpHttpClient(options: OtlpHttpClientOptions): Sender {
  const agent = createAgent(options);
  const requestBytesMax = options.requestBytesMax ?? limits.requestBytesMax;
  let closed = false;
  return {
    send: async (batch, attempt, abort) => {
      if (closed || abort.aborted) return retryable('the attempt was given up');
      const body = bodyOf(batch, options.encoding);
      if (!Buffer.isBuffer(body)) return body;
      if (body.length > requestBytesMax) {
        const reason = `a request of ${body.length} bytes is larger than ${requestBytesMax}`;
        return { status: 'rejected', reason, tooLarge: true };
      }
      const sent = options.compression === 'gzip' ? await compress(body) : body;
      const headers = headersOf(options, batch, attempt);
      return post(agent, options, { signal: batch.signal, headers, body: sent }, abort);
    },
    close: async () => {
      closed = true;
      await agent.destroy();
    },
  };
}

function createAgent({ tls, timeoutMs, ...options }: OtlpHttpClientOptions): Agent {
  return new Agent({
    connections: options.connectionsMax ?? limits.connectionsMax,
    maxResponseSize: options.responseBytesMax ?? limits.responseBytesMax,
    // The time for the attempt as a whole is what counts.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: {
      timeout: timeoutMs,
      ...(tls === undefined ? {} : {
        ca: tls.ca ?? undefined,
        cert: tls.cert ?? undefined,
        key: tls.key ?? undefined,
        servername: tls.serverNameOverride,
        rejectUnauthorized: tls.insecureSkipVerify !== true,
      }),
    },
  });
}

function bodyOf(batch: Batch, encoding: 'proto' | 'json'): Buffer | SendOutcome {
  try {
    if (encoding === 'json') return Buffer.from(requestToJson(batch.signal, batch.request));
    const { bytes } = batch;
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } catch (error) {
    // Broken bytes are found when JSON is made of them, impossible values when protobuf is.
    const broken = error instanceof DecodeError || error instanceof EncodeError;
    if (!broken) throw error;
    return rejected(error.message);
  }
}

function headersOf(
  { encoding, compression, headers = {}, credentials }: OtlpHttpClientOptions,
  batch: Batch,
  attempt: number,
): Record<string, string> {
  return {
    ...headers,
    ...credentials?.(),
    'content-type': CONTENT_TYPES[encoding === 'json' ? 'json' : 'protobuf'],
    ...(compression === 'gzip' ? { 'content-encoding': 'gzip' } : {}),
    ...(batch.id === undefined ? {} : { [BATCH_HEADER]: batch.id }),
    [ATTEMPT_HEADER]: String(attempt),
  };
}

interface Post {
  readonly signal: Signal;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

async function post(
  agent: Agent,
  { urls, clock, timeoutMs }: OtlpHttpClientOptions,
  { signal, headers, body }: Post,
  abort: AbortSignal,
): Promise<SendOutcome> {
  const url = new URL(urls[signal]);
  const cancel = new AbortController();
  const give = () => cancel.abort();
  let late = false;
  const timer = clock.after(timeoutMs, () => {
    late = true;
    give();
  });
  abort.addEventListener('abort', give, { once: true });
  // It may have fired while the body was packed; a signal that has fired tells nobody again.
  if (abort.aborted) give();
  try {
    const response = await agent.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: 'POST',
      headers,
      body,
      signal: cancel.signal,
    });
    const content = Buffer.from(await response.body.arrayBuffer());
    return outcomeOfResponse(signal, response, content, clock);
  } catch (error) {
    if (late) return retryable(`no answer within ${timeoutMs} ms`);
    if (cancel.signal.aborted) return retryable('the attempt was given up');
    return outcomeOfError(error, url);
  } finally {
    timer.cancel();
    abort.removeEventListener('abort', give);
  }
}

function outcomeOfResponse(
  signal: Signal,
  { statusCode, headers }: Dispatcher.ResponseData,
  content: Buffer,
  clock: Clock,
): SendOutcome {
  const json = String(headers['content-type'] ?? '').startsWith(CONTENT_TYPES.json);
  if (statusCode >= 200 && statusCode < 300) return acceptance(signal, content, json);
  const status = json ? statusFromJson(content) : decodeStatus(content);
  const reason = `HTTP ${statusCode}${status?.message ? `: ${status.message}` : ''}`;
  if (RETRYABLE.has(statusCode)) {
    const asked = parseRetryAfter(headers['retry-after'], clock.nowMs()) ?? status?.retryAfterMs;
    return retryable(reason, asked);
  }
  return statusCode === 413 ? { status: 'rejected', reason, tooLarge: true } : rejected(reason);
}

function acceptance(signal: Signal, content: Buffer, json: boolean): SendOutcome {
  try {
    const said = json ? responseFromJson(signal, content) : decodeResponse(signal, content);
    return { status: 'accepted', ...said };
  } catch (error) {
    // The code was 200, which is what counts; some servers answer with a text.
    if (error instanceof DecodeError) return ACCEPTED;
    throw error;
  }
}

function outcomeOfError(error: unknown, url: URL): SendOutcome {
  const code = errorCode(error);
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') return rejected('the response is too large');
  // Both addresses of a host were tried: what the last one said is as good as any.
  const cause = error instanceof AggregateError ? error.errors.at(-1) : error;
  const text = code.startsWith('UND_') ? errorMessage(error) : systemCause(cause);
  return retryable(`cannot reach ${url.host}: ${text}`);
}
