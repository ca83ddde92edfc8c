// How a process of ours begins and ends: one sentence and exit code 2 for what the operator must
// mend, a stop on the first SIGINT or SIGTERM (or when the parent goes away), an exit on the next.

import { EXIT, OperatorError } from './errors.ts';

/** What `runProcess` runs. `stop` must return soon after `deadline` fires. */
export interface Running {
  /** Resolves when the process should end by itself; never for a server. */
  readonly finished: Promise<void>;
  stop(deadline: AbortSignal): Promise<void>;
}

export interface ProcessOptions {
  /** Time for an orderly stop, in milliseconds. */
  readonly stopMs: number;
  /** True when a parent process holds our standard input open for as long as it wants us. */
  readonly stopWithParent: boolean;
}

/** Runs a long-lived process to its end and sets the exit code. */
export async function runProcess(
  start: (abort: AbortSignal) => Promise<Running>,
  options: ProcessOptions,
): Promise<void> {
  const abort = new AbortController();
  const stopAsked = stopRequest(options.stopWithParent);
  void stopAsked.then(() => abort.abort());
  try {
    const running = await start(abort.signal);
    await Promise.race([stopAsked, running.finished]);
    await running.stop(AbortSignal.timeout(options.stopMs));
    process.exitCode = EXIT.ok;
  } catch (error) {
    reportFailure(error);
  }
  // Handles that a library forgot must not keep the process; what matters was awaited above.
  process.exit();
}

/** Prints an error as its reader needs it and sets the exit code. */
export function reportFailure(error: unknown): void {
  if (error instanceof OperatorError) {
    const hint = error.hint === '' ? '' : `\n  ${error.hint}`;
    process.stderr.write(`binnacle: ${error.message}${hint}\n`);
    process.exitCode = EXIT.usage;
    return;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`binnacle: internal error: ${text}\n`);
  process.exitCode = EXIT.failed;
}

function stopRequest(stopWithParent: boolean): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const ask = () => {
      if (asked) process.exit(EXIT.failed);
      asked = true;
      resolve();
    };
    process.on('SIGINT', ask);
    process.on('SIGTERM', ask);
    if (!stopWithParent) return;
    process.stdin.on('end', () => (asked ? undefined : ask()));
    process.stdin.on('error', () => {});
    process.stdin.resume();
  });
}
