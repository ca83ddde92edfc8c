// Sends the parts of a batch to the backends that their keys belong to.
//
// Promises:
// - An attempt sends what no attempt before has got through; what is left is divided anew by the
//   backends of now. The batch is accepted when all of its parts have a final verdict.
// - A part carries an id made of the batch's id and of what is in it: sent again, also after a
//   restart, it is recognised, and another part is never taken for it.
// - A part that a backend finds too large goes in halves.

import { createHash } from 'node:crypto';
import type { Sender, SendOutcome } from '../../../proto/contract/arrival.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import { rejected, retryable } from '../../../proto/contract/outcome.ts';
import { splitRequest } from '../../../proto/otlp/split.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import type { Counters } from '../../../runtime/counters.ts';
import { divide, type KeyOptions } from './keys.ts';
import type { Ring } from './ring.ts';

export interface BalancingOptions {
  readonly id: string;
  readonly counters: Counters;
  readonly keys: KeyOptions;
  /** Null: no backend is known. */
  readonly ring: () => Ring | null;
  readonly open: (backend: string) => Promise<Sender>;
}

export interface BalancingSender extends Sender {
  /** Closes the connections to all others. */
  keep(backends: readonly string[]): void;
}

/** What is left of a batch after an attempt, and what became of the rest. */
interface Progress {
  left: readonly Batch[];
  accepted: number;
  rejected: number;
  reason: string | undefined;
}

export function createBalancingSender(options: BalancingOptions): BalancingSender {
  const connections = new Map<string, Promise<Sender>>();
  const progress = new WeakMap<Batch, Progress>();
  const connect = (backend: string): Promise<Sender> => {
    const known = connections.get(backend);
    if (known !== undefined) return known;
    const opened = options.open(backend);
    connections.set(backend, opened);
    opened.catch(() => connections.delete(backend));
    return opened;
  };
  const drop = async (backend: string): Promise<void> => {
    const opened = connections.get(backend);
    connections.delete(backend);
    await (await opened?.catch(() => null))?.close();
  };
  return {
    send: async (batch, attempt, abort) => {
      const state = progress.get(batch) ?? { left: [batch], accepted: 0, rejected: 0,
        reason: undefined };
      progress.set(batch, state);
      return sendLeft(state, options, async (backend, part) => {
        const connection = await connect(backend);
        const outcome = await connection.send(withId(part, batch.id), attempt, abort);
        count(options, backend, outcome);
        return outcome;
      });
    },
    keep: (backends) => {
      const kept = new Set(backends);
      for (const backend of connections.keys()) if (!kept.has(backend)) void drop(backend);
    },
    close: async () => {
      await Promise.all([...connections.keys()].map(drop));
    },
  };
}

type SendPart = (backend: string, part: Batch) => Promise<SendOutcome>;

async function sendLeft(
  state: Progress,
  { ring, keys }: BalancingOptions,
  sendPart: SendPart,
): Promise<SendOutcome> {
  const current = ring();
  if (current === null) return retryable('no backend is known yet');
  const parts: (readonly [string, Batch])[] = [];
  try {
    for (const batch of state.left) parts.push(...divide(batch, keys, current.backendOf));
  } catch (error) {
    if (error instanceof DecodeError) return rejected(error.message);
    throw error;
  }
  const waits: Extract<SendOutcome, { status: 'retryable' }>[] = [];
  const left = await Promise.all(parts.map(async ([backend, part]) => {
    const kept: Batch[] = [];
    for (const pending = [part]; pending.length > 0;) {
      const next = pending.shift()!;
      const outcome = await sendPart(backend, next);
      if (outcome.status === 'retryable') {
        waits.push(outcome);
        kept.push(next);
      } else if (outcome.status === 'rejected' && outcome.tooLarge === true && next.itemCount > 1) {
        pending.unshift(...halves(next));
      } else settle(state, next, outcome);
    }
    return kept;
  }));
  state.left = left.flat();
  if (waits.length > 0) return longest(waits);
  return verdict(state);
}

function settle(state: Progress, part: Batch, outcome: SendOutcome): void {
  if (outcome.status === 'accepted') {
    state.accepted += part.itemCount - outcome.rejected;
    state.rejected += outcome.rejected;
  } else state.rejected += part.itemCount;
  state.reason ??= outcome.reason;
}

function verdict({ accepted, rejected: refused, reason }: Progress): SendOutcome {
  if (accepted === 0 && refused > 0) return rejected(reason ?? 'no reason was given');
  return { status: 'accepted', rejected: refused, ...(reason === undefined ? {} : { reason }) };
}

function longest(waits: readonly Extract<SendOutcome, { status: 'retryable' }>[]): SendOutcome {
  const most = Math.max(...waits.map(({ retryAfterMs }) => retryAfterMs ?? 0));
  return retryable(waits[0]!.reason, most > 0 ? most : undefined);
}

function halves(part: Batch): Batch[] {
  const itemsMax = Math.ceil(part.itemCount / 2);
  return splitRequest(part.signal, part.bytes, { itemsMax })
    .map((bytes) => Batch.fromBytes(part.signal, bytes));
}

/** The whole batch keeps its id. */
function withId(part: Batch, id: string | undefined): Batch {
  if (id === undefined || part.id !== undefined) return part;
  const content = createHash('sha256').update(part.bytes).digest('hex').slice(0, 16);
  return Batch.fromBytes(part.signal, part.bytes, `${id}.${content}`);
}

function count({ id, counters }: BalancingOptions, endpoint: string, outcome: SendOutcome): void {
  counters.counter('otelcol_loadbalancer_backend_outcome_total',
    'What became of attempts to send, by backend.',
    { exporter: id, endpoint, success: String(outcome.status === 'accepted') }).add(1);
}
