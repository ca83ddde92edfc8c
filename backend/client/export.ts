// `binnacle export`: the rows of a table, or of a statement, into files, one for each piece of
// time.
//
// Promises:
// - What is in the manifest is whole (export_piece.ts) and is not asked for again: the same command
//   goes on where an earlier one stopped, however that ended.
// - A piece with more than one query may answer is halved until it fits.

import { EXIT, OperatorError } from '../../runtime/errors.ts';
import { stopRequest } from '../../runtime/lifecycle.ts';
import { createWorld, type World } from '../../runtime/world.ts';
import { ApiError } from '../api/errors.ts';
import { readDuration, readPeriod } from '../api/period.ts';
import { AskError, type Target } from './ask.ts';
import { loadTables, quoted, timeColumnOf } from './catalog.ts';
import { EXPORT_FORMATS, exportPiece, type ExportSource, type PieceOptions, type Span }
  from './export_piece.ts';
import type { FileFormat } from './file_rows.ts';
import { intactPieces, readManifest, writeManifest, type ExportAsked, type ExportPiece,
  type Manifest } from './manifest.ts';
import { startProgress } from './progress.ts';
import { missing } from './schema.ts';
import { ownFormat, splitStatements } from './statements.ts';
import { bytesText, countText, durationText } from './text.ts';

export interface ExportFlags extends Target {
  readonly sql?: string;
  readonly from: string;
  readonly to: string;
  readonly every: string;
  readonly format: string;
  readonly out: string;
  readonly timeColumn?: string;
}

export const limits = {
  /** Pieces of one export, before any is halved; a longer `--every` makes fewer. */
  piecesMax: 10_000,
} as const;

/** Sets the exit code. Throws OperatorError. */
export async function exportRows(table: string | undefined, flags: ExportFlags): Promise<void> {
  const abort = new AbortController();
  void stopRequest().then(() => abort.abort());
  const world = createWorld();
  try {
    const job = await createJob(world, table, flags, abort.signal);
    await runJob(job);
  } catch (error) {
    if (!abort.signal.aborted && !(error instanceof AskError)) throw error;
    const text = abort.signal.aborted ? 'cancelled' : `${(error as AskError).code}: ${
      (error as AskError).message}\n  ${(error as AskError).hint}`;
    process.stderr.write(`binnacle: ${text}\n  the same command goes on where it stopped\n`);
    process.exitCode = EXIT.failed;
  }
}

interface Job extends Omit<PieceOptions, 'wrote'> {
  manifest: Manifest;
  readonly everyMs: number;
}

async function createJob(
  world: World,
  table: string | undefined,
  flags: ExportFlags,
  abort: AbortSignal,
): Promise<Job> {
  const { url, token, out, from, to, every } = flags;
  const { clock, files } = world;
  const target = { url, token };
  const everyMs = fromUser(() => readDuration('--every', every));
  const source = await sourceOf(target, table, flags);
  const asked: ExportAsked = { what: source.sql, format: source.format, from, to, every };
  const period = fromUser(() => readPeriod({ from, to }, { nowMs: clock.nowMs(), defaultMs: 0 }));
  if ((period.toMs - period.fromMs) / everyMs > limits.piecesMax) {
    throw new OperatorError(`these are more than ${limits.piecesMax} pieces`,
      'take a longer --every, or a shorter time');
  }
  await files.makeFolder(out);
  const found = await readManifest(files, out, asked);
  if (found?.complete === true && [from, to].some((time) => /^(?:now|-)/.test(time))) {
    throw new OperatorError(`${out} holds this export already, from ${found.from} to ${found.to}`,
      'take another folder for what came since');
  }
  await removeParts(world, out);
  const manifest: Manifest = found === null
    ? { version: 1, asked, from: new Date(period.fromMs).toISOString(),
      to: new Date(period.toMs).toISOString(), complete: false, pieces: [] }
    : { ...found, pieces: await intactPieces(files, out, found.pieces) };
  return { world, target, source, folder: out, abort, manifest, everyMs };
}

function fromUser<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new OperatorError(error.message, 'binnacle export --help has examples');
  }
}

async function sourceOf(
  target: Target,
  table: string | undefined,
  { sql, format, timeColumn }: ExportFlags,
): Promise<ExportSource> {
  if (!EXPORT_FORMATS.includes(format as FileFormat)) {
    throw new OperatorError(`'${format}' is no format of an export`,
      `take ${EXPORT_FORMATS.join(', ')}`);
  }
  if ((table === undefined) === (sql === undefined)) {
    throw new OperatorError('an export is of a table or of --sql', 'binnacle export otel_logs …');
  }
  const rest = { format: format as FileFormat };
  if (sql !== undefined) return { ...rest, label: 'query', sql: boundedSql(sql, timeColumn) };
  const tables = await loadTables(target);
  const found = tables.find(({ name }) => name === table) ?? missing(table!, tables);
  const time = timeColumn ?? timeColumnOf(found);
  if (time === null) {
    throw new OperatorError(`${table} has no column with a time`, 'name one with --time-column');
  }
  return { ...rest, label: table!, sql: `SELECT * FROM ${quoted(table!)} WHERE ${within(time)}` };
}

