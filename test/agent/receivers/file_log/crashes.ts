// What crash.test.ts runs in a thread of its own: file_log → batch → disk queue on a disk in memory
// that dies, or fails, at operations all over a fixed scenario; then another start.

import assert from 'node:assert/strict';
import { batchProcessor } from '../../../../agent/processors/batch/processor.ts';
import { createQueue, type Queue, type QueueOptions } from '../../../../agent/queue/queue.ts';
import { fileLogSchema } from '../../../../agent/receivers/file_log/config.ts';
import { createFileLog } from '../../../../agent/receivers/file_log/receiver.ts';
import { retryable } from '../../../../proto/contract/outcome.ts';
import type { Files } from '../../../../runtime/files.ts';
import { createSeededRandom } from '../../../../runtime/random.ts';
import { createWorld, type World } from '../../../../runtime/world.ts';
import { settle } from '../../../../runtime/manual_clock.ts';
import { createManualClock, itemKeys, NOW, testContext } from '../../../contract/fakes.ts';
import { createFaultyFiles, type FaultyFiles } from '../../../contract/faulty_files.ts';
import { mortal, SIZE } from '../../queue/open.ts';
import { asLines, numbered } from './following.ts';

const LOG = '/logs/app.log';
let seeds = 0;

/** What outlives a process: the disk, what was written to the log, and what was sent. */
interface Machine {
  readonly disk: FaultyFiles;
  written: number;
  /** By the id of the batch. */
  readonly sent: Map<string, string[]>;
  readonly options: Partial<QueueOptions>;
  /** How often the queue refuses a batch for now, and takes a later one. */
  readonly refusing: number;
  /** Operators put lines together, so that some are held back at any time. */
  readonly isJoining: boolean;
}

function createMachine(
  seed: number, options: Partial<QueueOptions> = {}, refusing = 0, isJoining = false,
): Machine {
  return {
    disk: createFaultyFiles(seed), written: 0, sent: new Map(), options, refusing, isJoining,
  };
}

/** Lines become one record up to one that ends a series, by ten sources that take turns. */
const JOINING = [
  { type: 'regex_parser', regex: '^line (?P<number>\\d+)' },
  { type: 'add', field: 'attributes.source', value: 'EXPR(string(int(attributes.number) % 10))' },
  { type: 'recombine', combine_field: 'body', source_identifier: 'attributes.source',
    is_last_entry: 'int(attributes.number) % 3 == 2', force_flush_period: '70ms' },
];

async function startAgent({ sent, options, refusing, isJoining }: Machine, files: Files) {
  const clock = createManualClock();
  const world: World = { ...createWorld(), random: createSeededRandom(++seeds), files, clock };
  const context = testContext({ world, folder: '/state' });
  const queue = await createQueue({
    ...context, folder: '/queue', whenFull: 'refuse', size: { ...SIZE, bytesMax: 600_000 },
    ...options,
  });
  const timeout = refusing > 0 ? '0s' : '20ms';
  const batcher = batchProcessor.create(batchProcessor.schema.parse({ timeout }), context, {
    consume: async (batch, abort) =>
      world.random.float() < refusing ? retryable('not now') : queue.put(batch, abort),
  });
  const config = fileLogSchema().parse({
    include: [`${LOG}*`], start_at: 'beginning', poll_interval: '20ms',
    retry_on_failure: { initial_interval: '50ms', max_interval: '100ms' },
    operators: isJoining ? JOINING : [],
  });
  const receiver = createFileLog(config,
    { ...context, durable: () => [queue.origins(context.id)] }, batcher);
  await receiver.start();
  const stopped = new AbortController();
  void send(queue, sent, stopped.signal);
  return {
    clock, queue,
    stop: async () => {
      stopped.abort();
      const stopping = Promise.allSettled([receiver.stop(NOW), batcher.stop(NOW)]);
      await clock.advance(1000);
      await stopping;
      await queue.stop();
    },
  };
}

async function send(queue: Queue, sent: Map<string, string[]>, stopped: AbortSignal) {
  for (;;) {
    const taken = await queue.take(stopped);
    if (taken === null) return;
    sent.set(taken.batch.id!, itemKeys(taken.batch));
    taken.done();
  }
}

