/**
 * The engine process: `node --import tsx backend/storage/engine/main.ts --path DIR`.
 *
 * Promises to whoever starts it: exactly one line on stdout, a JSON object
 * `{"event":"listening","url","version"}`, when queries are answered; exit code 2 and one sentence
 * on stderr when the folder, the port or the installation is not usable; a clean end on SIGTERM,
 * SIGINT, and when its stdin, if that is a pipe, closes (the parent died). UV_THREADPOOL_SIZE must
 * be in the environment, as libuv reads it before any of our code runs.
 */
import { fstatSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Server } from 'node:http';
import type { Identity } from './answer.ts';
import { EngineStartError, loadNative, openFolder } from './native.ts';
import { listen } from './server.ts';
import { Sessions } from './sessions.ts';
import { prepareFolder } from './settings.ts';
import { Spool } from './spool.ts';

/** Bounds. */
const limits = {
  /** How long running queries may go on after a request to stop; then they are killed. */
  stopMs: 5_000,
} as const;

const MEMORY_BYTES_DEFAULT = 2 * 1024 * 1024 * 1024;

await main().catch((error: unknown) => {
  const message = error instanceof EngineStartError ? error.message : String(error);
  process.stderr.write(`${message}\n`);
  process.exit(error instanceof EngineStartError ? 2 : 1);
});

async function main(): Promise<void> {
  const options = readOptions();
  const folder = prepareFolder(options.path, options.memoryBytes);
  const native = loadNative();
  const keeper = openFolder(native, folder);
  const spool = new Spool(folder.path);
  const sessions = new Sessions(native, folder.enginePath, keeper);
  const identity = await identityOf(sessions);
  const { server, port } = await listen({ sessions, spool }, identity, options).catch(
    (error: unknown) => refusePort(error, options),
  );
  stopOnRequest(server, sessions, spool);
  const url = `http://${options.host}:${port}`;
  process.stdout.write(`${JSON.stringify({ event: 'listening', url, version: identity.version })}\n`);
}

function readOptions(): { path: string; host: string; port: number; memoryBytes: number } {
  const { values } = parseArgs({
    options: {
      path: { type: 'string' },
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '0' },
      'memory-bytes': { type: 'string', default: String(MEMORY_BYTES_DEFAULT) },
    },
  });
  const port = Number(values.port);
  const memoryBytes = Number(values['memory-bytes']);
  if (values.path === undefined || !Number.isInteger(port) || !Number.isInteger(memoryBytes)) {
    throw new EngineStartError(
      'cannot start the engine: wrong arguments; ' +
        'use --path DIR [--host 127.0.0.1] [--port 0] [--memory-bytes N]',
    );
  }
  return { path: values.path, host: values.host, port, memoryBytes };
}

async function identityOf(sessions: Sessions): Promise<Identity> {
  const answer = await sessions.ask('SELECT version(), timezone()');
  const [version = '', timezone = ''] = answer.trimEnd().split('\t');
  return { version, timezone, displayName: 'binnacle-engine' };
}

function refusePort(error: unknown, address: { host: string; port: number }): never {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  const cause = code === 'EADDRINUSE' ? 'the port is in use' : code;
  throw new EngineStartError(
    `cannot listen on ${address.host}:${address.port}: ${cause}; ` +
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
    void sessions.stop(AbortSignal.timeout(limits.stopMs)).then((closed) => {
      spool.clear();
      if (!closed) {
        // Closing under a running call aborts the engine; a kill is what its storage survives.
        process.kill(process.pid, 'SIGKILL');
      }
      server.closeAllConnections();
      process.exit(0);
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
