// How a process of ours begins and ends: one sentence and exit code 2 for what the operator must
// mend, a stop on the first SIGINT or SIGTERM (or when the parent goes away), an exit on the next.
// SIGHUP asks a process that can read its configuration again to do so, and others to stop.

import { closeSync, openSync } from 'node:fs';
import { EXIT, OperatorError, errorMessage } from './errors.ts';

/** What `runProcess` runs. `stop` must return soon after `deadline` fires. */
export interface Running {
  /** Rejects when the process cannot go on; never resolves. */
  readonly failed: Promise<never>;
  /** Where it can be reached, by a name that people know: `OTLP gRPC` → `localhost:4317`. */
  readonly addresses: Readonly<Record<string, string>>;
  stop(deadline: AbortSignal): Promise<void>;
  /** Reads the configuration again. Calls may overlap. Never throws. */
  reload?(): void;
}

/** What a child process tells the parent that started it, over the IPC channel. */
export type ChildMessage =
  | { readonly event: 'ready'; readonly addresses: Readonly<Record<string, string>> }
  | { readonly event: 'failed'; readonly message: string; readonly hint: string };

/**
 * Runs a long-lived process to its end and sets the exit code: `start` begins the work and must
 * give up soon after its signal fires; the process stops within `stopMs` of being asked to. Where
 * a parent holds an IPC channel it hears of the outcome, and the process ends when it closes.
 * `reloads` says that what it runs has `reload`: SIGHUP before it runs is kept for then.
 */
export async function runProcess(
  start: (abort: AbortSignal) => Promise<Running>,
  stopMs: number,
  { reloads = false }: { readonly reloads?: boolean } = {},
): Promise<never> {
  const DAY_MS = 86_400_000;
  // Timers of the clock do not keep a process, so one that listens nowhere would end at once.
  const alive = setInterval(() => {}, DAY_MS);
  // A parent that dies takes the readers of our output along; what is left is to stop in order.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  const asked = new AbortController();
  const hangUp = reloads ? createHangUp() : null;
  const stopAsked = stopRequest(hangUp?.take).then(() => asked.abort());
  try {
    const running = await start(asked.signal);
    hangUp?.give(() => running.reload?.());
    tellParent({ event: 'ready', addresses: running.addresses });
    try {
      await Promise.race([stopAsked, running.failed]);
    } finally {
      await running.stop(AbortSignal.timeout(stopMs));
    }
    process.exitCode = EXIT.ok;
  } catch (error) {
    reportFailure(error);
  }
  clearInterval(alive);
  // Handles that a library forgot must not keep the process; what matters was awaited above.
  return process.exit();
}

/** Prints an error as its reader needs it and sets the exit code. */
export function reportFailure(error: unknown): void {
  if (error instanceof OperatorError) {
    process.exitCode = EXIT.usage;
    const { message, hint } = error;
    if (tellParent({ event: 'failed', message, hint })) return;
    process.stderr.write(`binnacle: ${message}${hint === '' ? '' : `\n  ${hint}`}\n`);
    return;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : errorMessage(error);
  process.stderr.write(`binnacle: internal error: ${text}\n`);
  process.exitCode = EXIT.failed;
}

/** False when there is no parent that listens. */
function tellParent(message: ChildMessage): boolean {
  if (process.send === undefined || !process.connected) return false;
  process.send(message);
  return true;
}

/** A terminal that goes away means a stop; otherwise a signal is for `give`, also one before it. */
function createHangUp() {
  const atTerminal = terminalIsThere();
  let waiting = false;
  let reload = () => {
    waiting = true;
  };
  return {
    take: (): boolean => {
      if (atTerminal && !terminalIsThere()) return false;
      reload();
      return true;
    },
    give: (to: () => void) => {
      reload = to;
      if (waiting) to();
    },
  };
}

function terminalIsThere(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

/**
 * Resolves when somebody wants this process to end. `hangUp` is asked at SIGHUP: true when that
 * means something else.
 */
export function stopRequest(hangUp: () => boolean = () => false): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const ask = () => {
      if (asked) process.exit(EXIT.failed);
      asked = true;
      resolve();
    };
    process.on('SIGINT', ask);
    process.on('SIGTERM', ask);
    process.on('SIGHUP', () => (hangUp() ? undefined : ask()));
    const orphaned = () => (asked ? undefined : ask());
    process.on('disconnect', orphaned);
    // The parent may have gone before anybody listened here.
    if (process.send !== undefined && !process.connected) orphaned();
  });
}