/** Appends to the log as another machine would: it is there, and no operation of this disk. */
function write(machine: Machine, count: number): void {
  // Some are long, so that segments are begun and removed.
  const lines = numbered(count, machine.written).map((line) => line.padEnd(8000, '.'));
  machine.disk.damage(LOG, (bytes) => Buffer.concat([bytes, Buffer.from(asLines(lines))]));
  machine.written += count;
}

async function makeLog({ disk: { files } }: Machine): Promise<void> {
  const file = await files.open(LOG, 'write');
  await file!.close();
  await files.syncFolder('/logs');
}

async function scenario(machine: Machine, files: Files): Promise<void> {
  const { clock, stop } = await startAgent(machine, files);
  for (let step = 0; step < 8; step++) {
    for (let part = 0; part < 2; part++) {
      write(machine, 1 + (step % 3) * 2);
      await clock.advance(20);
    }
    // The cursor is written 200 ms later, and segments go; checkpoints after 1 s.
    await clock.advance(step === 4 ? 1000 : 40);
    if (step === 2 || step === 6) {
      await machine.disk.files.rename(LOG, `${LOG}.${step}`);
      await makeLog(machine);
    }
  }
  await stop();
}

/** What came out of the queue in the end, after another start. */
async function finish(machine: Machine): Promise<string[]> {
  const { clock, stop } = await startAgent(machine, machine.disk.files);
  if (!machine.disk.paths().includes(LOG)) await makeLog(machine);
  write(machine, 1);
  for (let step = 0; step < 40; step++) {
    await clock.advance(100);
    const lines = [...machine.sent.values()].flat().flatMap((key) => key.split('\n'));
    if (new Set(lines).size >= machine.written) break;
  }
  await clock.advance(1000);
  await stop();
  return [...machine.sent.values()].flat().flatMap((key) => key.split('\n'))
    .map((line) => line.replace(/\.*$/, ''));
}

async function operationsOfScenario(options?: Partial<QueueOptions>): Promise<number> {
  const machine = createMachine(0, options);
  await makeLog(machine);
  await scenario(machine, machine.disk.files);
  return machine.disk.operations();
}

async function crashed(disk: FaultyFiles, over: { is: boolean }): Promise<void> {
  while (!disk.crashed() && !over.is) await new Promise((resolve) => setImmediate(resolve));
  await settle();
}

export interface Deaths {
  readonly end: 'kill' | 'crash';
  /** From one operation to the next at which it dies. */
  readonly step: number;
  readonly isEncrypted: boolean;
  readonly refusing: number;
  readonly isJoining?: boolean;
}

/** Dies at operations of the scenario: each line must come once. */
export async function dieAtEach(deaths: Deaths): Promise<void> {
  const { end, step, isEncrypted, refusing, isJoining = false } = deaths;
  const options = isEncrypted ? { keys: [Buffer.alloc(32, 7)] } : {};
  const operations = await operationsOfScenario(options);
  assert.ok(operations > 100, String(operations));
  for (let number = 3; number < operations; number += step) {
    const machine = createMachine(number, options, refusing, isJoining);
    const { disk } = machine;
    await makeLog(machine);
    const process = mortal(disk);
    disk.crashAt(number);
    const over = { is: false };
    await Promise.race([scenario(machine, process.files), crashed(disk, over)]);
    over.is = true;
    process.die();
    disk[end]();
    const lines = await finish(machine);
    assert.deepEqual(lines.sort(), numbered(machine.written).sort(), `at operation ${number}`);
  }
}

/** Fails at each sixth operation, and dies a little later: no line may be lost. */
export async function failAtEach(code: string): Promise<void> {
  const operations = await operationsOfScenario();
  for (let number = 3; number < operations; number += 6) {
    const machine = createMachine(number);
    const { disk } = machine;
    await makeLog(machine);
    const process = mortal(disk);
    disk.failAt(number, code);
    disk.crashAt(Math.min(number + 40, operations));
    const over = { is: false };
    await Promise.race([
      scenario(machine, process.files).catch((error: unknown) =>
        assert.match(String(error), /injected/)),
      crashed(disk, over),
    ]);
    over.is = true;
    process.die();
    disk.kill();
    const lines = new Set(await finish(machine));
    assert.deepEqual([...lines].sort(), numbered(machine.written).sort(),
      `at operation ${number}`);
  }
}
