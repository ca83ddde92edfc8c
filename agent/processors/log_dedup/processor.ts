// Makes one of log records that say the same within an interval, with their number (the
// Collector's processor/logdedup).
//
// Promises:
// - `accepted` means that a batch is in the journal, synced, until what became of it was handed on.
//   What waits survives a kill at any instant; after it the interval begins anew, and at worst what
//   was just being handed on comes twice, with its whole number. Nothing that was acknowledged is
//   missing without being counted.
// - A batch none of whose records is held back is handed on at once, and its verdict travels.
// - At `memory_limit` what was gathered goes before its interval is over.
//
// A mark in the journal, a batch with one span, says by its start time up to which sequence all was
// handed on; what stands before it is not taken again.

import { basename, join, sep } from 'node:path';
import * as z from 'zod';
import { byteSize, duration, fault, ignoredKey, section } from '../../../config/schema.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import type {
  ComponentContext, Consumer, Processor, ProcessorFactory,
} from '../../../proto/contract/component.ts';
import {
  rejected, retryable, unlessAborted, type Outcome,
} from '../../../proto/contract/outcome.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import type { Timer } from '../../../runtime/clock.ts';
import { retryDelayMs } from '../../../runtime/retry.ts';
import { failureOptions } from '../../ottl/failures.ts';
import { OttlFailure } from '../../ottl/fault.ts';
import { createConditions } from '../../ottl/ottl.ts';
import { ottlConditions } from '../../ottl/schema.ts';
import { OttlView } from '../../ottl/view.ts';
import { openJournal, type Held, type Journal } from '../../queue/journal.ts';
import { parseField } from './fields.ts';
import { createGathering, isTimezone, type Gathering } from './gathering.ts';
import { markOf, markedSequence } from './marks.ts';

export const limits = {
  retry: {
    initialIntervalMs: 100, maxIntervalMs: 5000, multiplier: 2, randomizationFactor: 0.5,
  },
} as const;

const fields = () => z.array(z.string().min(1));

const createSchema = () => section({
  interval: duration({ min: '1ms' }).describe('How long records that say the same are gathered.')
    .prefault('10s'),
  conditions: ottlConditions({ context: 'log' })
    .describe('Conditions of OTTL: only records for which one holds are gathered.').default([]),
  log_count_attribute: z.string().min(1).describe('The attribute that gets their number.')
    .default('log_count'),
  timezone: z.string().describe('Of the times of the first and last, such as Europe/Berlin.')
    .default('UTC'),
  include_fields: fields()
    .describe('Only these make records the same: body, body.key, attributes.key.').default([]),
  exclude_fields: fields()
    .describe('These do not count, and are left out of what is sent: body.key, attributes.key.')
    .default([]),
  metadata_keys: z.array(z.string()).max(0,
    'is not supported: the connection of a client is not known to the pipeline')
    .describe('Must be empty.').default([]),
  metadata_cardinality_limit: ignoredKey('there are no metadata_keys that it would bound'),
  memory_limit: byteSize({ min: '64KiB' })
    .describe('Memory for what is gathered; beyond it it goes early.').prefault('32MiB'),
  storage_limit: byteSize({ min: '1MiB' })
    .describe('Disk for what is gathered, at most a tenth of it; senders wait when it is full.')
    .prefault('1GiB'),
  storage: z.string().min(1)
    .describe('The file_storage where what waits is kept; its own folder when absent.').optional(),
}).superRefine((config, ctx) => {
  if (config.include_fields.length > 0 && config.exclude_fields.length > 0) {
    fault(ctx, 'contradicts include_fields', 'set only one of them', ['exclude_fields']);
  }
  for (const key of ['include_fields', 'exclude_fields'] as const) {
    config[key].forEach((text, index) => {
      const field = parseField(text);
      const isWhole = key === 'exclude_fields' && field?.path.length === 0;
      if (field !== null && !isWhole) return;
      fault(ctx, isWhole ? 'is the whole body, which cannot be left out' : 'is no field',
        'write body.key or attributes.key; a dot in a key is \\.', [key, index]);
    });
  }
  if (!isTimezone(config.timezone)) {
    fault(ctx, 'is no time zone', 'write it like Europe/Berlin', ['timezone']);
  }
});

