/**
 * Keeps one engine process running for as long as its owner wants it.
 *
 * The URL stays the same over restarts: the first start takes the port, later ones reuse it. While
 * the engine is away, callers see refused connections and retry; nothing that the engine
 * acknowledged is lost by a kill. A first start that fails is the owner's to report; later
 * failures are retried with growing pauses, and given up (`failed`) when they do not end.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { LAUNCHER } from '../../../runtime/child.ts';
import { OperatorError, errorMessage } from '../../../runtime/errors.ts';
import type { Log } from '../../../runtime/log.ts';
import type { EngineMessage } from './main.ts';
import { THREADS } from './sessions.ts';

/** What an engine is made from. */
export interface EngineOptions {
  /** Data folder; made when absent. One engine per folder. */
  path: string;
  host?: string;
  /** 0, the default, takes a free port and keeps it. */
  port?: number;
  /** Limit of the engine's own memory; its process needs about 300 MB more. */
  memoryBytes?: number;
  log?: Pick<Log, 'info' | 'warn' | 'error'>;
  /** Called after each start but the first. */
  onRestart?: (ready: EngineReady) => void;
  /** Called whenever the process ends without having been told to. */
  onExit?: (how: { code: number | null; signal: NodeJS.Signals | null }) => void;
}

/** Where a started engine answers. */
export interface EngineReady {
  url: string;
  /** ClickHouse's version, such as 26.7.2.1. */
  version: string;
}

/** One supervised engine. */
export interface Engine {
  /** Resolves when queries are answered. @throws OperatorError for what an operator can mend. */
  start(): Promise<EngineReady>;
  /** Ends the process: asked first, killed when `deadline` aborts. Safe twice and before start. */
  stop(deadline: AbortSignal): Promise<void>;
  /** Rejects when the engine died so often in a row that restarting is given up. */
  readonly failed: Promise<never>;
  /** '' before the first start. */
  readonly url: string;
  /** null while no process runs. */
  readonly pid: number | null;
  /** Starts after the first. */
  readonly restarts: number;
}

/** Bounds. */
const limits = {
  /** From spawn to the line "listening"; opening a big folder takes long. Then it is killed. */
  startMs: 120_000,
  /** First pause before a restart; doubled up to the second value. */
  pauseMs: 100,
  pauseMsMax: 5_000,
  /** A process that ran longer than this ends a row of failures. */
  healthyMs: 60_000,
  /** Failures in a row (over a minute with the pauses); at the last one `failed` rejects. */
  failuresMax: 20,
  /** Bytes of stderr kept to explain an exit. */
  stderrBytes: 8 * 1024,
} as const;

/** Makes an engine; nothing runs before `start`. */
export function createEngine(options: EngineOptions): Engine {
  return new Supervisor(options);
}

class Supervisor implements Engine {
  url = '';
  restarts = 0;
  readonly failed: Promise<never>;
  readonly #options: EngineOptions;
  #giveUp: (error: Error) => void = () => undefined;
  #child: ChildProcess | null = null;
  #stopping = false;
  #failures = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.failed = new Promise<never>((_, reject) => {
      this.#giveUp = reject;
    });
    // Whoever awaits it hears of it; nobody has to.
    this.failed.catch(() => undefined);
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  async start(): Promise<EngineReady> {
    this.#stopping = false;
    const ready = await this.#launch();
    this.#options.log?.info('engine is ready', { ...ready });
    return ready;
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer ?? undefined);
    const child = this.#child;
    if (child === null) {
      return;
    }
    const kill = (): void => void child.kill('SIGKILL');
    deadline.addEventListener('abort', kill, { once: true });
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    child.kill(deadline.aborted ? 'SIGKILL' : 'SIGTERM');
    await ended;
    deadline.removeEventListener('abort', kill);
  }

  async #launch(): Promise<EngineReady> {
    const child = spawnEngine(this.#options, this.#port());
    this.#child = child;
    const errors = tailOf(child);
    const startedAtMs = performance.now();
    let ready = false;
    child.once('close', (code, signal) => {
      this.#child = null;
      if (ready && !this.#stopping) {
        const upMs = performance.now() - startedAtMs;
        this.#failures = upMs > limits.healthyMs ? 0 : this.#failures;
        const fields = { code, signal, stderr: errors() };
        this.#options.log?.warn('engine ended unexpectedly; starting it again', fields);
        this.#options.onExit?.({ code, signal });
        this.#restartLater(`ended with ${signal ?? `exit code ${code}`}`);
      }
    });
    const found = await untilListening(child, errors);
    ready = true;
    this.url = found.url;
    return found;
  }

  #port(): number {
    return this.url === '' ? (this.#options.port ?? 0) : Number(new URL(this.url).port);
  }

  #restartLater(cause: string): void {
    if (this.#failures >= limits.failuresMax) {
      const count = limits.failuresMax;
      this.#giveUp(new Error(`the engine failed ${count} times in a row, lastly: ${cause}`));
      return;
    }
    const pauseMs = Math.min(limits.pauseMs * 2 ** this.#failures, limits.pauseMsMax);
    this.#failures += 1;
    this.#timer = setTimeout(() => void this.#restart(), pauseMs);
  }

  async #restart(): Promise<void> {
    try {
      const ready = await this.#launch();
      this.restarts += 1;
      this.#options.log?.info('engine is back', { url: ready.url, restarts: this.restarts });
      this.#options.onRestart?.(ready);
    } catch (error) {
      if (!this.#stopping) {
        const cause = errorMessage(error);
        this.#options.log?.error('cannot start the engine again; trying on', { cause });
        this.#restartLater(cause);
      }
    }
  }
}

/** Its own process group: a Ctrl-C at the terminal reaches us, and we end the engine last. */
function spawnEngine(options: EngineOptions, port: number): ChildProcess {
  const args = [LAUNCHER, 'engine', '--path', options.path];
  args.push('--host', options.host ?? '127.0.0.1', '--port', String(port));
  if (options.memoryBytes !== undefined) {
    args.push('--memory-bytes', String(options.memoryBytes));
  }
  const env = { ...process.env, UV_THREADPOOL_SIZE: String(THREADS) };
  return spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'], env, detached: true });
}

/** Keeps the end of what the process says on stderr, which is nothing while it is well. */
function tailOf(child: ChildProcess): () => string {
  let tail = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-limits.stderrBytes);
  });
  return () => tail.trim();
}

async function untilListening(child: ChildProcess, errors: () => string): Promise<EngineReady> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), limits.startMs);
    const fail = (error: Error): void => {
      clearTimeout(timer);
      reject(error);
    };
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (part: string) => {
      text = (text + part).slice(0, limits.stderrBytes);
      const message = parseMessage(text);
      if (message?.event === 'listening') {
        clearTimeout(timer);
        resolve({ url: message.url, version: message.version });
      }
    });
    child.once('error', fail);
    child.once('close', (code, signal) => {
      const message = parseMessage(text);
      const how = signal ?? `exit code ${code}`;
      fail(
        message?.event === 'failed'
          ? new OperatorError(message.message, message.hint)
          : new Error(`cannot start the engine: ${how}. ${errors()}`.trim()),
      );
    });
  });
}

/** The one line that the process writes; null before it is whole. */
function parseMessage(text: string): EngineMessage | null {
  const end = text.indexOf('\n');
  return end < 0 ? null : (JSON.parse(text.slice(0, end)) as EngineMessage);
}
