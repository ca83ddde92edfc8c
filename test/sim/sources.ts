// Programs that send to the agent, as an OpenTelemetry SDK would: one request after the other, each
// again until it is accepted or refused. They remember what they were told.

import type { Signal } from '../../proto/otlp/model.ts';
import { retryable, type Outcome } from '../../proto/contract/outcome.ts';
import type { Random } from '../../runtime/random.ts';
import { ask, type Agent } from './agent.ts';
import { chance } from './faults.ts';
import type { Journal } from './journal.ts';
import { BAD, createRequest } from './records.ts';
import { START_MS, type Time } from './time.ts';

export interface SourceParts {
  readonly time: Time;
  readonly random: Random;
  readonly journal: Journal;
  readonly name: string;
  readonly signal: Signal;
  readonly requests: number;
  readonly recordsMax: number;
  readonly paddingMax: number;
  readonly pauseMs: number;
  /** Share of records that cannot be stored. */
  readonly bad: number;
  /** The agent that runs now; null while there is none. */
  agent(): Agent | null;
  /** Resolves when that agent has died or ended. */
  agentGone(): Promise<void>;
}

/** What a source knows of a record. */
export interface Sent {
  /** How often it was handed to an agent. */
  times: number;
  told: 'nothing' | 'accepted' | 'refused';
}

export interface Source {
  readonly name: string;
  readonly sent: ReadonlyMap<string, Sent>;
  readonly waitingBytes: () => number;
  done(): boolean;
}

/** A client that hears nothing for so long sends again. */
const PATIENCE_MS = 30_000;

export function startSource(parts: SourceParts): Source {
  const { time, random, name, signal } = parts;
  const sent = new Map<string, Sent>();
  let done = false;
  let waitingBytes = 0;
  const run = async () => {
    for (let request = 0; request < parts.requests; request++) {
      const count = 1 + Math.floor(random.float() * parts.recordsMax);
      const keys = Array.from({ length: count }, (_, index) =>
        `${name}-${request}-${index}${chance(random, parts.bad) ? BAD : ''}`);
      for (const key of keys) sent.set(key, { times: 0, told: 'nothing' });
      const nowMs = START_MS + time.nowMs();
      const batch = createRequest({ signal, keys, nowMs, random, paddingMax: parts.paddingMax });
      waitingBytes = batch.bytes.length;
      const told = await sendUntilTold(parts, keys, batch, sent);
      waitingBytes = 0;
      for (const key of keys) sent.get(key)!.told = told;
      await time.sleep(random.float() * 2 * parts.pauseMs);
    }
    done = true;
  };
  void run();
  return { name, sent, waitingBytes: () => waitingBytes, done: () => done };
}

async function sendUntilTold(
  parts: SourceParts,
  keys: readonly string[],
  batch: ReturnType<typeof createRequest>,
  sent: ReadonlyMap<string, Sent>,
): Promise<Sent['told']> {
  const { time, random, journal, name } = parts;
  for (;;) {
    const agent = parts.agent();
    if (agent !== null) {
      for (const key of keys) sent.get(key)!.times += 1;
      const outcome = await sendOnce(parts, agent, batch);
      journal.note(`${name} ${keys[0]} (${keys.length}): ${outcome.status}`);
      if (outcome.status === 'accepted') return 'accepted';
      if (outcome.status === 'rejected') return 'refused';
    }
    await time.sleep(200 + random.float() * 1000);
  }
}

async function sendOnce(
  { time, agentGone }: SourceParts,
  agent: Agent,
  batch: ReturnType<typeof createRequest>,
): Promise<Outcome> {
  const abort = new AbortController();
  const patience = time.after(PATIENCE_MS, () => abort.abort());
  const gone = agentGone().then(() => retryable('connection lost'));
  const answer = ask(agent, batch, abort.signal).then((outcome) => outcome ?? gone);
  const outcome = await Promise.race([answer, gone]);
  patience.cancel();
  return outcome;
}
