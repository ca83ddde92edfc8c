// A process of ours that another one of ours started: it says when it is ready and where it can be
// reached, it is started again when it dies, and it ends when its parent does (runtime/lifecycle).
//
// Children form a process group of their own, so that Ctrl-C at a terminal reaches the parent
// alone, which can then stop its children in the right order.

import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { Clock } from './clock.ts';
import { EXIT, OperatorError } from './errors.ts';
import type { ChildMessage } from './lifecycle.ts';
import type { Log } from './log.ts';

/** Our command as a file: what is started as a process of its own is a subcommand of it. */
export const LAUNCHER = join(import.meta.dirname, '../binnacle.mjs');

export interface ChildOptions {
  /** What people call it: `agent`. */
  readonly name: string;
  /** Node.js arguments: the script and what follows it. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Child {
  /** Resolves with its addresses. Throws OperatorError for what it could not start with. */
  start(): Promise<Readonly<Record<string, string>>>;
  /** Asks it to stop and waits; kills it when `deadline` fires. Safe twice and before start. */
  stop(deadline: AbortSignal): Promise<void>;
  /** Rejects when it died too often to go on. */
  readonly failed: Promise<never>;
  readonly pid: number | undefined;
}

/** So many deaths within `RESTART_WINDOW_MS` and it is given up. */
const DEATHS_MAX = 5;
const RESTART_WINDOW_MS = 60_000;
const RESTART_DELAY_MS = 500;

export function createChild(options: ChildOptions): Child {
  const { name, clock, log } = options;
  let giveUp: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    giveUp = reject;
  });
  failed.catch(() => {}); // Whoever awaits it hears of it; nobody has to.
  let current: ChildProcess | undefined;
  let ready = false;
  let stopping = false;
  let ending: Promise<void> | undefined;
  let deathsMs: number[] = [];

  const launch = async (): Promise<Readonly<Record<string, string>>> => {
    const child = spawn(process.execPath, [...options.args], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: options.env as NodeJS.ProcessEnv,
      detached: true,
    });
    current = child;
    const addresses = await readiness(child, name);
    ready = true;
    child.once('exit', (code, signal) => void revive(signal ?? `exit code ${code}`));
    return addresses;
  };
  const revive = async (cause: string): Promise<void> => {
    if (stopping) return;
    const nowMs = clock.monotonicMs();
    deathsMs = [...deathsMs.filter((ms) => nowMs - ms < RESTART_WINDOW_MS), nowMs];
    log.warn(`the ${name} died and is started again`, { cause });
    if (deathsMs.length >= DEATHS_MAX) {
      return giveUp(new Error(`the ${name} died ${DEATHS_MAX} times within a minute`));
    }
    await clock.sleep(RESTART_DELAY_MS);
    if (!stopping) await launch().catch(giveUp);
  };
  const end = async (deadline: AbortSignal): Promise<void> => {
    const how = current === undefined ? null : await ended(current, deadline);
    // Why it could not start was said by `start`.
    if (how !== null && ready) log.warn(`the ${name} did not end in order`, { cause: how });
  };
  return {
    start: launch,
    stop: async (deadline) => {
      stopping = true;
      // Asked twice, it would take the second signal for impatience and give up its orderly stop.
      ending ??= end(deadline);
      await ending;
    },
    failed,
    get pid() {
      return current?.pid;
    },
  };
}

function readiness(child: ChildProcess, name: string): Promise<Readonly<Record<string, string>>> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      const cause = signal ?? `exit code ${code}`;
      const failure = code === EXIT.usage
        ? new OperatorError(`the ${name} could not start`, 'its messages above say why')
        : new Error(`the ${name} ended before it was ready: ${cause}`);
      reject(failure);
    });
    child.on('message', (message: ChildMessage) => {
      if (message.event === 'ready') resolve(message.addresses);
      else reject(new OperatorError(message.message, message.hint));
    });
  });
}

/** Ends the process; resolves with what went wrong at it, or null. */
function ended(child: ChildProcess, deadline: AbortSignal): Promise<string | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(null);
  return new Promise((resolve) => {
    const kill = () => child.kill('SIGKILL');
    child.once('exit', (code, signal) => {
      deadline.removeEventListener('abort', kill);
      resolve(code === EXIT.ok ? null : (signal ?? `exit code ${code}`));
    });
    if (deadline.aborted) kill();
    deadline.addEventListener('abort', kill, { once: true });
    child.kill('SIGTERM');
  });
}
