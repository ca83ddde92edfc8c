// What the tests of this folder share: a receiver over a folder of its own, looked at by hand, and
// the lines that came out of it, with the file each came from.

import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createFileLog, type FileLog } from '../../../../agent/receivers/file_log/receiver.ts';
import { fileLogSchema } from '../../../../agent/receivers/file_log/config.ts';
import type { Batch } from '../../../../proto/contract/batch.ts';
import type { LogRecord } from '../../../../proto/otlp/model.ts';
import { createCounters, type Counters } from '../../../../runtime/counters.ts';
import { createWorld } from '../../../../runtime/world.ts';
import { type ManualClock } from '../../../../runtime/manual_clock.ts';
import {
  createManualClock, createRecordingLog, createSink, temporaryFolder, testContext, type Sink,
} from '../../../contract/fakes.ts';

export type Config = Record<string, unknown>;

export interface Following {
  /** Where the logs are. */
  readonly folder: string;
  /** Where the checkpoints are. */
  readonly stateFolder: string;
  readonly clock: ManualClock;
  readonly sink: Sink;
  readonly counters: Counters;
  readonly log: ReturnType<typeof createRecordingLog>;
  readonly receiver: FileLog;
  path(name: string): string;
  write(name: string, content: string | Uint8Array): void;
  append(name: string, content: string | Uint8Array): void;
  poll(): Promise<void>;
  /** Looks, lets the time of `force_flush_period` pass, and looks again. */
  flush(): Promise<void>;
  /** Ends this receiver and starts another with the same folders. */
  restart(config?: Config): Promise<Following>;
  records(): LogRecord[];
  /** The bodies of all that was accepted, in order. */
  bodies(): string[];
  stop(): Promise<void>;
}

export interface Folders {
  readonly folder: string;
  readonly stateFolder: string;
}

/** Starts a receiver that reads `*.log` from the beginning, unless `config` says otherwise. */
export async function follow(
  config: Config = {},
  { folder, stateFolder }: Folders = { folder: temporaryFolder(), stateFolder: temporaryFolder() },
  before: (place: { path(name: string): string }) => void = () => {},
): Promise<Following> {
  const path = (name: string) => join(folder, name);
  before({ path });
  const clock = createManualClock();
  const sink = createSink();
  const counters = createCounters();
  const log = createRecordingLog();
  const world = { ...createWorld(), clock };
  const context = testContext({ world, counters, log, folder: stateFolder });
  const parsed = fileLogSchema().parse({
    include: [path('*.log')], start_at: 'beginning', ...config,
  });
  const receiver = createFileLog(parsed, context, sink);
  await receiver.start();
  const write = (name: string, content: string | Uint8Array) => {
    mkdirSync(dirname(path(name)), { recursive: true });
    writeFileSync(path(name), content);
  };
  const poll = () => receiver.poll();
  return {
    folder, stateFolder, clock, sink, counters, log, receiver, path, write, poll,
    append: (name, content) => appendFileSync(path(name), content),
    flush: async () => {
      await poll();
      await clock.advance(501);
      await poll();
    },
    restart: async (other = config) => {
      await receiver.stop(AbortSignal.timeout(5000));
      return follow(other, { folder, stateFolder });
    },
    records: () => sink.deliveries.filter(({ outcome }) => outcome.status === 'accepted')
      .flatMap(({ batch }) => recordsOf(batch)),
    bodies: () => sink.keys('accepted'),
    stop: () => receiver.stop(AbortSignal.timeout(5000)),
  };
}

export function recordsOf(batch: Batch): LogRecord[] {
  if (!batch.is('logs')) throw new Error(`a batch of ${batch.signal}`);
  return batch.request.resourceLogs.flatMap(({ scopeLogs }) =>
    scopeLogs.flatMap(({ logRecords }) => [...logRecords]));
}

/** The text of an attribute, or undefined. */
export function attribute(record: LogRecord, name: string): unknown {
  return record.attributes.find(({ key }) => key === name)?.value.value;
}

/** `first`, …: numbered lines without their line ends. */
export function numbered(count: number, first = 0, word = 'line'): string[] {
  return Array.from({ length: count }, (_, index) => `${word} ${first + index}`);
}

export const asLines = (lines: readonly string[], end = '\n'): string =>
  lines.map((line) => line + end).join('');
