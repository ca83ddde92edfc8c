// Proves what the receiver promises to the parts around it: the contract of receivers with a sink
// that accepts, refuses and puts off at random; positions that survive stops and crashes; wrong
// configurations refused. Real files, looked at by hand; time is moved by hand, too.

import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileLogSchema } from '../../../../agent/receivers/file_log/config.ts';
import { fileLogReceiver } from '../../../../agent/receivers/file_log/receiver.ts';
import { ACCEPTED, rejected, retryable } from '../../../../proto/contract/outcome.ts';
import type { LogRecord } from '../../../../proto/otlp/model.ts';
import { createGate, inOrder, NOW, temporaryFolder, until } from '../../../contract/fakes.ts';
import { checkReceiver } from '../../../contract/check_receiver.ts';
import { asLines, attribute, follow, numbered } from './following.ts';

checkReceiver({
  name: 'file_log',
  durable: true,
  create: (next, context) => {
    // Beside the checkpoints, so that a second receiver finds it.
    const path = join(context.folder, 'app.log');
    const config = fileLogReceiver.schema.parse({
      include: [path],
      start_at: 'beginning',
      poll_interval: '10ms',
      retry_on_failure: { initial_interval: '1ms', max_interval: '5ms' },
    });
    return {
      receiver: fileLogReceiver.create(config, context, next),
      offer: async (keys) => {
        appendFileSync(path, asLines(keys));
        return [];
      },
    };
  },
});

test('file_log: lines arrive in order, each once, with the name of their file', async () => {
  const following = await follow();
  following.write('a.log', 'one\ntwo\n');
  await following.poll();
  following.append('a.log', 'three\n');
  await following.poll();
  await following.poll();
  assert.deepEqual(following.bodies(), ['one', 'two', 'three']);
  const [record] = following.records();
  assert.equal(attribute(record!, 'log.file.name'), 'a.log');
  assert.equal(record!.timeUnixNano, 0n);
  assert.equal(record!.observedTimeUnixNano / 1_000_000n, BigInt(following.clock.nowMs()));
  await following.stop();
});

test('file_log: attributes, resource, path, number and offset as configured', async () => {
  const following = await follow({
    include_file_path: true,
    include_file_name: false,
    include_file_path_resolved: true,
    include_file_record_number: true,
    include_file_record_offset: true,
    attributes: { team: 'red', port: 80 },
    resource: { 'service.name': 'shop' },
  });
  following.write('a.log', 'one\n\nthree\n');
  await following.poll();
  const read = following.records().map(({ body, attributes }) =>
    [body!.value, Object.fromEntries(attributes.map(({ key, value }) => [key, value.value]))]);
  const path = following.path('a.log');
  const names = { 'log.file.path': path, 'log.file.path_resolved': path, team: 'red', port: '80' };
  assert.deepEqual(read, [
    ['one', { ...names, 'log.file.record_number': 1n, 'log.file.record_offset': 0n }],
    ['three', { ...names, 'log.file.record_number': 3n, 'log.file.record_offset': 5n }],
  ]);
  const { batch } = following.sink.deliveries[0]!;
  assert.ok(batch.is('logs'));
  assert.deepEqual(batch.request.resourceLogs[0]!.resource!.attributes,
    [{ key: 'service.name', value: { type: 'string', value: 'shop' } }]);
  await following.stop();
});

test('file_log: a link has its own name, and that of its file when asked for', async () => {
  const target = join(temporaryFolder(), 'app-2026-01-02.txt');
  writeFileSync(target, 'one\n');
  const following = await follow({ include_file_name_resolved: true });
  symlinkSync(target, following.path('current.log'));
  await following.poll();
  const [{ attributes }] = following.records() as [LogRecord];
  assert.deepEqual(attributes.map(({ key, value }) => [key, value.value]), [
    ['log.file.name', 'current.log'], ['log.file.name_resolved', 'app-2026-01-02.txt'],
  ]);
  await following.stop();
});

test('file_log: start_at end leaves out what was there at the very first start only', async () => {
  const folders = { folder: temporaryFolder(), stateFolder: temporaryFolder() };
  const config = { start_at: 'end' };
  const first = await follow(config, folders, ({ path }) => writeFileSync(path('a.log'), 'old\n'));
  await first.poll();
  first.append('a.log', 'new\n');
  first.write('b.log', 'appeared\n');
  await first.poll();
  assert.deepEqual(first.bodies().sort(), ['appeared', 'new']);
  await first.stop();
  appendFileSync(first.path('a.log'), 'while away\n');
  writeFileSync(first.path('c.log'), 'made while away\n');
  const second = await follow(config, folders);
  await second.poll();
  assert.deepEqual(second.bodies().sort(), ['made while away', 'while away']);
  await second.stop();
});

test('file_log: start_at end is on disk before anything is read', async () => {
  const folders = { folder: temporaryFolder(), stateFolder: temporaryFolder() };
  const first = await follow({ start_at: 'end' }, folders, ({ path }) =>
    writeFileSync(path('a.log'), 'old\n'));
  await first.poll();
  const text = readFileSync(join(folders.stateFolder, 'checkpoints.json'), 'utf8');
  assert.equal(JSON.parse(text).files[0].offset, 4);
  await first.stop();
});

test('file_log: a checkpoint waits for what is not accepted (contrib #31074, #20552)', async () => {
  const following = await follow();
  const gate = createGate();
  following.sink.answer(gate.answer);
  following.write('a.log', asLines(numbered(10)));
  const polled = following.poll();
  await until(() => following.sink.waiting() === 1, 'a batch is under way');
  await following.clock.advance(5000);
  const offset = () => JSON.parse(readFileSync(
    join(following.stateFolder, 'checkpoints.json'), 'utf8')).files[0]?.offset ?? 0;
  assert.equal(offset(), 0);
  gate.open(ACCEPTED);
  await polled;
  await following.clock.advance(1001);
  await until(() => offset() === 70, 'the checkpoint follows');
  await following.stop();
});

