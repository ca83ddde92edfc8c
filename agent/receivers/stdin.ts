// The receiver `stdin`: lines of standard input.
//
// Promises:
// - A line that was read is handed on until it gets a final verdict; what is refused for good is
//   counted. When the next part is slow, standard input is not read, and whoever writes waits.
// - When standard input ends, what waits is handed on, and the receiver says so; the agent goes on.
// - At a stop what waits is handed on until the deadline; the rest is counted.
//
// Nothing can be read twice: what a kill finds in memory is lost.

import type { Readable } from 'node:stream';
import * as z from 'zod';
import { byteSize, strictObject } from '../../config/schema.ts';
import type {
  ComponentContext, Consumer, Receiver, ReceiverFactory,
} from '../../proto/contract/component.ts';
import { OperatorError } from '../../runtime/errors.ts';
import { createDecoder, parseEncoding } from '../lines/encoding.ts';
import { createSplit, type Spans } from '../lines/split.ts';
import { createEntryBatches } from '../operators/batches.ts';
import { createEntry, emptyMap } from '../operators/entry.ts';
import { fixedTexts, settersOf, textsOf } from '../operators/fixed.ts';
import { operatorList } from '../operators/pipeline.ts';
import { createBacklog, type Backlog } from './sending/backlog.ts';
import { createDelivery } from './sending/delivery.ts';
import { deliveryOptions, retryOnFailure } from './sending/settings.ts';
import { createEnding } from './sending/stop.ts';

export const limits = {
  /** Bytes of lines that wait; then nothing more is read. */
  waitingBytesMax: 4 * 1024 * 1024,
  /** What a line takes besides its bytes, about. */
  lineBytes: 100,
  /** Lines that are split off at one time. */
  recordsMax: 8192,
} as const;

const stdinSchema = () => strictObject({
  encoding: z.string()
    .refine((name) => !['nop', undefined].includes(parseEncoding(name)?.kind),
      'is not an encoding of text')
    .describe('How the bytes become text.').default('utf-8'),
  max_log_size: byteSize({ min: '64', max: '16MiB' })
    .describe('A longer line is split into several.').prefault('1MiB'),
  attributes: fixedTexts().describe('Attributes that every record gets; EXPR(…) is asked of '
    + 'each.').default({}),
  resource: fixedTexts().describe('Attributes of the resource; EXPR(…) is asked of each '
    + 'record.').default({}),
  operators: operatorList().default([]),
  retry_on_failure: retryOnFailure(),
});

export type StdinConfig = z.output<ReturnType<typeof stdinSchema>>;

export const stdinReceiver: ReceiverFactory<StdinConfig> = {
  kind: 'receiver',
  type: 'stdin',
  signals: ['logs'],
  get schema() {
    return stdinSchema();
  },
  create: (config, context, next) => createStdin(config, context, next, process.stdin),
};

/** Streams that somebody reads. */
const taken = new WeakSet<Readable>();

export function createStdin(
  config: StdinConfig, context: ComponentContext, next: Consumer, input: Readable,
): Receiver {
  const ending = createEnding();
  // What was read cannot be read again: it is tried until the deadline, also at a stop.
  const signals = { stopping: ending.deadline, deadline: ending.deadline };
  const delivery = createDelivery(next, context, deliveryOptions(config.retry_on_failure), signals);
  let lines: Lines | undefined;
  const stop = async (): Promise<void> => {
    await lines?.stop();
    ending.expire();
    await delivery.idle();
  };
  return {
    start: async () => {
      if (taken.has(input)) {
        throw new OperatorError('cannot read standard input: another receiver reads it',
          'define one stdin receiver, and name it in several pipelines');
      }
      const count = { waiting: 0 };
      const backlog = createLineBacklog(config, context,
        { delivery, deadline: ending.deadline, count });
      lines = followLines(config, context, { input, backlog, count });
    },
    stop: ending.stop(stop),
  };
}

interface BacklogParts {
  readonly delivery: ReturnType<typeof createDelivery>;
  readonly deadline: AbortSignal;
  readonly count: { waiting: number };
}

function createLineBacklog(
  config: StdinConfig, context: ComponentContext, { delivery, deadline, count }: BacklogParts,
): Backlog<string> {
  const resource = Object.assign(emptyMap(), textsOf(config.resource));
  const fixed = textsOf(config.attributes);
  const setters = settersOf(config.attributes, config.resource);
  return createBacklog<string>({
    batches: createEntryBatches([...setters, ...config.operators], context),
    delivery,
    clock: context.world.clock,
    stopping: deadline,
    bytesMax: limits.waitingBytesMax,
    entryOf: (line) => createEntry(line, Object.assign(emptyMap(), fixed), resource),
    mark: (batch) => batch,
    done: (lines) => {
      count.waiting -= lines.length;
    },
  });
}

interface Lines {
  /** Reads nothing more, and hands on what was read. */
  stop(): Promise<void>;
}

interface LineParts {
  readonly input: Readable;
  readonly backlog: Backlog<string>;
  readonly count: { waiting: number };
}

function followLines(
  config: StdinConfig, context: ComponentContext, { input, backlog, count }: LineParts,
): Lines {
  const { counters, id, log } = context;
  const encoding = parseEncoding(config.encoding)!;
  const decode = createDecoder(encoding);
  const split = createSplit({
    encoding, maxBytes: config.max_log_size, recordsMax: limits.recordsMax,
  });
  const read = counters.counter('binnacle_stdin_read_lines_total', 'Lines read.', { receiver: id });
  const dropped = counters.counter('binnacle_stdin_dropped_lines_total',
    'Lines that were read, and not delivered before the stop.', { receiver: id });
  let rest: Buffer = Buffer.alloc(0);
  const take = (flush: boolean): void => {
    for (;;) {
      const spans: Spans = { starts: [], ends: [] };
      const end = split(rest, 0, flush, spans);
      spans.starts.forEach((first, index) => {
        const last = spans.ends[index]!;
        if (last === first) return;
        count.waiting++;
        read.add(1);
        backlog.add(decode(rest, first, last), last - first + limits.lineBytes);
      });
      if (end === 0) return;
      rest = rest.subarray(end);
    }
  };
  const onData = (chunk: Buffer): void => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    take(false);
    if (!backlog.full()) return;
    input.pause();
    void backlog.room().then((more) => more && input.resume());
  };
  const onEnd = (): void => {
    take(true);
    void backlog.end();
    log.info('standard input has ended: nothing more is read from it, the agent keeps running');
  };
  const onError = (): void => log.warn('cannot read standard input: it is broken');
  taken.add(input);
  input.on('data', onData).on('end', onEnd).on('error', onError);
  return {
    stop: async () => {
      input.off('data', onData).off('end', onEnd).off('error', onError);
      input.pause();
      taken.delete(input);
      take(true);
      await backlog.end();
      if (count.waiting > 0) dropped.add(count.waiting);
      count.waiting = 0;
    },
  };
}
