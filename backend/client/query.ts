// `binnacle query`: statements from the command line, a file or standard input, one after the
// other; the first that fails ends it. Without any, at a terminal, a prompt.

import { text } from 'node:stream/consumers';
import { EXIT, OperatorError } from '../../runtime/errors.ts';
import { stopRequest } from '../../runtime/lifecycle.ts';
import { createWorld, type World } from '../../runtime/world.ts';
import { AskError, type Target } from './ask.ts';
import { failureText } from './failure.ts';
import { formOf } from './format.ts';
import { fileSink, streamSink, type Sink } from './output.ts';
import { ranText, runStatement, type Running } from './statement.ts';
import { splitStatements, type Piece } from './statements.ts';
import { coloursFor } from './text.ts';
import { parseInterval, watch } from './watch.ts';

export interface QueryFlags extends Target {
  readonly format?: string;
  readonly param: Readonly<Record<string, string>>;
  readonly file?: string;
  readonly output?: string;
  readonly watch?: string;
  readonly time?: boolean;
}

export async function query(statement: string | undefined, flags: QueryFlags): Promise<void> {
  const world = createWorld();
  const isTalk = [statement, flags.file, flags.output, flags.watch].every((one) =>
    one === undefined);
  if (isTalk && process.stdin.isTTY && process.stdout.isTTY) {
    const { startPrompt } = await import('./prompt.ts');
    return startPrompt(world, flags);
  }
  const { origin, source } = await sourceOf(world, statement, flags.file);
  const pieces = splitStatements(source);
  if (pieces.length === 0) {
    throw new OperatorError('there is no statement', 'binnacle query "SELECT 1"');
  }
  const abort = new AbortController();
  void stopRequest().then(() => abort.abort());
  const sink = flags.output === undefined || STDOUT.has(flags.output)
    ? streamSink(process.stdout, () => abort.abort(READER_GONE))
    : await fileSink(world, flags.output);
  const asked = { pieces, origin, source, abort: abort.signal };
  await runAll(asked, runningOf(world, flags, sink), flags);
}

/** Names of standard output. */
const STDOUT: ReadonlySet<string> = new Set(['-', '/dev/stdout']);

const READER_GONE = 'nobody reads the result';

interface Asked {
  readonly pieces: readonly Piece[];
  /** The file's name, or ''. */
  readonly origin: string;
  readonly source: string;
  readonly abort: AbortSignal;
}

async function sourceOf(
  { files }: World,
  statement: string | undefined,
  file: string | undefined,
): Promise<{ origin: string; source: string }> {
  if (statement !== undefined && file !== undefined) {
    throw new OperatorError('a statement and --file are given', 'leave one of them away');
  }
  if (file !== undefined && file !== '-') {
    const source = await files.readText(file);
    if (source !== null) return { origin: file, source };
    throw new OperatorError(`cannot read ${file}: it does not exist`, 'name a file with SQL');
  }
  if (statement !== undefined && statement !== '-') return { origin: '', source: statement };
  return { origin: '', source: await text(process.stdin) };
}

export function runningOf({ clock }: World, flags: QueryFlags, sink: Sink): Running {
  const { url, token, param, format, output } = flags;
  const form = formOf({ format, file: output, isTerminal: sink.isTerminal });
  return { target: { url, token }, params: param, form, mayChange: format === undefined, sink,
    clock };
}

async function runAll(asked: Asked, running: Running, flags: QueryFlags): Promise<void> {
  try {
    if (flags.watch === undefined) await runPieces(asked, running, flags.time === true);
    else await watchPieces(asked, running, flags.watch);
    await running.sink.finish();
  } catch (error) {
    await running.sink.discard();
    if (!asked.abort.aborted) throw error;
    if (asked.abort.reason === READER_GONE) return;
    process.stderr.write('binnacle: cancelled\n');
    process.exitCode = EXIT.failed;
  }
}

async function runPieces(asked: Asked, running: Running, time: boolean): Promise<void> {
  for (const piece of asked.pieces) {
    const done = await runPiece(asked, running, piece, time);
    if (!done) {
      process.exitCode = EXIT.failed;
      return running.sink.discard();
    }
  }
}

/** False when it failed, which it then has said. */
async function runPiece(
  { origin, source, pieces, abort }: Asked,
  running: Running,
  { sql, start }: Piece,
  time: boolean,
): Promise<boolean> {
  try {
    const ran = await runStatement(running, sql, abort);
    if (time) process.stderr.write(`${ranText(ran)}\n`);
    return true;
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    const line = source.slice(0, start).split('\n').length;
    const place = pieces.length === 1 ? '' : origin === '' ? `line ${line}` : `${origin}:${line}`;
    process.stderr.write(failureText(error, { sql, origin: place,
      colours: coloursFor(process.stderr), columns: process.stderr.columns ?? 100 }));
    return false;
  }
}

async function watchPieces(asked: Asked, running: Running, every: string): Promise<void> {
  if (running.form.kind === 'raw' && running.form.format === 'Parquet') {
    throw new OperatorError('a binary format cannot be watched', 'leave --format away');
  }
  const { abort, pieces } = asked;
  process.exitCode = await watch({
    intervalMs: parseInterval(every),
    title: pieces.map(({ sql }) => sql).join('; '),
    running, abort,
    once: async (one) => {
      for (const { sql } of pieces) await runStatement(one, sql, abort);
    },
  });
}
