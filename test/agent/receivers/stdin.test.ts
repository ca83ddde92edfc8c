// Proves the receiver stdin: lines in pieces, the end, back-pressure, operators, a stop, and the
// contract. Standard input is a stream in memory.

import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { createStdin, stdinReceiver } from '../../../agent/receivers/stdin.ts';
import type { Batch } from '../../../proto/contract/batch.ts';
import { ACCEPTED, retryable } from '../../../proto/contract/outcome.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { checkReceiver } from '../../contract/check_receiver.ts';
import {
  createRecordingLog, createSink, itemKeys, NEVER, NOW, testContext, text, until,
} from '../../contract/fakes.ts';
import { withoutLeaks } from '../../contract/leaks.ts';

async function start(config: object = {}) {
  const input = new PassThrough();
  const sink = createSink();
  const log = createRecordingLog();
  const counters = createCounters();
  const receiver = createStdin(stdinReceiver.schema.parse(config),
    testContext({ log, counters }), sink, input);
  await receiver.start();
  return { input, sink, log, counters, receiver, bodies: () => sink.keys('accepted') };
}

test('stdin: lines in pieces; the end is said, and the last line is one', () =>
  withoutLeaks(async () => {
    const { input, log, receiver, bodies } = await start();
    input.write('one\r\ntw');
    input.write(Buffer.from('o é').subarray(0, 3));
    input.write(Buffer.from('o é').subarray(3));
    input.end('\n\nlast');
    await until(() => bodies().length === 3, 'three lines');
    assert.deepEqual(bodies(), ['one', 'two é', 'last']);
    assert.match(log.lines.find(({ level }) => level === 'info')!.message,
      /has ended: nothing more is read from it, the agent keeps running/);
    await receiver.stop(NEVER);
  }));

test('stdin: encoding, the length of lines, and what each record says', async () => {
  const { input, sink, receiver, bodies } = await start({
    encoding: 'utf-16le', max_log_size: 64, attributes: { team: 'red' },
    resource: { 'service.name': 'shop' },
  });
  input.end(Buffer.from(`é\n${'x'.repeat(40)}\n`, 'utf16le'));
  await until(() => bodies().length === 3, 'three records');
  assert.deepEqual(bodies(), ['é', 'x'.repeat(32), 'x'.repeat(8)]);
  const [group] = (sink.received[0] as Batch<'logs'>).request.resourceLogs;
  assert.deepEqual(group!.resource!.attributes, [text('service.name', 'shop')]);
  assert.deepEqual(group!.scopeLogs[0]!.logRecords[0]!.attributes, [text('team', 'red')]);
  await receiver.stop(NEVER);
});

test('stdin: what is refused for too long is given up', async () => {
  const { input, sink, receiver, bodies } = await start({ retry_on_failure: {
    initial_interval: '1ms', max_interval: '1ms', max_elapsed_time: '20ms',
  } });
  sink.answer((batch) => (itemKeys(batch).includes('bad') ? retryable('never') : ACCEPTED));
  input.write('bad\n');
  await until(() => sink.deliveries.length > 1, 'tries');
  input.write('good\n');
  await until(() => bodies().length === 1, 'what comes behind it');
  assert.deepEqual(bodies(), ['good']);
  await receiver.stop(NEVER);
});

test('stdin: operators; what they hold back comes at the end', async () => {
  const { input, receiver, bodies } = await start({ operators: [
    { type: 'recombine', combine_field: 'body', is_first_entry: 'body startsWith "a"' },
  ] });
  input.end('a\n b\na\n c\n');
  await until(() => bodies().length === 2, 'two records');
  assert.deepEqual(bodies(), ['a\n b', 'a\n c']);
  await receiver.stop(NEVER);
});

test('stdin: while the next part is full nothing more is read, and nothing is lost', async () => {
  const { input, sink, receiver, bodies } = await start({
    retry_on_failure: { initial_interval: '2ms', max_interval: '2ms' },
  });
  sink.answer(retryable('full'));
  const lines = Array.from({ length: 300 }, (_, index) => `${index} ${'x'.repeat(60_000)}`);
  let written = 0;
  for (const line of lines) input.write(`${line}\n`, () => (written += 1));
  await until(() => sink.deliveries.length > 5 && input.isPaused(), 'a pause');
  assert.ok(written < lines.length / 2, `${written} were read`);
  sink.answer(ACCEPTED);
  await until(() => bodies().length === lines.length, 'all lines');
  assert.deepEqual(bodies(), lines);
  await receiver.stop(NEVER);
});

test('stdin: a stop sends what waits, counts what does not get through; one reader', async () => {
  const { input, sink, counters, receiver } = await start();
  const other = createStdin(stdinReceiver.schema.parse({}), testContext(), sink, input);
  await assert.rejects(other.start(), /another receiver reads it/);
  sink.answer(retryable('full'));
  input.write('lost\n');
  await until(() => sink.deliveries.length > 0, 'a try');
  await receiver.stop(NOW);
  assert.equal(counters.total('binnacle_stdin_dropped_lines_total'), 1);
});

checkReceiver({
  name: 'stdin',
  create: (next, context) => {
    const input = new PassThrough();
    const config = { retry_on_failure: { initial_interval: '1ms', max_interval: '2ms' } };
    return {
      receiver: createStdin(stdinReceiver.schema.parse(config), context, next, input),
      offer: async (keys) => {
        input.write(keys.map((key) => `${key}\n`).join(''));
        return [];
      },
      close: async () => void input.destroy(),
    };
  },
});
