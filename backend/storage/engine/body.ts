/**
 * Reads a request body without holding more of it than needed: the head of the statement in
 * memory, the data of an INSERT straight to a spool file.
 *
 * Bounds hold after decompression, so a small body that inflates without end is refused as well.
 */
import { createBrotliDecompress, createGunzip } from 'node:zlib';
import type { IncomingMessage } from 'node:http';
import { EngineError } from './errors.ts';
import { readParameter, type QueryRequest } from './request.ts';
import type { Spool, SpooledBody } from './spool.ts';
import { findInsert, parseStatement, type Statement } from './statement.ts';

/** A statement ready to run, with the file that holds its data, if it has any. */
export interface Work {
  statement: Statement;
  body: SpooledBody | null;
}

/** Bounds. */
export const limits = {
  /** A body of more bytes, decompressed, is answered 413. */
  bodyBytesMax: 1024 * 1024 * 1024,
  /** A query text (all but the data of an INSERT) of more bytes is answered 413. */
  queryBytesMax: 16 * 1024 * 1024,
  /** How much of a body is looked at for the head of an INSERT before more is read. */
  peekBytes: 64 * 1024,
} as const;

/** Reads the query of a request, its body included. */
export async function readWork(
  request: IncomingMessage,
  parsed: QueryRequest,
  spool: Spool,
): Promise<Work> {
  if (isForm(request)) {
    await readForm(request, parsed);
    return finish(Buffer.from(parsed.query), spool);
  }
  const body = new Body(request);
  const head = Buffer.from(parsed.query === '' ? '' : `${parsed.query}\n`);
  const early = head.length > 0 ? findInsert(head.toString('latin1'), true) : null;
  if (early !== null) {
    return spoolInsert(early, head, body, spool);
  }
  const peeked = Buffer.concat([head, await body.read(limits.peekBytes)]);
  const insert = findInsert(peeked.toString('latin1'), body.ended);
  if (insert !== null) {
    return spoolInsert(insert, peeked, body, spool);
  }
  const all = Buffer.concat([peeked, await body.read(limits.queryBytesMax)]);
  if (body.ended) {
    return finish(all, spool);
  }
  const late = findInsert(all.toString('latin1'), false);
  if (late !== null) {
    return spoolInsert(late, all, body, spool);
  }
  const message = `A query text has at most ${limits.queryBytesMax} bytes.`;
  throw new EngineError(229, 'QUERY_IS_TOO_LARGE', message);
}

/** Everything is in memory: an INSERT whose head was long still goes through a file. */
async function finish(text: Buffer, spool: Spool): Promise<Work> {
  const statement = parseStatement(text.toString('latin1'));
  if (statement.kind !== 'insert' && statement.kind !== 'input') {
    return { statement, body: null };
  }
  const data = text.subarray(statement.dataStart);
  return { statement, body: await spool.write(chunksOf(data, null)) };
}

async function spoolInsert(
  statement: Statement,
  read: Buffer,
  body: Body,
  spool: Spool,
): Promise<Work> {
  const start = 'dataStart' in statement ? statement.dataStart : 0;
  const chunks = chunksOf(read.subarray(start), body);
  return { statement, body: await spool.write(chunks) };
}

async function* chunksOf(first: Buffer, body: Body | null): AsyncIterable<Buffer> {
  if (first.length > 0) {
    yield first;
  }
  if (body !== null) {
    yield* body.rest();
  }
}

class Body {
  ended = false;
  readonly #chunks: AsyncIterator<Buffer>;
  #bytes = 0;

  constructor(request: IncomingMessage) {
    this.#chunks = decoded(request)[Symbol.asyncIterator]();
  }

  /** Reads until at least `bytesMin` bytes are there, or the end. */
  async read(bytesMin: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    while (bytes < bytesMin) {
      const chunk = await this.#next();
      if (chunk === null) {
        break;
      }
      chunks.push(chunk);
      bytes += chunk.length;
    }
    return Buffer.concat(chunks);
  }

  async *rest(): AsyncIterable<Buffer> {
    for (let chunk = await this.#next(); chunk !== null; chunk = await this.#next()) {
      yield chunk;
    }
  }

  async #next(): Promise<Buffer | null> {
    if (this.ended) {
      return null;
    }
    const step = await this.#chunks.next().catch(refuseEncoding);
    if (step.done === true) {
      this.ended = true;
      return null;
    }
    this.#bytes += step.value.length;
    if (this.#bytes > limits.bodyBytesMax) {
      const message = `A request body has at most ${limits.bodyBytesMax} bytes.`;
      throw new EngineError(307, 'TOO_MANY_BYTES', message, 413);
    }
    return step.value;
  }
}

function decoded(request: IncomingMessage): AsyncIterable<Buffer> {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  switch (encoding) {
    case 'identity':
    case '':
      return request;
    case 'gzip':
      return piped(request, createGunzip());
    case 'br':
      return piped(request, createBrotliDecompress());
    default: {
      const message = `Unknown Content-Encoding ${encoding.slice(0, 40)}; use gzip, br or none.`;
      throw new EngineError(779, 'UNSUPPORTED_MEDIA_TYPE', message);
    }
  }
}

/** A pipe that also carries the sender's disappearance over to the reader. */
function piped(
  request: IncomingMessage,
  stream: ReturnType<typeof createGunzip> | ReturnType<typeof createBrotliDecompress>,
): AsyncIterable<Buffer> {
  request.once('error', (error) => stream.destroy(error));
  return request.pipe(stream);
}

function refuseEncoding(error: unknown): never {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  // Codes of gzip and of brotli.
  if (code.startsWith('Z_') || code.startsWith('ERR__')) {
    const message = `Cannot decompress the request body: ${(error as Error).message}.`;
    throw new EngineError(354, 'ZLIB_INFLATE_FAILED', message, 400);
  }
  throw error;
}

function isForm(request: IncomingMessage): boolean {
  const type = request.headers['content-type'] ?? '';
  return type.startsWith('multipart/form-data');
}

/** The official client sends long parameters as a form: one part `query`, others `param_x`. */
async function readForm(request: IncomingMessage, parsed: QueryRequest): Promise<void> {
  const body = new Body(request);
  const bytes = await body.read(limits.queryBytesMax);
  if (!body.ended) {
    const message = `A form has at most ${limits.queryBytesMax} bytes.`;
    throw new EngineError(229, 'QUERY_IS_TOO_LARGE', message);
  }
  const headers = { 'content-type': request.headers['content-type'] ?? '' };
  const form = await new Response(bytes, { headers }).formData().catch(() => null);
  if (form === null) {
    throw new EngineError(36, 'BAD_ARGUMENTS', 'Cannot parse the multipart form of the request.');
  }
  for (const [name, value] of form) {
    if (typeof value !== 'string') {
      throw new EngineError(48, 'NOT_IMPLEMENTED', 'External tables are not available here.');
    }
    readParameter(parsed, name, value);
  }
}
