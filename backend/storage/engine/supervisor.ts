/**
 * Keeps one engine process running for as long as its owner wants it.
 *
 * The URL stays the same over restarts: the first start takes the port, later ones reuse it. While
 * the engine is away, callers see refused connections and retry; nothing that the engine
 * acknowledged is lost by a kill. A start that fails the first time is the owner's to report; later
 * failures are retried without end, with growing pauses.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { EngineStartError } from './native.ts';
import { THREADS } from './sessions.ts';

export { EngineStartError };

/** What the supervisor says while it works; pino's loggers fit. */
export interface EngineLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface EngineOptions {
  /** Data folder; made when absent. One engine per folder. */
  path: string;
  host?: string;
  /** 0, the default, takes a free port and keeps it. */
  port?: number;
  /** Limit of the engine's own memory; its process needs about 300 MB more. */
  memoryBytes?: number;
  log?: EngineLog;
  /** Called after each start but the first. */
  onRestart?: (ready: EngineReady) => void;
  /** Called whenever the process ends without having been told to. */
  onExit?: (how: { code: number | null; signal: NodeJS.Signals | null }) => void;
}

export interface EngineReady {
  url: string;
  version: string;
}

export interface Engine {
  /** Resolves when queries are answered. @throws EngineStartError with one whole sentence. */
  start(): Promise<EngineReady>;
  /** Ends the process: asked first, killed when `deadline` aborts. Safe twice and before start. */
  stop(deadline: AbortSignal): Promise<void>;
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
  /** A process that ran longer than this is restarted after the first pause again. */
  healthyMs: 60_000,
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
  readonly #options: EngineOptions;
  #child: ChildProcess | null = null;
  #stopping = false;
  #failures = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: EngineOptions) {
    this.#options = options;
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  async start(): Promise<EngineReady> {
    this.#stopping = false;
    const ready = await this.#launch();
    this.#options.log?.info({ url: ready.url, version: ready.version }, 'engine is ready');
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
    const errors = tailOf(child, this.#options.log);
    const startedAtMs = performance.now();
    let ready: EngineReady | null = null;
    child.once('close', (code, signal) => {
      this.#child = null;
      if (ready !== null) {
        this.#ended({ code, signal, stderr: errors(), upMs: performance.now() - startedAtMs });
      }
    });
    ready = await untilListening(child, errors);
    this.url = ready.url;
    return ready;
  }

  #port(): number {
    return this.url === '' ? (this.#options.port ?? 0) : Number(new URL(this.url).port);
  }

  #ended(how: {
    code: number | null;
    signal: NodeJS.Signals | null;
    stderr: string;
    upMs: number;
  }): void {
    if (this.#stopping) {
      return;
    }
    this.#options.log?.warn(how, 'engine ended unexpectedly; restarting it');
    this.#failures = how.upMs > limits.healthyMs ? 0 : this.#failures;
    this.#options.onExit?.({ code: how.code, signal: how.signal });
    this.#restartLater();
  }

  #restartLater(): void {
    const pauseMs = Math.min(limits.pauseMs * 2 ** this.#failures, limits.pauseMsMax);
    this.#failures += 1;
    this.#timer = setTimeout(() => void this.#restart(), pauseMs);
  }

  async #restart(): Promise<void> {
    try {
      const ready = await this.#launch();
      this.restarts += 1;
      this.#options.log?.info({ url: ready.url, restarts: this.restarts }, 'engine is back');
      this.#options.onRestart?.(ready);
    } catch (error) {
      if (!this.#stopping) {
        const reason = error instanceof Error ? error.message : String(error);
        this.#options.log?.error({ reason }, 'cannot restart the engine; trying again');
        this.#restartLater();
      }
    }
  }
}

/** Its own process group: a Ctrl-C at the terminal reaches us, and we end the engine last. */
function spawnEngine(options: EngineOptions, port: number): ChildProcess {
  const args = ['--import', import.meta.resolve('tsx')];
  args.push(fileURLToPath(new URL('./main.ts', import.meta.url)));
  args.push('--path', options.path, '--host', options.host ?? '127.0.0.1', '--port', String(port));
  if (options.memoryBytes !== undefined) {
    args.push('--memory-bytes', String(options.memoryBytes));
  }
  const env = { ...process.env, UV_THREADPOOL_SIZE: String(THREADS) };
  return spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'], env, detached: true });
}

/** Forwards stderr to the log and keeps its end. */
function tailOf(child: ChildProcess, log: EngineLog | undefined): () => string {
  let tail = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-limits.stderrBytes);
    log?.warn({ stderr: text.trimEnd().slice(0, limits.stderrBytes) }, 'engine says');
  });
  return () => tail.trim();
}

async function untilListening(child: ChildProcess, errors: () => string): Promise<EngineReady> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), limits.startMs);
    const fail = (message: string): void => {
      clearTimeout(timer);
      reject(new EngineStartError(message));
    };
    child.once('error', (error) => fail(`cannot start the engine: ${error.message}`));
    child.once('close', (code, signal) => {
      const said = errors();
      const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
      fail(code === 2 && said !== '' ? said : `cannot start the engine: ${how}. ${said}`.trim());
    });
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (part: string) => {
      text = (text + part).slice(0, limits.stderrBytes);
      const ready = parseReady(text);
      if (ready !== null) {
        clearTimeout(timer);
        resolve(ready);
      }
    });
  });
}

function parseReady(text: string): EngineReady | null {
  for (const line of text.split('\n').slice(0, -1)) {
    if (line.startsWith('{"event":"listening"')) {
      const { url, version } = JSON.parse(line) as EngineReady;
      return { url, version };
    }
  }
  return null;
}