const within = (column: string): string =>
  `${quoted(column)} >= {from:DateTime64(9)} AND ${quoted(column)} < {to:DateTime64(9)}`;

/** A statement that says itself where `{from:…}` and `{to:…}` belong, or has a column of time. */
function boundedSql(text: string, timeColumn: string | undefined): string {
  const [piece, ...more] = splitStatements(text);
  if (piece === undefined || more.length > 0 || ownFormat(piece.sql) !== null) {
    throw new OperatorError('--sql takes one SELECT without FORMAT', 'take --format');
  }
  if (timeColumn !== undefined) {
    return `SELECT * FROM (\n${piece.sql}\n) WHERE ${within(timeColumn)}`;
  }
  if (/\{\s*from\s*:/.test(piece.sql) && /\{\s*to\s*:/.test(piece.sql)) return piece.sql;
  throw new OperatorError('nothing in --sql says which time a row belongs to',
    'write Timestamp >= {from:DateTime64(9)} AND Timestamp < {to:DateTime64(9)} in it, or name '
    + 'a column of its result with --time-column');
}

/** What an export that was killed left half written. */
async function removeParts({ files }: World, folder: string): Promise<void> {
  for (const { name } of await files.list(folder) ?? []) {
    if (/^\..*\.part$/.test(name)) await files.remove(`${folder}/${name}`);
  }
}

async function runJob(job: Job): Promise<void> {
  const { world: { clock, files }, folder, manifest } = job;
  const startMs = clock.monotonicMs();
  const periodMs = Date.parse(manifest.to) - Date.parse(manifest.from);
  let bytes = 0;
  const progress = startProgress(clock, process.stderr, (_, elapsedMs) => {
    const done = job.manifest.pieces.reduce((sum, piece) => sum + lengthOf(piece), 0);
    return `${Math.floor(100 * done / periodMs)} %, ${sums(job.manifest)}, ${
      bytesText(bytes)} received, ${durationText(elapsedMs)} (Ctrl-C stops; it can go on later)`;
  });
  const had = manifest.pieces.length;
  try {
    await writeManifest(files, folder, manifest);
    await exportPieces(job, (more) => {
      bytes += more;
    });
    job.manifest = { ...job.manifest, complete: true };
    await writeManifest(files, folder, job.manifest);
  } finally {
    progress.stop();
  }
  const before = had === 0 ? '' : ` (${countText(had, 'piece')} were there)`;
  process.stdout.write(`${sums(job.manifest)} in ${folder}${before}, ${
    durationText(clock.monotonicMs() - startMs)}; counts agree\n`);
}

const lengthOf = ({ from, to }: ExportPiece): number => Date.parse(to) - Date.parse(from);

function sums({ pieces }: Manifest): string {
  const files = pieces.filter(({ file }) => file !== null);
  const rows = pieces.reduce((sum, piece) => sum + piece.rows, 0);
  const bytes = pieces.reduce((sum, piece) => sum + piece.bytes, 0);
  return `${countText(rows, 'row')}, ${countText(files.length, 'file')}, ${bytesText(bytes)}`;
}

async function exportPieces(job: Job, wrote: (bytes: number) => void): Promise<void> {
  const todo = openSpans(job.manifest, job.everyMs);
  let rowsMax = Infinity;
  while (todo.length > 0) {
    const span = todo.shift()!;
    const made = await exportPiece(span, rowsMax, { ...job, wrote });
    if ('tooMuch' in made) {
      const isByRows = made.tooMuch.code === 'TOO_MANY_ROWS_OR_BYTES';
      if (isByRows) rowsMax = Math.max(1, Math.min(rowsMax, made.rows - 1));
      todo.unshift(...halved(span, made.tooMuch));
      continue;
    }
    const pieces = [...job.manifest.pieces, made].sort((a, b) => (a.from < b.from ? -1 : 1));
    job.manifest = { ...job.manifest, pieces };
    await writeManifest(job.world.files, job.folder, job.manifest);
  }
}

function halved({ fromMs, toMs }: Span, cause: AskError): [Span, Span] {
  const middleMs = Math.floor((fromMs + toMs) / 2);
  if (middleMs === fromMs) {
    throw new AskError(cause.code, `a single millisecond has too much: ${cause.message}`,
      'raise the limits of queries of the backend, see docs/access.md');
  }
  return [{ fromMs, toMs: middleMs }, { fromMs: middleMs, toMs }];
}

/** What no piece covers, cut at multiples of `everyMs` since 1970. */
function openSpans({ from, to, pieces }: Manifest, everyMs: number): Span[] {
  const endMs = Date.parse(to);
  const spans: Span[] = [];
  const fill = (startMs: number, stopMs: number) => {
    for (let fromMs = startMs; fromMs < stopMs;) {
      const toMs = Math.min(stopMs, (Math.floor(fromMs / everyMs) + 1) * everyMs);
      spans.push({ fromMs, toMs });
      fromMs = toMs;
    }
  };
  let atMs = Date.parse(from);
  for (const piece of pieces) {
    fill(atMs, Date.parse(piece.from));
    atMs = Math.max(atMs, Date.parse(piece.to));
  }
  fill(atMs, endMs);
  return spans;
}
