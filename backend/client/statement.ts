// Runs one statement and writes its result, in the form that is wanted.

import type { Readable } from 'node:stream';
import type { Clock } from '../../runtime/clock.ts';
import { errorCode, OperatorError } from '../../runtime/errors.ts';
import { AskError, askBackend, type Answer, type Summary, type Target } from './ask.ts';
import { followQuery } from './follow.ts';
import { ROWS_FORMAT, type Form } from './format.ts';
import { linesOf, shown, type Sink } from './output.ts';
import { startProgress, type Progress } from './progress.ts';
import { ownFormat } from './statements.ts';
import { draw } from './table.ts';
import { bytesText, coloursFor, countText, durationText, numberText } from './text.ts';

export interface Running {
  readonly target: Target;
  readonly params: Readonly<Record<string, string>>;
  readonly form: Form;
  /** `form` was not asked for. */
  readonly mayChange: boolean;
  readonly sink: Sink;
  readonly clock: Clock;
}

export interface Ran {
  /** Null when the result is not drawn here, so that nobody counted. */
  readonly rows: number | null;
  readonly bytes: number;
  readonly elapsedMs: number;
  readonly summary: Summary;
}

/** Throws AskError, OperatorError, and the reason of `abort`. */
export async function runStatement(
  running: Running,
  sql: string,
  abort: AbortSignal,
): Promise<Ran> {
  const { clock, form, sink, target, params } = running;
  const startMs = clock.monotonicMs();
  const progress = startProgress(clock, process.stderr, (said, elapsedMs) =>
    `${durationText(elapsedMs)}${said === '' ? '' : `, ${said}`} (Ctrl-C cancels)`);
  const done = new AbortController();
  if (process.stderr.isTTY) {
    void followQuery(target, sql, clock, AbortSignal.any([abort, done.signal]), progress.say);
  }
  try {
    const own = ownFormat(sql) !== null;
    const format = form.kind === 'raw' ? form.format : own ? 'PrettyCompact' : ROWS_FORMAT;
    const answer = await askBackend(target, { sql, params, format }, abort);
    const facts = { rows: null as number | null, bytes: 0 };
    const body = measured(answer.body, facts, sink.isTerminal ? null : progress);
    if (sink.isTerminal) progress.stop();
    const text = form.kind === 'raw' || own ? passed(answer, body, sink)
      : drawnRows(body, running, form.kind, facts);
    for await (const chunk of text) await sink.write(chunk);
    const elapsedMs = clock.monotonicMs() - startMs;
    return { ...facts, elapsedMs, summary: answer.summary };
  } catch (error) {
    abort.throwIfAborted();
    throw brokenOff(error);
  } finally {
    done.abort();
    progress.stop();
  }
}

async function* measured(
  body: Readable,
  facts: { bytes: number },
  progress: Progress | null,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    facts.bytes += (chunk as Buffer).length;
    progress?.say(`${bytesText(facts.bytes)} received`);
    yield chunk as Buffer;
  }
}

function passed(answer: Answer, body: AsyncIterable<Uint8Array>, { isTerminal }: Sink) {
  if (!isTerminal) return body;
  if (!answer.binary) return shown(body);
  answer.body.destroy();
  throw new OperatorError('the result is binary and would garble the terminal',
    'write it to a file with -o FILE, or take another format');
}

function drawnRows(
  body: AsyncIterable<Uint8Array>,
  { mayChange, sink }: Running,
  kind: 'table' | 'vertical',
  facts: { rows: number | null },
): AsyncIterable<string> {
  facts.rows = 0;
  const { isTerminal } = sink;
  return draw(linesOf(body), {
    kind, mayChange,
    columns: isTerminal ? process.stdout.columns ?? null : null,
    colours: coloursFor({ isTTY: isTerminal }),
  }, (rows) => {
    facts.rows = rows;
  });
}

/** A connection that ends in the middle of a result is the backend's way to say that it failed. */
function brokenOff(error: unknown): unknown {
  if (!['UND_ERR_SOCKET', 'ECONNRESET', 'UND_ERR_ABORTED'].includes(errorCode(error))
    && !(error instanceof TypeError && error.message === 'terminated')) return error;
  return new AskError('BROKEN_OFF', 'the result broke off before its end',
    'a limit may have been reached in its midst (ask for less), or the backend stopped');
}

/** `3 rows in 12 ms; 1,000 rows, 12.3 kB read`, as far as it is known. */
export function ranText({ rows, bytes, elapsedMs, summary }: Ran): string {
  const what = rows === null ? bytesText(bytes) : countText(rows, 'row');
  const { readRows, readBytes } = summary;
  const read = typeof readRows === 'number' && readRows > 0
    ? `; ${numberText(readRows)} rows${readBytes ? `, ${bytesText(readBytes)}` : ''} read` : '';
  return `${what} in ${durationText(elapsedMs)}${read}`;
}
