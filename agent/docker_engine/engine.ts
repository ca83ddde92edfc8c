// The Docker Engine API (docs.docker.com/reference/api/engine), as far as the agent asks it:
// answers in JSON, and streams. Over a unix socket, or over HTTP for an engine that listens on a
// port.

import { request, type IncomingMessage, type RequestOptions } from 'node:http';
import * as z from 'zod';
import { fault } from '../../config/schema.ts';
import { errorCode } from '../../runtime/errors.ts';
import type { Clock } from '../../runtime/clock.ts';

export const DOCKER_SOCKET = '/var/run/docker.sock';

export const limits = {
  /** A longer answer in JSON is not read: a host with thousands of containers has less. */
  answerBytesMax: 32 * 1024 * 1024,
} as const;

export interface EngineAddress {
  /** Null for HTTP. */
  readonly socket: string | null;
  readonly host: string;
  readonly port: number;
}

/** `unix:///path`, `http://host:port` or `tcp://host:port`. */
export const engineEndpoint = (): z.ZodType<EngineAddress, string> =>
  z.string().transform((text, ctx) => {
    const address = parseAddress(text);
    if (address !== null) return address;
    const hint = text.startsWith('https:')
      ? 'TLS is not supported: use the unix socket of the host'
      : 'write unix:///var/run/docker.sock, or http://host:2375';
    fault(ctx, 'is not an address of a Docker engine', hint);
    return z.NEVER;
  });

export function parseAddress(text: string): EngineAddress | null {
  const path = /^unix:\/\/(\/.+)$/.exec(text)?.[1];
  if (path !== undefined) return { socket: path, host: 'docker', port: 0 };
  const match = /^(?:http|tcp):\/\/([^/:]+|\[[\da-f:.]+\])(?::(\d{1,5}))?\/?$/i.exec(text);
  if (match === null) return null;
  const host = match[1]!.replace(/^\[|\]$/g, '');
  return { socket: null, host, port: Number(match[2] ?? 2375) };
}

/** `1.44`; YAML reads it as a number unless it is quoted. Absent: what the engine speaks. */
export const apiVersion = () => z.union([z.string(), z.number()]).transform(String)
  .refine((text) => /^\d+\.\d+$/.test(text), 'must be a version of the API, such as "1.44"')
  .refine((text) => Number(text.split('.')[0]) > 1 || Number(text.split('.')[1]) >= 22,
    'must be at least 1.22')
  .describe('Of the API; absent: the newest that the engine speaks.').optional();

/** The engine answered with a failure. */
export class EngineError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'EngineError';
    this.status = status;
  }
}

export interface Engine {
  /** Rejects with EngineError, or with why the engine cannot be asked. */
  json(path: string, abort: AbortSignal): Promise<unknown>;
  /** The body of an answer that has no end by itself. Its receiver owns it and must destroy it. */
  stream(path: string, abort: AbortSignal): Promise<IncomingMessage>;
}

export interface EngineOptions {
  readonly address: EngineAddress;
  readonly apiVersion?: string | undefined;
  /** Time for an answer, and for a stream to begin. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

export function createEngine({ address, apiVersion, timeoutMs, clock }: EngineOptions): Engine {
  const prefix = apiVersion === undefined ? '' : `/v${apiVersion}`;
  const { socket, host, port } = address;
  const options = (path: string): RequestOptions => ({
    ...(socket === null ? { host, port } : { socketPath: socket }),
    path: `${prefix}${path}`,
    headers: { host: 'docker' },
    agent: false,
  });
  const timed = async <T>(
    abort: AbortSignal, ask: (end: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    const end = new AbortController();
    const stop = () => end.abort();
    if (abort.aborted) stop();
    abort.addEventListener('abort', stop, { once: true });
    let late = false;
    const timer = clock.after(timeoutMs, () => {
      late = true;
      stop();
    });
    try {
      return await ask(end.signal);
    } catch (error) {
      throw late ? new Error(`the Docker engine has not answered for ${timeoutMs} ms`) : error;
    } finally {
      timer.cancel();
      abort.removeEventListener('abort', stop);
    }
  };
  return {
    json: (path, abort) => timed(abort, async (end) =>
      JSON.parse(await readText(await ask(options(path), end), limits.answerBytesMax))),
    stream: async (path, abort) => {
      const answer = await timed(abort, (end) => ask(options(path), end));
      const stop = () => void answer.destroy();
      if (abort.aborted) stop();
      abort.addEventListener('abort', stop, { once: true });
      answer.once('close', () => abort.removeEventListener('abort', stop));
      return answer;
    },
  };
}

/** Resolves with an answer of success; its body is not read yet. */
function ask(options: RequestOptions, abort: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const call = request(options, (answer) => {
      abort.removeEventListener('abort', stop);
      if (answer.statusCode === 200) return resolve(answer);
      readText(answer, 64 * 1024).then((text) => reject(new EngineError(
        answer.statusCode ?? 0, `the Docker engine answers ${answer.statusCode}: ${reason(text)}`,
      )), reject);
    });
    const stop = () => void call.destroy(new Error('it took too long'));
    if (abort.aborted) stop();
    abort.addEventListener('abort', stop, { once: true });
    call.on('error', (error) => {
      abort.removeEventListener('abort', stop);
      reject(explained(error));
    });
    call.end();
  });
}

function readText(answer: IncomingMessage, bytesMax: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    answer.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > bytesMax) answer.destroy(new Error('the answer is too long'));
      else chunks.push(chunk);
    });
    answer.on('error', reject);
    answer.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
  });
}

/** What the engine says is `{"message": "…"}`. */
function reason(text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    return typeof message === 'string' ? message : 'no reason';
  } catch {
    return 'no reason';
  }
}

const CAUSES: Readonly<Record<string, string>> = {
  ENOENT: 'there is no Docker engine',
  ECONNREFUSED: 'the Docker engine does not run',
  EACCES: 'this user may not ask the Docker engine',
};

/** Keeps the code of the system's error. */
function explained(error: Error): Error {
  const cause = CAUSES[errorCode(error)];
  return cause === undefined ? error : Object.assign(new Error(cause), { code: errorCode(error) });
}
