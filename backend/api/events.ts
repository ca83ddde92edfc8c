// A query as a stream of server-sent events, for pages and programs that show how far it is:
//
//     progress  {"rows":…, "bytes":…, "totalRows":…, "elapsedMs":…, "state":"running"}
//     columns   [{"name":…, "type":…}]
//     rows      [[…], …]                       some rows, as arrays
//     end       {"queryId":…, "rows":…, "readRows":…, "readBytes":…, "elapsedMs":…}
//     error     {"error": {"status":…, "code":…, "message":…, "hint":…}}
//
// Promises:
// - Exactly one `end` or `error` comes, and nothing after it. Without one the result is not whole.
// - Progress comes every half second until the result begins.

import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import type { Clock } from '../../runtime/clock.ts';
import type { Caller } from '../access/roles.ts';
import type { Desk, OpenQuery } from '../query/desk.ts';
import { ApiError, known, problemOf } from './errors.ts';
import type { Question } from './question.ts';

const PROGRESS_MS = 500;
const FORMAT = 'JSONCompactEachRowWithNamesAndTypes';

export const wantsEvents = (accept: string | undefined): boolean =>
  /^\s*text\/event-stream\s*(?:[;,]|$)/i.test(accept ?? '');

export interface EventOptions {
  readonly desk: Desk;
  readonly clock: Clock;
  readonly question: Question & { readonly queryId: string };
  readonly caller: Caller;
  readonly abort: AbortSignal;
}

export function sendEvents(options: EventOptions, reply: FastifyReply): FastifyReply {
  return reply.type('text/event-stream; charset=utf-8')
    .header('cache-control', 'no-store')
    .header('x-accel-buffering', 'no')
    .send(Readable.from(events(options, reply)));
}

const event = (name: string, json: string): string => `event: ${name}\ndata: ${json}\n\n`;

async function* events(options: EventOptions, reply: FastifyReply): AsyncGenerator<string> {
  const { desk, question, caller, abort } = options;
  let found: OpenQuery | null = null;
  try {
    const opening = desk.open({ ...question, format: FORMAT }, caller, abort);
    yield* progress(options, opening);
    found = await opening;
    if (found.format !== FORMAT) {
      throw new ApiError('INVALID_REQUEST', 'events have a format of their own',
        'leave FORMAT away, or ask without accept: text/event-stream');
    }
    reply.raw.setTimeout(found.stallMs);
    const rows = yield* resultOf(found.body);
    const { readRows = 0, readBytes = 0, durationMs = 0 } =
      desk.records.find(question.queryId) ?? {};
    yield event('end', JSON.stringify({ queryId: question.queryId, rows, readRows, readBytes,
      elapsedMs: durationMs }));
  } catch (error) {
    const problem = problemOf(error) ?? (found === null
      ? known('INTERNAL', 'internal error; the log of the backend has the cause')
      : known('STORE_UNAVAILABLE', 'the result broke off'));
    yield event('error', JSON.stringify({ error: problem }));
  } finally {
    if (found !== null && !found.body.destroyed) found.body.destroy();
  }
}

async function* progress(
  { desk, clock, question, abort }: EventOptions,
  opening: Promise<unknown>,
): AsyncGenerator<string> {
  let isOpen = true;
  const opened = opening.catch(() => undefined).finally(() => {
    isOpen = false;
  });
  while (isOpen && !abort.aborted) {
    const record = desk.records.find(question.queryId);
    if (record !== null) {
      const { readRows: rows, readBytes: bytes, totalRows, durationMs: elapsedMs, state } = record;
      yield event('progress', JSON.stringify({ rows, bytes, totalRows, elapsedMs, state }));
    }
    const waited = new AbortController();
    await Promise.race([opened, clock.sleep(PROGRESS_MS, waited.signal)]);
    waited.abort();
  }
}

/** The number of rows. Lines of the format are arrays in JSON, which have no line ends inside. */
async function* resultOf(body: Readable): AsyncGenerator<string, number> {
  let rest = '';
  let names: string[] | null = null;
  let hasColumns = false;
  let rows = 0;
  body.setEncoding('utf8');
  for await (const chunk of body) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop()!;
    while (!hasColumns && lines.length > 0) {
      const texts = JSON.parse(lines.shift()!) as string[];
      hasColumns = names !== null;
      if (names !== null) yield event('columns', columnsJson(names, texts));
      else names = texts;
    }
    if (lines.length === 0) continue;
    rows += lines.length;
    yield event('rows', `[${lines.join(',')}]`);
  }
  return rows;
}

const columnsJson = (names: readonly string[], types: readonly string[]): string =>
  JSON.stringify(names.map((name, index) => ({ name, type: types[index] })));
