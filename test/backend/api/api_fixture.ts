// An API server on a free port, over a storage on a real engine or one that a test makes up, and
// what a test asks it with: undici, whose connections are closed at the end.

import { Readable } from 'node:stream';
import { Agent, request, type Dispatcher } from 'undici';
import { createAccess, type TokenOptions } from '../../../backend/access/access.ts';
import { createApiServer, type ApiOptions, type ApiServer } from '../../../backend/api/app.ts';
import type { Gate } from '../../../backend/gate/gate.ts';
import { createHealthBoard } from '../../../backend/health/health.ts';
import { createDeletedLogs } from '../../../backend/logs/deleted.ts';
import { createAudit } from '../../../backend/query/audit.ts';
import { createTailHub } from '../../../backend/tail/hub.ts';
import { createDesk } from '../../../backend/query/desk.ts';
import type { QueryLimits } from '../../../backend/query/limits.ts';
import type { QueryAnswer, Storage } from '../../../backend/storage/contract.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { createWorld } from '../../../runtime/world.ts';
import { createRecordingLog } from '../../contract/fakes.ts';

export const LIMITS = {
  executionMsMax: 60_000,
  resultRowsMax: 3_000_000,
  memoryBytesMax: 1 << 30,
  concurrentMax: 8,
};

const KEPT_MS = 30 * 86_400_000;

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly text: string;
}

export interface Asking {
  readonly method?: Dispatcher.HttpMethod;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly signal?: AbortSignal;
}

export interface ApiFixture {
  readonly server: ApiServer;
  readonly url: string;
  readonly counters: ApiOptions['counters'];
  readonly log: ReturnType<typeof createRecordingLog>;
  /** One request; the whole answer. */
  get(path: string, asking?: Asking): Promise<Answer>;
  /** POST of JSON to `/api/query`. */
  ask(question: unknown, asking?: Asking): Promise<Answer>;
  /** The body of an answer that is still coming. */
  stream(question: unknown): Promise<Readable>;
  stop(): Promise<void>;
}

export interface ApiChanges extends Partial<ApiOptions> {
  readonly limits?: QueryLimits;
  /** Nothing is refused before the store hears of it unless one is given. */
  readonly gate?: Gate | null;
  readonly tokens?: readonly TokenOptions[];
}

export async function startApi(
  storage: Storage,
  { limits = LIMITS, tokens = [], gate = null, ...changes }: ApiChanges = {},
): Promise<ApiFixture> {
  const world = createWorld();
  const counters = createCounters();
  const log = createRecordingLog();
  const audit = createAudit({ storage, clock: world.clock, counters, log });
  const server = createApiServer({
    ...{ world, counters, log, version: '1.2.3' },
    desk: createDesk({ storage, gate, limits, world, counters, log, audit }),
    ...{ audit, store: storage },
    access: createAccess({ tokens, clock: world.clock, counters, log }),
    tail: createTailHub(world.clock, counters),
    consume: (batch, abort) => storage.writer.consume(batch, abort),
    deleted: createDeletedLogs(world.clock, storage),
    endpoint: { host: '127.0.0.1', port: 0 },
    setting: 'http',
    bodyBytesMax: 64 << 20,
    keptMs: { logs: KEPT_MS, traces: KEPT_MS, metrics: KEPT_MS },
    health: createHealthBoard({ clock: world.clock, version: '1.2.3', checks: {} }),
    others: [],
    ...changes,
  });
  await server.start();
  const dispatcher = new Agent();
  const send = (path: string, asking: Asking = {}) => request(`${server.url()}${path}`, {
    ...{ dispatcher, method: 'GET', headersTimeout: 60_000 }, ...asking,
  });
  const get = async (path: string, asking?: Asking): Promise<Answer> => {
    const { statusCode, headers, body } = await send(path, asking);
    const bytes = Buffer.from(await body.arrayBuffer());
    return { status: statusCode, headers: headers as Record<string, string>, body: bytes,
      text: bytes.toString() };
  };
  return {
    ...{ server, counters, log, get },
    url: server.url(),
    ask: (question, asking) => get('/api/query', { ...posted(question), ...asking }),
    stream: async (question) => (await send('/api/query', posted(question))).body,
    stop: async () => {
      await dispatcher.destroy();
      await server.stop(AbortSignal.timeout(5000));
      await audit.stop(AbortSignal.timeout(1000));
    },
  };
}

const posted = (question: unknown): Asking => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(question),
});

/** The `error` of an answer, with its status. */
export function problemIn({ status, text }: Answer): {
  status: number;
  code: string;
  message: string;
  hint?: string;
} {
  const { error } = JSON.parse(text) as { error: { code: string; message: string } };
  return { status, ...error };
}

/** A storage that answers every query with the bytes of `body`. */
export function fakeStorage(body: () => Readable): Storage {
  const answer = (queryId = ''): QueryAnswer => ({
    body: body(),
    contentType: 'text/plain; charset=UTF-8',
    format: 'TSV',
    queryId,
    summary: { readRows: 0, readBytes: 0, resultRows: 0, resultBytes: 0, elapsedMs: 0 },
  });
  return {
    start: async () => {},
    stop: async () => {},
    writer: { consume: async () => ({ status: 'retryable', reason: 'a fake' }) },
    query: async ({ queryId }) => answer(queryId),
    append: async () => {},
    ping: async () => ({ up: true, version: '0', latencyMs: 0 }),
  };
}
