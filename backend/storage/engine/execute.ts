/**
 * Runs one parsed statement: puts the spool files into its text, and tells what came out.
 *
 * A result is complete before the first byte of the answer is sent, so its status, headers and
 * errors are always true ones.
 */
import { readFile, stat, unlink } from 'node:fs/promises';
import type { Work } from './body.ts';
import type { NativeResult } from './native.ts';
import type { QueryRequest } from './request.ts';
import { QUERY_ID_SQL, quoted, type Sessions } from './sessions.ts';
import type { Spool } from './spool.ts';
import type { Statement } from './statement.ts';

/** What a statement gave. Small results are in memory, others in a file the receiver removes. */
export interface Executed {
  format: string;
  bytes: Buffer;
  path: string | null;
  pathBytes: number;
  readRows: number;
  writtenRows: number;
  writtenBytes: number;
  elapsedNs: number;
}

/** Bounds. */
const limits = {
  /** A result of more bytes is sent from its file. */
  memoryBytesMax: 1024 * 1024,
} as const;

/** What execution needs of the process. */
export interface Engine {
  sessions: Sessions;
  spool: Spool;
}

/**
 * Runs the work of a request; the body file is gone afterwards, whatever happens.
 *
 * @param gone aborts when the caller disconnected. An INSERT whose body is complete is then still
 *   finished, as on a server: half of it must not depend on when a socket closed.
 */
export async function execute(
  engine: Engine,
  request: QueryRequest,
  work: Work,
  gone: AbortSignal,
): Promise<Executed> {
  const { statement, body } = work;
  if (body !== null) {
    try {
      const statements = insertSql(statement, body.path);
      const result = await engine.sessions.run(request, statements, [body.path], null);
      return written(result, request);
    } finally {
      await body.remove();
    }
  }
  if (statement.kind === 'select') {
    return runSelect(engine, request, statement, gone);
  }
  const sql = otherSql(statement);
  const result = await engine.sessions.run(request, sql, [], gone);
  const format = 'format' in statement ? statement.format : null;
  return { ...nothing(format ?? request.defaultFormat, result), bytes: bufferOf(result) };
}

/** The table of the connection that a body is in while an INSERT selects from it. */
const BODY_TABLE = '_binnacle_body';

/**
 * The statements of an INSERT; all but the last prepare it. What selects from its body gets it in a
 * temporary table, as nothing in the engine may read files but INFILE (settings.ts).
 */
function insertSql(statement: Statement, path: string): string[] {
  const infile = `FROM INFILE ${quoted(path, "'")} COMPRESSION 'none'`;
  switch (statement.kind) {
    case 'insert':
      return [utf8(`${statement.before} ${infile} ${statement.after}`)];
    case 'input':
      return [
        utf8(`CREATE TEMPORARY TABLE ${BODY_TABLE} (${unquoted(statement.structure)})`),
        `INSERT INTO ${BODY_TABLE} ${infile} FORMAT ${identifier(statement.format)}`,
        utf8(`${statement.before}${BODY_TABLE}${statement.after}`),
      ];
    default:
      throw new Error(`a body belongs to an INSERT, not to ${statement.kind}`);
  }
}

async function runSelect(
  engine: Engine,
  request: QueryRequest,
  statement: Statement & { kind: 'select' },
  gone: AbortSignal,
): Promise<Executed> {
  const path = engine.spool.resultPath();
  const format = statement.format ?? request.defaultFormat;
  const end = statement.format === null ? `FORMAT ${identifier(format)}` : statement.after;
  const sql = `${statement.before}\nINTO OUTFILE ${quoted(path, "'")} COMPRESSION 'none' ${end}`;
  try {
    const result = await engine.sessions.run(request, utf8(sql), [path], gone);
    const size = await stat(path).then((found) => found.size, () => 0);
    if (size > limits.memoryBytesMax) {
      return { ...nothing(format, result), path, pathBytes: size };
    }
    const bytes = size === 0 ? Buffer.alloc(0) : await readFile(path);
    await unlink(path).catch(() => undefined);
    return { ...nothing(format, result), bytes };
  } catch (error) {
    await unlink(path).catch(() => undefined);
    throw error;
  }
}

function otherSql(statement: Statement): string {
  if (statement.kind === 'kill') {
    let text = statement.text;
    for (const offset of statement.idOffsets.toReversed()) {
      text = text.slice(0, offset) + QUERY_ID_SQL + text.slice(offset + 'query_id'.length);
    }
    return utf8(text);
  }
  return utf8('text' in statement ? statement.text : '');
}

function nothing(format: string, result: NativeResult): Executed {
  return {
    format,
    bytes: Buffer.alloc(0),
    path: null,
    pathBytes: 0,
    readRows: result.rowsRead,
    writtenRows: 0,
    writtenBytes: 0,
    elapsedNs: Math.round(result.elapsed * 1e9),
  };
}

/** The engine reports the rows it took from a file as rows read, and gives no answer. */
function written(result: NativeResult, request: QueryRequest): Executed {
  const writtenRows = result.rowsRead;
  const writtenBytes = result.bytesRead;
  return { ...nothing(request.defaultFormat, result), writtenRows, writtenBytes };
}

function bufferOf(result: NativeResult): Buffer {
  const { buffer, byteOffset, length } = result.bytes;
  return Buffer.from(buffer, byteOffset, length);
}

/** Statements are cut as latin1, one character per byte; the engine takes UTF-8. */
function utf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8');
}

/** Only what can be a format's name; anything else makes the engine say UNKNOWN_FORMAT. */
function identifier(format: string): string {
  return /^[A-Za-z0-9_]+$/.test(format) ? format : `UnknownFormat`;
}

/** What a string literal says, which is the columns of `input('…')`. */
function unquoted(literal: string): string {
  const escapes: Record<string, string> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', 0: '\0' };
  return literal.slice(1, -1).replace(/\\([^])|''/g, (_, character?: string) =>
    character === undefined ? "'" : (escapes[character] ?? character));
}
