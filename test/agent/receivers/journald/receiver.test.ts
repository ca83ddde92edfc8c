// Proves that the journal is followed without loss: the contract, what a restart reads again, what
// the queues behind know, a journalctl that dies, one that is slow to be read. The journalctl here
// is a stand-in that follows a text file; real_journal.test.ts has the real one.

import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { journaldReceiver } from '../../../../agent/receivers/journald/receiver.ts';
import type { Batch } from '../../../../proto/contract/batch.ts';
import type { ComponentContext, Consumer } from '../../../../proto/contract/component.ts';
import { ACCEPTED, retryable } from '../../../../proto/contract/outcome.ts';
import type { AnyValue } from '../../../../proto/otlp/model.ts';
import { createCounters } from '../../../../runtime/counters.ts';
import { checkReceiver } from '../../../contract/check_receiver.ts';
import {
  createGate, createRecordingLog, createSink, NEVER, NOW, temporaryFolder, testContext, until,
  type Sink,
} from '../../../contract/fakes.ts';

const STAND_IN = join(import.meta.dirname, 'journalctl.mjs');

const bodyField = (body: AnyValue | undefined, name: string): string =>
  body?.type === 'kvlist' ? String(body.value.find(({ key }) => key === name)?.value.value) : '';

function messages(batch: Batch): string[] {
  if (!batch.is('logs')) return [];
  return batch.request.resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) =>
    logRecords.map(({ body }) => bodyField(body, 'MESSAGE'))));
}

const accepted = (sink: Sink): string[] => sink.deliveries
  .filter(({ outcome }) => outcome.status === 'accepted').flatMap(({ batch }) => messages(batch));

const create = (file: string, next: Consumer, context: ComponentContext, more: object = {}) =>
  journaldReceiver.create(journaldReceiver.schema.parse({
    files: [file], journalctl_path: STAND_IN, start_at: 'beginning',
    retry_on_failure: { initial_interval: '1ms', max_interval: '5ms' }, ...more,
  }), context, next);

const write = (file: string, ...texts: string[]): void =>
  appendFileSync(file, texts.map((MESSAGE) => `${JSON.stringify({ MESSAGE })}\n`).join(''));

checkReceiver({
  name: 'journald',
  durable: true,
  keysOf: messages,
  create: (next, context) => {
    const file = join(context.folder, 'journal.jsonl');
    return {
      receiver: create(file, next, context),
      offer: async (keys) => {
        write(file, ...keys);
        return [];
      },
    };
  },
});

const newFile = () => join(temporaryFolder(), 'journal.jsonl');

test('journald: what is refused for too long is given up, and others follow', async () => {
  const file = newFile();
  const sink = createSink((batch) =>
    (messages(batch).includes('bad') ? retryable('never') : ACCEPTED));
  const receiver = create(file, sink, testContext({ folder: temporaryFolder() }), {
    retry_on_failure: { initial_interval: '1ms', max_interval: '1ms', max_elapsed_time: '20ms' },
  });
  write(file, 'bad');
  await receiver.start();
  await until(() => sink.deliveries.length > 1, 'tries');
  write(file, 'good');
  await until(() => accepted(sink).length === 1, 'what comes behind it');
  assert.deepEqual(accepted(sink), ['good']);
  await receiver.stop(NEVER);
});

test('journald: start_at end is decided once; nothing written later is passed over', async () => {
  const [file, folder] = [newFile(), temporaryFolder()];
  write(file, 'before');
  const first = createSink();
  const receiver = create(file, first, testContext({ folder }), { start_at: 'end' });
  await receiver.start();
  // Stopped before anything was read, as a kill would.
  await receiver.stop(NOW);
  write(file, 'between');
  const sink = createSink();
  const again = create(file, sink, testContext({ folder }), { start_at: 'end' });
  await again.start();
  write(file, 'after');
  await until(() => accepted(sink).length >= 2, 'what was written since the first start');
  assert.deepEqual(accepted(sink), ['between', 'after']);
  await again.stop(NEVER);
});

test('journald: after a kill what the queues have taken is not read again', async () => {
  const [file, folder] = [newFile(), temporaryFolder()];
  const sink = createSink();
  const position = join(folder, 'position.json');
  const receiver = create(file, sink, testContext({ folder }));
  await receiver.start();
  const atStart = readFileSync(position);
  write(file, 'one', 'two');
  await until(() => accepted(sink).length >= 2, 'two entries');
  write(file, 'three');
  await until(() => accepted(sink).length >= 3, 'three entries');
  await receiver.stop(NEVER);
  const origins = sink.received.flatMap((batch) => batch.origins);
  assert.deepEqual([origins[0]!.from, origins.at(-1)!.to, origins.at(-1)!.state], [0, 3, 'c3']);

  const readAgain = async (queues: (typeof origins)[], want: string[]) => {
    // As a kill right after the start would leave it.
    writeFileSync(position, atStart);
    const other = createSink();
    const restarted = create(file, other, testContext({ folder, durable: () => queues }));
    await restarted.start();
    await until(() => accepted(other).length >= want.length, 'the rest');
    await restarted.stop(NEVER);
    assert.deepEqual(accepted(other), want);
  };
  write(file, 'four');
  await readAgain([origins], ['four']);
  await readAgain([origins, origins.filter(({ to }) => to <= 2)], ['three', 'four']);
  await readAgain([origins, []], ['one', 'two', 'three', 'four']);
  await readAgain([origins.map((one) => ({ ...one, run: 'another' }))],
    ['one', 'two', 'three', 'four']);
});