export type LogDedupConfig = z.output<ReturnType<typeof createSchema>>;

export const logDedupProcessor: ProcessorFactory<LogDedupConfig> = {
  kind: 'processor',
  type: 'log_dedup',
  aliases: ['logdedup'],
  signals: ['logs'],
  get schema() {
    return createSchema();
  },
  uses: ({ storage }) => (storage === undefined ? []
    : [{ path: ['storage'], id: storage, type: 'file_storage' }]),
  create: (config, context, next) => {
    let dedup: LogDedup | null = null;
    let stopped: Promise<void> | null = null;
    return {
      start: async () => {
        const journal = await openJournal({
          context, bytesMax: config.storage_limit, ...placeOf(config, context),
        });
        dedup = new LogDedup(config, context, next, journal);
        await dedup.start();
      },
      stop: (deadline) => {
        stopped ??= dedup === null ? null : dedup.stop(deadline);
        return stopped ?? Promise.resolve();
      },
      consume: (batch, abort) => dedup?.consume(batch, abort)
        ?? Promise.resolve(retryable('the processor has not started')),
    } satisfies Processor;
  },
};

/** Where what waits is kept, and how it is sealed. */
function placeOf({ storage }: LogDedupConfig, { folder, storage: find }: ComponentContext) {
  const found = storage === undefined ? null : find?.(storage) ?? null;
  if (found === null) return { folder: join(folder, 'journal'), keys: [] };
  const at = folder.lastIndexOf(`${sep}processor${sep}`);
  const name = at === -1 ? basename(folder) : folder.slice(at + 1);
  return { folder: join(found.directory, name, 'journal'), keys: found.keys() };
}

class LogDedup {
  readonly #config: LogDedupConfig;
  readonly #context: ComponentContext;
  readonly #next: Consumer;
  readonly #journal: Journal;
  readonly #gathering: Gathering;
  readonly #isGathered: (batch: Batch<'logs'>) => Gathered;
  /** Fires when nothing more is taken. */
  readonly #leaving = new AbortController();
  /** Fires when nothing more is waited for. */
  readonly #stopping = new AbortController();
  /** In the journal, and not yet handed on. */
  #held: Held[] = [];
  #taken = 0;
  #work: Promise<void> = Promise.resolve();
  #taking: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;

  constructor(
    config: LogDedupConfig, context: ComponentContext, next: Consumer, journal: Journal,
  ) {
    this.#config = config;
    this.#context = context;
    this.#next = next;
    this.#journal = journal;
    this.#gathering = createGathering(config, context);
    this.#isGathered = createChoice(config, context);
  }

