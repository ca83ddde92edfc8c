// What the sinks of the contract suites answer, by name of the scenario, and the time limits that
// turn a call that hangs into a failure that says which.

import { ACCEPTED, rejected, retryable, type Outcome } from '../../proto/contract/outcome.ts';
import { createSeededRandom } from '../../runtime/random.ts';
import type { Answer } from './fakes.ts';

/** Every scenario is random in the same way on every run. */
export function scenarios(): [string, Answer][] {
  const mixed: Outcome[] = [
    ACCEPTED,
    ACCEPTED,
    { status: 'accepted', rejected: 1, reason: 'one item is refused' },
    retryable('not now'),
    retryable('not now', 2),
    rejected('never'),
  ];
  return [
    ['always accept', ACCEPTED],
    ['random retryable', pick(1, [ACCEPTED, retryable('not now'), retryable('not now', 1)])],
    ['random rejected', pick(2, [ACCEPTED, ACCEPTED, rejected('never')])],
    ['mixed', pick(3, mixed)],
    ['slow', slow(pick(4, mixed))],
  ];
}

function pick(seed: number, outcomes: readonly Outcome[]): Answer {
  const random = createSeededRandom(seed);
  return () => outcomes[Math.floor(random.float() * outcomes.length)]!;
}

/** The same answers, each after 1 to 8 milliseconds, so that calls overtake each other. */
function slow(answer: Answer): Answer {
  return async (batch, call, abort) => {
    await new Promise((resolve) => setTimeout(resolve, 1 + (call * 5) % 8));
    return typeof answer === 'function' ? answer(batch, call, abort) : answer;
  };
}

/** Fails when `promise` takes longer than `limitMs`. */
export async function within<T>(limitMs: number, promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took over ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
