// Between agent and backend. A message belongs to a connection with one start of the backend: when
// that has ended, what is still on its way is lost. Apart from that it may be late, vanish, come
// twice, or be followed by an error although it arrived; so may the answer.

import { Batch } from '../../proto/contract/batch.ts';
import type { Sender, SendOutcome } from '../../proto/contract/arrival.ts';
import { rejected, retryable } from '../../proto/contract/outcome.ts';
import type { Random } from '../../runtime/random.ts';
import type { Backend } from './backend.ts';
import { chance, spread, type Faults } from './faults.ts';
import type { Journal } from './journal.ts';
import { crosses, unlessDead, type Life } from './life.ts';
import { never, type Time } from './time.ts';

/** The agent gives an attempt up after so long. */
const ATTEMPT_MS = 5000;
/** How late a copy of a message may come. */
const LATE_MS = 20_000;

export interface NetworkParts {
  readonly time: Time;
  readonly random: Random;
  readonly faults: Faults;
  readonly journal: Journal;
  /** Most items that something on the way lets pass in one message. */
  readonly itemsMax: number;
  /** Hears what a backend answers, whether or not the agent does. */
  onAnswer(batch: Batch, outcome: SendOutcome): void;
  /** The backend that runs now; null while there is none. */
  backend(): Backend | null;
}

interface Message {
  readonly batch: Batch;
  readonly attempt: number;
  readonly abort: AbortController;
}

export function createSender(parts: NetworkParts, life: Life): Sender {
  return {
    send: async (batch, attempt, abort) => {
      if (!crosses(life)) return never();
      return unlessDead(life, attemptOnce(parts, batch, attempt, abort));
    },
    close: async () => {},
  };
}

function attemptOnce(
  parts: NetworkParts,
  batch: Batch,
  attempt: number,
  abort: AbortSignal,
): Promise<SendOutcome> {
  const { time, random, faults, journal } = parts;
  const target = parts.backend();
  const note = (what: string) => journal.note(`net ${batch.id} attempt ${attempt}: ${what}`);
  note('sent');
  return new Promise((resolve) => {
    const message: Message = { batch, attempt, abort: new AbortController() };
    const answer = (outcome: SendOutcome) => {
      if (timer === null) return;
      timer.cancel();
      timer = null;
      abort.removeEventListener('abort', leave);
      note(outcome.status);
      resolve(outcome);
    };
    /** The backend may hear of it, sooner or later. */
    const giveUp = (reason: string) => {
      if (chance(random, 0.7)) time.after(spread(random, 2000), () => message.abort.abort());
      answer(retryable(reason));
    };
    const leave = () => giveUp('the agent stopped waiting');
    let timer: { cancel(): void } | null = time.after(ATTEMPT_MS, () =>
      giveUp('no answer in time'));
    abort.addEventListener('abort', leave, { once: true });
    if (abort.aborted) return leave();
    if (batch.itemCount > parts.itemsMax) {
      time.after(2, () => answer({ ...rejected('too large'), tooLarge: true }));
    } else if (chance(random, faults.refused)) {
      time.after(2, () => answer(rejected('refused on the way')));
    } else if (target === null) {
      time.after(2, () => answer(retryable('connection refused')));
    } else {
      const deliver = (delayMs: number) => time.after(delayMs, () =>
        arrive(parts, message, target, answer));
      deliver(1 + spread(random, faults.delayMs));
      if (chance(random, faults.doubled)) deliver(1 + spread(random, LATE_MS));
      if (chance(random, faults.reset)) {
        time.after(spread(random, 3000), () => giveUp('connection reset'));
      }
    }
  });
}

function arrive(
  { time, random, faults, onAnswer }: NetworkParts,
  { batch, attempt, abort }: Message,
  { intake, life }: Backend,
  answer: (outcome: SendOutcome) => void,
): void {
  if (faults.partitioned || chance(random, faults.lost)) return;
  if (!life.alive) {
    time.after(1, () => answer(retryable('connection reset')));
    return;
  }
  const copy = Batch.fromBytes(batch.signal, batch.bytes, batch.id);
  void unlessDead(life, intake.consume(copy, abort.signal, { attempt })).then((outcome) => {
    onAnswer(batch, outcome);
    if (faults.partitioned || chance(random, faults.answerLost)) return;
    time.after(1 + spread(random, faults.delayMs), () => answer(outcome));
  });
}
