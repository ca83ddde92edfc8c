/**
 * The engine process: `binnacle engine --path DIR`.
 *
 * Promises to whoever starts it: exactly one line on stdout, a JSON object
 * `{"event":"listening","url","version"}`, when queries are answered, or `{"event":"failed",
 * "message","hint"}`, the same as a sentence on stderr and exit code 2, when the folder, the port
 * or the installation is not usable; a clean end on SIGTERM, SIGINT, and when its stdin, if that is
 * a pipe, closes (the parent died). UV_THREADPOOL_SIZE must be in the environment, as libuv reads
 * it before any of our code runs.
 */
import { fstatSync } from 'node:fs';
import type { Server } from 'node:http';
import { EXIT, OperatorError, errorMessage, systemCause } from '../../../runtime/errors.ts';
import type { Identity } from './answer.ts';
import { loadNative, openFolder } from './native.ts';
import { listen } from './server.ts';
import { Sessions } from './sessions.ts';
import { prepareFolder } from './settings.ts';
import { Spool } from './spool.ts';

/** What stdout carries: one line of one of these. */
export type EngineMessage =
  | { event: 'listening'; url: string; version: string }
  | { event: 'failed'; message: string; hint: string };

/** Bounds. */
const limits = {
  /** How long running queries may go on after a request to stop; then they are killed. */
  stopMs: 5_000,
  /** How long answers may take to leave after that. */
  sendMs: 2_000,
} as const;

export interface EngineProcessOptions {
  /** The folder of the data; made when it is not there. */
  readonly path: string;
  readonly host: string;
  /** 0 asks the system for a free port. */
  readonly port: number;
  /** What the engine may take. */
  readonly memoryBytes: number;
}

/** Runs until it is told to stop; ends the process when it cannot start. */
export async function runEngine(options: EngineProcessOptions): Promise<void> {
  try {
    await start(options);
  } catch (error) {
    if (error instanceof OperatorError) {
      const { message, hint } = error;
      tell({ event: 'failed', message, hint });
      process.stderr.write(`${message}; ${hint}\n`);
      process.exit(EXIT.usage);
    }
    process.stderr.write(`${errorMessage(error)}\n`);
    process.exit(EXIT.failed);
  }
}

async function start(options: EngineProcessOptions): Promise<void> {
  const folder = prepareFolder(options.path, options.memoryBytes);
  // Some formats leave files there, and nobody else would take them away.
  process.env['TMPDIR'] = folder.temporaryPath;
  const native = loadNative();
  const keeper = openFolder(native, folder);
  const spool = new Spool(folder.path);
  const sessions = new Sessions(native, folder.enginePath, keeper);
  const identity = await identityOf(sessions);
  const { server, port } = await listen({ sessions, spool }, identity, options).catch(
    (error: unknown) => {
      spool.clear();
      return refusePort(error, options);
    },
  );
  stopOnRequest(server, sessions, spool);
  const url = `http://${options.host}:${port}`;
  tell({ event: 'listening', url, version: identity.version });
}

function tell(line: EngineMessage): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function identityOf(sessions: Sessions): Promise<Identity> {
  const answer = await sessions.ask('SELECT version(), timezone()');
  const [version = '', timezone = ''] = answer.trimEnd().split('\t');
  return { version, timezone, displayName: 'binnacle-engine' };
}

function refusePort(error: unknown, address: { host: string; port: number }): never {
  throw new OperatorError(
    `cannot listen on ${address.host}:${address.port}: ${systemCause(error)}`,
    'stop what uses it or choose another port',
  );
}

function stopOnRequest(server: Server, sessions: Sessions, spool: Spool): void {
  let stopping = false;
  const stop = (): void => {
    if (stopping) {
      return;
    }
    stopping = true;
    server.close();
    server.closeIdleConnections();
    void sessions.stop(AbortSignal.timeout(limits.stopMs)).then(async (closed) => {
      if (!closed) {
        spool.clear();
        // Closing under a running call aborts the engine; a kill is what its storage survives.
        process.kill(process.pid, 'SIGKILL');
      }
      await answersSent(server);
      spool.clear();
      process.exit(EXIT.ok);
    });
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  const input = fstatSync(0);
  if (input.isFIFO() || input.isSocket()) {
    process.stdin.on('close', stop);
    process.stdin.on('error', stop);
    process.stdin.resume();
  }
}

/** Resolves when the last answer has left, or after `limits.sendMs`. */
async function answersSent(server: Server): Promise<void> {
  const end = performance.now() + limits.sendMs;
  const open = (): Promise<number> =>
    new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
  while ((await open()) > 0 && performance.now() < end) {
    server.closeIdleConnections();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
