// One piece of an export: the rows of some time, asked for, written beside their name, counted in
// the file and in the store, and renamed only when both agree.
//
// Promises:
// - A file that has its name is whole and durable.
// - Rows that come or go meanwhile make no failure: the file must have as many as the store had
//   before or after it, or a number between.
// - What meets a limit of queries says so, so that less is asked for. What is away for a moment is
//   tried again.

import { join } from 'node:path';
import { OperatorError } from '../../runtime/errors.ts';
import { retryDelayMs } from '../../runtime/retry.ts';
import type { World } from '../../runtime/world.ts';
import { AskError, askBackend, askRows, type Target } from './ask.ts';
import { createRowCounter, type FileFormat } from './file_rows.ts';
import type { ExportPiece } from './manifest.ts';
import { renamedSink } from './output.ts';

/** Milliseconds since 1970; `toMs` is not inside. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface ExportSource {
  /** A statement with `{from:…}` and `{to:…}`. */
  readonly sql: string;
  /** Begins the names of files. */
  readonly label: string;
  readonly format: FileFormat;
}

export interface PieceOptions {
  readonly world: World;
  readonly target: Target;
  readonly source: ExportSource;
  readonly folder: string;
  readonly abort: AbortSignal;
  /** Hears of each part of a file, in bytes. */
  readonly wrote: (bytes: number) => void;
}

/** It meets a limit of queries: less must be asked for. */
export interface TooMuch {
  readonly tooMuch: AskError;
  readonly rows: number;
}

const limits = {
  /** Tries while the backend is away or busy; then the export ends, to be gone on with later. */
  triesMax: 8,
  /** A result that breaks off so often meets a limit in its midst, or a store that cannot. */
  breaksMax: 2,
  /** Rows in the file and in the store differ so often: something is wrong. */
  mismatchesMax: 3,
} as const;

const WAIT = { initialIntervalMs: 500, maxIntervalMs: 20_000, multiplier: 2,
  randomizationFactor: 0.2 } as const;

const FORMATS = { parquet: 'Parquet', csv: 'CSVWithNames', ndjson: 'JSONEachRow' } as const;

export const EXPORT_FORMATS = Object.keys(FORMATS) as readonly FileFormat[];

/** Throws AskError, OperatorError and the reason of `abort`. */
export async function exportPiece(
  span: Span,
  rowsMax: number,
  options: PieceOptions,
): Promise<ExportPiece | TooMuch> {
  const { world: { clock, random }, abort } = options;
  let breaks = 0;
  for (let tries = 0; ; tries++) {
    let rows = 0;
    try {
      rows = await countRows(span, options);
      if (rows > rowsMax) return { tooMuch: new AskError('ROWS', 'too many rows', ''), rows };
      return await writePiece(span, rows, options);
    } catch (error) {
      abort.throwIfAborted();
      if (error instanceof AskError && error.status === 422) return { tooMuch: error, rows };
      if (isBreak(error) && ++breaks >= limits.breaksMax) {
        return { tooMuch: error as AskError, rows };
      }
      if (!mayPass(error) || tries + 1 >= limits.triesMax) throw error;
      await clock.sleep(retryDelayMs(WAIT, tries, 0, random), abort);
      abort.throwIfAborted();
    }
  }
}

const BREAKS: ReadonlySet<string> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'UND_ERR_ABORTED']);

const isBreak = (error: unknown): boolean => error instanceof AskError
  && error.code === 'BROKEN_OFF';

const mayPass = (error: unknown): boolean => isBreak(error)
  || (error instanceof OperatorError && /^cannot reach/.test(error.message))
  || (error instanceof AskError && (error.status === 429 || error.status === 503));

async function countRows(span: Span, { target, source, abort }: PieceOptions): Promise<number> {
  const sql = `SELECT toString(count()) AS rows FROM (\n${source.sql}\n)`;
  const [row] = await askRows<{ rows: string }>(target, sql, paramsOf(span), abort);
  return Number(row!.rows);
}

const isoOf = (ms: number): string => new Date(ms).toISOString();

const paramsOf = ({ fromMs, toMs }: Span) => ({ from: isoOf(fromMs), to: isoOf(toMs) });

async function writePiece(
  span: Span,
  countedBefore: number,
  options: PieceOptions,
): Promise<ExportPiece> {
  let before = countedBefore;
  const piece = { from: isoOf(span.fromMs), to: isoOf(span.toMs) };
  for (let misses = 0; before > 0; misses++) {
    const name = fileName(span, options.source);
    const { files } = options.world;
    const path = join(options.folder, name);
    const sink = await renamedSink(files, path, join(options.folder, `.${name}.part`));
    try {
      const { rows, bytes } = await fill(span, sink.write, options);
      const after = rows === before ? rows : await countRows(span, options);
      const [least, most] = before < after ? [before, after] : [after, before];
      if (rows !== null && rows >= least && rows <= most) {
        await sink.finish();
        return { ...piece, file: name, rows, bytes };
      }
      await sink.discard();
      if (misses + 1 >= limits.mismatchesMax) throw mismatch(name, rows, after);
      before = after;
    } catch (error) {
      await sink.discard();
      throw error;
    }
  }
  return { ...piece, file: null, rows: 0, bytes: 0 };
}

const mismatch = (name: string, rows: number | null, counted: number): AskError => new AskError(
  'COUNTS_DIFFER', `${name} has ${rows ?? 'no whole'} rows, the store counts ${counted}`,
  'run the same command again; when it stays, report it with the log of the backend');

async function fill(
  span: Span,
  write: (chunk: Uint8Array) => Promise<void>,
  { abort, source, target, wrote }: PieceOptions,
): Promise<{ rows: number | null; bytes: number }> {
  const counter = createRowCounter(source.format);
  let bytes = 0;
  const { body } = await askBackend(target,
    { sql: source.sql, params: paramsOf(span), format: FORMATS[source.format] }, abort);
  try {
    for await (const chunk of body) {
      counter.add(chunk as Buffer);
      await write(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      wrote((chunk as Buffer).length);
    }
  } catch (error) {
    const { code } = error as { code?: string };
    if (!BREAKS.has(code ?? '')) throw error;
    throw new AskError('BROKEN_OFF', 'the result broke off', 'run the same command again');
  }
  return { rows: counter.rows(), bytes };
}

/** Such as `otel_logs_20260102T030000Z_20260102T040000Z.parquet`. */
function fileName({ fromMs, toMs }: Span, { label, format }: ExportSource): string {
  const short = (ms: number) => isoOf(ms).replace(/[-:]/g, '').replace('.000Z', 'Z');
  return `${label}_${short(fromMs)}_${short(toMs)}.${format}`;
}