test('file_log: what was not accepted at a stop comes again, once (collector #7460)', async () => {
  const first = await follow();
  first.write('a.log', asLines(numbered(3)));
  await first.poll();
  first.sink.answer(createGate().answer);
  first.append('a.log', asLines(numbered(3, 3)));
  const polled = first.poll();
  await until(() => first.sink.waiting() === 1, 'a batch is under way');
  await first.receiver.stop(NOW);
  await polled;
  const second = await follow({}, first);
  await second.poll();
  assert.deepEqual(second.bodies(), numbered(3, 3));
  await second.stop();
});

test('file_log: retryable repeats the same batch, rejected is counted and passed', async () => {
  const following = await follow();
  following.sink.answer(inOrder(retryable('not now'), retryable('not now', 5000), rejected('bad'),
    ACCEPTED));
  following.write('a.log', asLines(numbered(2)));
  const polled = following.poll();
  await until(() => following.sink.deliveries.length === 1, 'the first try');
  await following.clock.advance(2000);
  await until(() => following.sink.deliveries.length === 2, 'the second try');
  await following.clock.advance(3400);
  assert.equal(following.sink.deliveries.length, 2, 'the wait that was asked for is kept');
  await following.clock.advance(1600);
  await polled;
  const [one, two, three] = following.sink.received;
  assert.equal(one, two);
  assert.equal(two, three);
  following.append('a.log', asLines(numbered(1, 2)));
  await following.poll();
  assert.deepEqual(following.bodies(), ['line 2']);
  assert.equal(following.counters.total('binnacle_receiver_refused_records_total'), 2);
  await following.stop();
});

test('file_log: max_elapsed_time gives records up, counted', async () => {
  const following = await follow({ retry_on_failure: { max_elapsed_time: '3s' } });
  following.sink.answer(retryable('never now'));
  following.write('a.log', 'one\n');
  const polled = following.poll();
  await until(() => following.sink.deliveries.length === 1, 'the first try');
  for (let second = 0; second < 12; second++) await following.clock.advance(1000);
  await polled;
  assert.equal(following.counters.total('binnacle_receiver_refused_records_total'), 1);
  await following.stop();
});

test('file_log: reading stops when the next part is slow', async () => {
  const following = await follow();
  following.sink.answer(createGate().answer);
  const line = `${'x'.repeat(1000)}\n`;
  for (let file = 0; file < 30; file++) {
    following.write(`${file}.log`, `file ${file}\n${line.repeat(8000)}`);
  }
  void following.poll();
  await until(() => following.sink.waiting() >= 25, 'batches are under way');
  await new Promise((resolve) => setTimeout(resolve, 100));
  const held = following.sink.received.reduce((sum, batch) => sum + batch.bytes.length, 0);
  assert.ok(held < 42e6, `${held} bytes of 240e6 were read`);
  await following.receiver.stop(NOW);
});

test('file_log: a wrong configuration is refused', () => {
  const include = ['/var/log/*.log'];
  const problems = (config: object) =>
    fileLogSchema().safeParse(config).error?.issues.map(({ path }) => path.join('.'));
  assert.deepEqual(problems({ include }), undefined);
  assert.deepEqual(problems({ include: '/var/log/a.log' }), undefined);
  assert.deepEqual(problems({ include, storage: 'file_storage', delete_after_read: false }),
    undefined);
  assert.deepEqual(problems({}), ['include']);
  assert.deepEqual(problems({ include: [] }), ['include']);
  assert.deepEqual(problems({ include, inclde: 1 }), ['']);
  assert.deepEqual(problems({ include, encoding: 'ebcdic' }), ['encoding']);
  assert.deepEqual(problems({ include, compression: 'gzip' }), undefined);
  assert.deepEqual(problems({ include, max_log_size_behavior: 'split' }), undefined);
  assert.deepEqual(problems({ include, max_log_size_behavior: 'truncate' }),
    ['max_log_size_behavior']);
  assert.deepEqual(problems({ include, compression: 'zstd' }), ['compression']);
  assert.deepEqual(problems({ include, delete_after_read: true }), ['delete_after_read']);
  assert.deepEqual(problems({ include, header: { pattern: 'a' } }), ['header']);
  assert.deepEqual(problems({ include, multiline: {} }), ['multiline']);
  assert.deepEqual(problems({ include, multiline: { line_start_pattern: '(' } }),
    ['multiline.line_start_pattern']);
  const start = (pattern: string, encoding = 'utf-8') =>
    problems({ include, encoding, multiline: { line_start_pattern: pattern } });
  assert.deepEqual(start('^[^\\d]ä|[[:alpha:]]'), undefined);
  assert.deepEqual(start('[äö]', 'utf-16le'), undefined);
  for (const pattern of ['[äö]', '\\p{L}', '[\\p{L}]', '\\x{e4}']) {
    assert.deepEqual(start(pattern), ['multiline.line_start_pattern'], pattern);
  }
  assert.deepEqual(problems({ include, attributes: { a: 'EXPR(1)' } }), undefined);
  assert.deepEqual(problems({ include, attributes: { a: 'EXPR(1 +)' } }), ['attributes.a']);
  assert.deepEqual(problems({ include, operators: [{ type: 'xml_parser' }] }),
    ['operators.0.type']);
});
