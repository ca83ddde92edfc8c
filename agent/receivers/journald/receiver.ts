// The receiver `journald`: follows the journal of systemd by way of journalctl.
//
// Promises:
// - No entry is lost: the position moves only over entries that the next part took, or refused for
//   good, which is counted. After a stop, a crash or a kill -9 the rest is read again, but for what
//   the disk queues behind have taken (position.ts).
// - At the very first start `start_at: end` is decided once: what is written to the journal after
//   the agent has started is never passed over, also when it is killed at once.
// - What is in memory is bounded; when the next part is slow, journalctl is not read any more, and
//   waits.
//
// Keys and differences from the Collector: config.ts; what becomes of an entry: entry.ts.

import type {
  ComponentContext, Consumer, Receiver, ReceiverFactory,
} from '../../../proto/contract/component.ts';
import { createEntryBatches } from '../../operators/batches.ts';
import { createBacklog, type Backlog } from '../sending/backlog.ts';
import { createDelivery, type StopSignals } from '../sending/delivery.ts';
import { deliveryOptions } from '../sending/settings.ts';
import { createEnding } from '../sending/stop.ts';
import { createDocumentWriter, type DocumentWriter } from '../sending/document.ts';
import { journaldSchema, type JournaldConfig } from './config.ts';
import { createEntryReader, cursorOf } from './entry.ts';
import { createFollower, newestCursor, type Follower } from './follower.ts';
import { CONTENT, loadCursor, positionPath, positionText } from './position.ts';

export const limits = {
  /** Bytes of entries that wait for their verdict; then journalctl waits. */
  waitingBytesMax: 16 * 1024 * 1024,
} as const;

export const journaldReceiver: ReceiverFactory<JournaldConfig> = {
  kind: 'receiver',
  type: 'journald',
  signals: ['logs'],
  get schema() {
    return journaldSchema();
  },
  create: createJournald,
};

export function createJournald(
  config: JournaldConfig,
  context: ComponentContext,
  next: Consumer,
): Receiver {
  const ending = createEnding();
  let reading: Reading | undefined;

  const stop = async (): Promise<void> => {
    ending.begin();
    if (reading === undefined) return;
    await reading.follower.stop(ending.deadline);
    await Promise.all([reading.backlog.idle(), reading.idle()]);
    await reading.writer.stop();
  };
  return {
    start: async () => {
      const { id, log } = context;
      const first = () => config.start_at === 'beginning' ? ''
        : newestCursor({ config, id, log }, ending.stopping);
      const cursor = await loadCursor(context) ?? await first();
      if (ending.stopping.aborted) return;
      reading = createReading(config, context, { next, signals: ending, cursor });
      // Where this run begins must be known before anything is sent.
      await reading.writer.save();
      await reading.follower.start();
    },
    stop: ending.stop(stop),
  };
}

interface Reading {
  readonly backlog: Backlog<Buffer>;
  readonly follower: Follower;
  readonly writer: DocumentWriter;
  idle(): Promise<void>;
}

interface ReadingParts {
  readonly next: Consumer;
  readonly signals: StopSignals;
  /** Where it begins. */
  readonly cursor: string;
}

function createReading(
  config: JournaldConfig,
  context: ComponentContext,
  { next, signals, cursor }: ReadingParts,
): Reading {
  const { id, world, log, folder } = context;
  const run = world.random.uuid();
  const count = countersOf(context);
  const position = { cursor, entries: 0 };
  const delivery = createDelivery(next, context, deliveryOptions(config.retry_on_failure), signals);
  const writer = createDocumentWriter({
    world, log, path: positionPath(folder), text: () => positionText({ run, ...position }),
  });
  const read = createEntryReader({
    attributes: config.attributes,
    resource: config.resource,
    convertMessage: config.convert_message_bytes,
  });
  const backlog = createBacklog<Buffer>({
    batches: createEntryBatches(config.operators, context),
    delivery,
    clock: world.clock,
    stopping: signals.stopping,
    bytesMax: limits.waitingBytesMax,
    entryOf: (line) => {
      const entry = read(line);
      if (entry === null) count.unreadable.add(1);
      return entry;
    },
    mark: (batch, lines) => {
      const from = position.entries;
      const state = lastCursor(lines) ?? position.cursor;
      const to = from + lines.length;
      return batch.from([{ receiver: id, run, content: CONTENT, from, to, state }]);
    },
    done: (lines) => {
      position.cursor = lastCursor(lines) ?? position.cursor;
      position.entries += lines.length;
      writer.touch();
    },
  });
  const follower = createFollower({
    config, id, world, log,
    stopping: signals.stopping,
    cursor: () => cursorOf(backlog.last() ?? Buffer.alloc(0)) ?? position.cursor,
    cursorLost: () => {
      // Entries that wait have cursors of their own.
      if (backlog.last() === undefined) position.cursor = '';
    },
    line: (line, cut) => {
      count.bytes.add(line.length + 1);
      if (cut) count.unreadable.add(1);
      else if (line.length > 0) backlog.add(line, line.length);
    },
    full: backlog.full,
    room: backlog.room,
    restarted: () => count.restarts.add(1),
  });
  return { backlog, follower, writer, idle: delivery.idle };
}

/** Of the last line that has one. */
function lastCursor(lines: readonly Buffer[]): string | null {
  for (let index = lines.length - 1; index >= 0; index--) {
    const cursor = cursorOf(lines[index]!);
    if (cursor !== null) return cursor;
  }
  return null;
}

function countersOf({ counters, id }: ComponentContext) {
  const labels = { receiver: id };
  return {
    bytes: counters.counter('binnacle_journald_read_bytes_total',
      'Bytes that journalctl printed.', labels),
    unreadable: counters.counter('binnacle_journald_unreadable_entries_total',
      'Lines of journalctl that are no entry, or too long.', labels),
    restarts: counters.counter('binnacle_journald_restarts_total',
      'Times that journalctl ended and was started again.', labels),
  };
}