test('journald: a journalctl that dies is started again behind what was read', async () => {
  const file = newFile();
  const sink = createSink();
  const counters = createCounters();
  const log = createRecordingLog();
  const receiver = create(file, sink, testContext({ counters, log }));
  await receiver.start();
  write(file, 'one');
  await until(() => accepted(sink).length === 1, 'the first');
  writeFileSync(`${file}.die`, '');
  await until(() => !existsSync(`${file}.die`), 'it dies');
  write(file, 'two');
  await until(() => accepted(sink).length === 2, 'the second');
  await receiver.stop(NEVER);
  assert.deepEqual(accepted(sink), ['one', 'two']);
  assert.equal(counters.total('binnacle_journald_restarts_total'), 1);
  assert.ok(log.lines.some(({ message }) => message === 'journalctl: The journal is gone'));
});

test('journald: a cursor that the journal does not know is given up, and it is said', async () => {
  const [file, folder] = [newFile(), temporaryFolder()];
  write(file, 'one');
  writeFileSync(join(folder, 'position.json'),
    JSON.stringify({ version: 1, run: 'r', cursor: 'nonsense', entries: 7 }));
  const sink = createSink();
  const receiver = create(file, sink, testContext({ folder }));
  await receiver.start();
  await until(() => accepted(sink).length === 1, 'the journal from its beginning');
  await receiver.stop(NEVER);
});

test('journald: a position that cannot be used is kept beside and counted', async () => {
  const [file, folder] = [newFile(), temporaryFolder()];
  write(file, 'one');
  const counters = createCounters();
  const sink = createSink();
  writeFileSync(join(folder, 'position.json'), '{"version":1');
  const receiver = create(file, sink, testContext({ folder, counters }), { start_at: 'end' });
  await receiver.start();
  await until(() => accepted(sink).length === 1, 'the journal from its beginning');
  await receiver.stop(NEVER);
  assert.equal(counters.total('binnacle_journald_unusable_positions_total'), 1);
  assert.ok(existsSync(join(folder, 'position.json.unusable')));
});

test('journald: when the next part is slow, journalctl waits, and nothing is lost', async () => {
  const file = newFile();
  const gate = createGate();
  const sink = createSink(gate.answer);
  const counters = createCounters();
  const receiver = create(file, sink, testContext({ counters }));
  const long = 'x'.repeat(64 * 1024);
  const count = 600; // 38 MiB, more than may wait and than pipes hold.
  for (let index = 0; index < count; index += 100) {
    write(file, ...Array.from({ length: 100 }, (_, more) => `${index + more} ${long}`));
  }
  await receiver.start();
  const bytesRead = () => counters.total('binnacle_journald_read_bytes_total');
  await until(() => bytesRead() > 16 * 1024 * 1024, 'as much as may wait');
  const atMost = bytesRead();
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(bytesRead() - atMost < 1024 * 1024, 'no more is read');
  gate.open(ACCEPTED);
  await until(() => accepted(sink).length >= count, 'all entries');
  assert.deepEqual(accepted(sink).map((text) => Number(text.split(' ')[0])),
    Array.from({ length: count }, (_, index) => index));
  await receiver.stop(NEVER);
});

test('journald: what is no entry is counted and passed over; operators get the rest', async () => {
  const file = newFile();
  const counters = createCounters();
  const sink = createSink();
  const receiver = create(file, sink, testContext({ counters }), {
    operators: [{ type: 'move', from: 'body.MESSAGE', to: 'body' }],
  });
  await receiver.start();
  appendFileSync(file, '{"__REALTIME_TIMESTAMP":"none","MESSAGE":"lost"}\n');
  write(file, 'kept');
  await until(() => sink.deliveries.length > 0, 'the other entry');
  await receiver.stop(NEVER);
  const batch = sink.received[0]!;
  assert.ok(batch.is('logs'));
  const [record] = batch.request.resourceLogs[0]!.scopeLogs[0]!.logRecords;
  assert.deepEqual(record!.body, { type: 'string', value: 'kept' });
  assert.equal(counters.total('binnacle_journald_unreadable_entries_total'), 1);
});

test('journald: a journalctl that is not there is said with what to do', async () => {
  const receiver = create(newFile(), createSink(), testContext({ id: 'journald' }),
    { journalctl_path: '/nowhere/journalctl', start_at: 'beginning' });
  await assert.rejects(receiver.start(), (error: Error & { hint?: string }) => {
    assert.equal(error.message,
      'cannot start /nowhere/journalctl for journald: it does not exist');
    assert.match(error.hint!, /receivers\.journald\.journalctl_path/);
    return true;
  });
  await receiver.stop(NEVER);
});

test('journald: a stop while the next part refuses gives up, and keeps the position', async () => {
  const [file, folder] = [newFile(), temporaryFolder()];
  write(file, 'one');
  const sink = createSink(retryable('not now'));
  const receiver = create(file, sink, testContext({ folder }));
  await receiver.start();
  await until(() => sink.deliveries.length > 2, 'some tries');
  await receiver.stop(NEVER);
  assert.equal(JSON.parse(readFileSync(join(folder, 'position.json'), 'utf8')).cursor, '');
});