  async start(): Promise<void> {
    let left: Held[] = [];
    await this.#journal.replay((held) => {
      const delivered = markedSequence(held.batch);
      if (delivered === null) {
        left.push(held);
        return;
      }
      held.done();
      for (const one of left) if (one.sequence <= delivered) one.done();
      left = left.filter(({ sequence }) => sequence > delivered);
    });
    for (const held of left) await this.#admit(held);
    this.#taking = this.#take();
    this.#timer = this.#context.world.clock.every(this.#config.interval,
      () => void this.#inTurn(() => this.#flush()));
  }

  async consume(batch: Batch, abort: AbortSignal): Promise<Outcome> {
    if (!batch.is('logs')) return this.#next.consume(batch, abort);
    let chosen: Gathered;
    try {
      chosen = this.#isGathered(batch);
    } catch (error) {
      if (error instanceof DecodeError || error instanceof OttlFailure) {
        return rejected(error.message);
      }
      throw error;
    }
    if (chosen.count === 0) return this.#next.consume(batch, abort);
    if (this.#leaving.signal.aborted) return retryable('the processor has stopped');
    return this.#journal.put(batch, abort);
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.#leaving.abort();
    this.#timer?.cancel();
    const giveUp = () => this.#stopping.abort();
    if (deadline.aborted) giveUp();
    deadline.addEventListener('abort', giveUp, { once: true });
    await this.#taking;
    await this.#inTurn(() => this.#flush());
    deadline.removeEventListener('abort', giveUp);
    await this.#journal.stop();
  }

  async #take(): Promise<void> {
    for (;;) {
      const held = await this.#journal.take(this.#leaving.signal);
      if (held === null) return;
      await this.#inTurn(() => this.#admit(held));
    }
  }

  /** One after the other: a flush sees whole batches. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(work);
    return this.#work;
  }

  async #admit(held: Held): Promise<void> {
    const { batch } = held;
    if (!batch.is('logs')) return held.done();
    const { isChosen } = this.#isGathered(batch);
    const rest = this.#gathering.add(batch, isChosen, held.enqueuedMs);
    if (rest !== null && !await this.#deliver(rest)) return;
    this.#taken = held.sequence;
    this.#held.push(held);
    if (this.#gathering.bytes() > this.#config.memory_limit) await this.#flush();
  }

  /** Hands on what was gathered; what was taken so far is done then. */
  async #flush(): Promise<void> {
    if (this.#held.length === 0 || this.#stopping.signal.aborted) return;
    for (const batch of this.#gathering.batches()) {
      if (!await this.#deliver(batch)) return;
    }
    this.#gathering.clear();
    const held = this.#held;
    this.#held = [];
    // A crash from here on until it is durable brings this interval once more.
    await this.#journal.put(markOf(this.#taken), this.#stopping.signal);
    for (const one of held) one.done();
  }

  /** False when the processor stops before there is a verdict. */
  async #deliver(batch: Batch): Promise<boolean> {
    const stop = this.#stopping.signal;
    const { world, log } = this.#context;
    for (let attempt = 0; !stop.aborted; attempt++) {
      const outcome = await unlessAborted(this.#next.consume(batch, stop), stop, 'stopping');
      if (outcome.status === 'accepted') {
        this.#lost(outcome.rejected);
        return true;
      }
      if (outcome.status === 'rejected') {
        log.error(`cannot hand on ${batch.itemCount} log records: ${outcome.reason}`);
        this.#lost(batch.itemCount);
        return true;
      }
      const delayMs = retryDelayMs(limits.retry, attempt, outcome.retryAfterMs ?? 0, world.random);
      await world.clock.sleep(delayMs, stop);
    }
    return false;
  }

  #lost(items: number): void {
    if (items === 0) return;
    this.#context.counters.counter('binnacle_processor_lost_items_total',
      'Items that the processor had accepted, and that are lost.',
      { processor: this.#context.id, otel_signal: 'logs', reason: 'refused' }).add(items);
  }
}

interface Gathered {
  /** Records that are gathered. */
  readonly count: number;
  /** By the place of a record in its batch; null: all are. */
  readonly isChosen: readonly boolean[] | null;
}

/** Which records are gathered. Throws DecodeError. */
function createChoice(
  { conditions }: LogDedupConfig, context: ComponentContext,
): (batch: Batch<'logs'>) => Gathered {
  if (conditions.length === 0) {
    return (batch) => {
      // Decoded here, so that what is broken is refused.
      const isEmpty = batch.request.resourceLogs.length === 0;
      return { count: isEmpty ? 0 : batch.itemCount, isChosen: null };
    };
  }
  const holds = createConditions(conditions,
    { context: 'log', world: context.world, ...failureOptions('ignore', context) });
  const view = new OttlView();
  return (batch) => {
    const isChosen: boolean[] = [];
    for (const { resource, scopeLogs } of batch.request.resourceLogs) {
      view.resource = resource;
      for (const { scope, logRecords } of scopeLogs) {
        view.scope = scope;
        for (const record of logRecords) {
          view.log = record;
          isChosen.push(holds(view));
        }
      }
    }
    return { count: isChosen.filter((one) => one).length, isChosen };
  };
}
