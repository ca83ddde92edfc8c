// Time as a dependency. Wall time is for labels that people read, monotonic time for durations.
// A simulated clock can stand in for the real one; nothing else in the program reads time.

export interface Timer {
  /** Safe to call more than once and after the timer fired. */
  cancel(): void;
}

export interface Clock {
  /** Wall time, milliseconds since the Unix epoch. */
  nowMs(): number;
  /** Wall time, nanoseconds since the Unix epoch, strictly increasing within a process. */
  nowNs(): bigint;
  /** Milliseconds since an arbitrary start; never goes back. */
  monotonicMs(): number;
  /** Calls `fire` once after `delayMs`. The timer alone does not keep the process alive. */
  after(delayMs: number, fire: () => void): Timer;
  /** Calls `fire` every `intervalMs`, first after one interval. Does not keep the process alive. */
  every(intervalMs: number, fire: () => void): Timer;
  /** Resolves after `delayMs`, or at once when `abort` fires. Never rejects. */
  sleep(delayMs: number, abort?: AbortSignal): Promise<void>;
}

/** Resolves when the process has done what else was waiting: for computations that take long. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Longest delay that a Node.js timer can hold; a longer one would fire at once. */
const DELAY_MS_MAX = 2 ** 31 - 1;

export function createClock(): Clock {
  const startNs = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();
  let lastNs = 0n;
  const after = (delayMs: number, fire: () => void): Timer => {
    const handle = setTimeout(fire, Math.min(delayMs, DELAY_MS_MAX));
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  };
  return {
    nowMs: () => Date.now(),
    nowNs: () => {
      // The monotonic clock gives the digits below a millisecond; the wall clock corrects it when
      // somebody sets the time.
      const wallNs = BigInt(Date.now()) * 1_000_000n;
      const fineNs = startNs + process.hrtime.bigint();
      const drift = fineNs - wallNs;
      const now = drift > 10_000_000n || drift < -10_000_000n ? wallNs : fineNs;
      lastNs = now > lastNs ? now : lastNs + 1n;
      return lastNs;
    },
    monotonicMs: () => performance.now(),
    after,
    every: (intervalMs, fire) => {
      const handle = setInterval(fire, Math.min(intervalMs, DELAY_MS_MAX));
      handle.unref();
      return { cancel: () => clearInterval(handle) };
    },
    sleep: (delayMs, abort) => sleepOn(delayMs, abort),
  };
}

/** A sleeping task keeps the process alive: somebody awaits it. */
function sleepOn(delayMs: number, abort: AbortSignal | undefined): Promise<void> {
  if (abort?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(handle);
      abort?.removeEventListener('abort', finish);
      resolve();
    };
    const handle = setTimeout(finish, Math.min(delayMs, DELAY_MS_MAX));
    abort?.addEventListener('abort', finish, { once: true });
  });
}
