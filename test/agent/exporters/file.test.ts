// The file exporter: what stands in the files, that nothing accepted is missing and nothing is
// there twice or in part (also on a disk that is full, or loses what was not synced), rotation, one
// file for each value of an attribute, the contract of exporters.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileExporter } from '../../../agent/exporters/file/exporter.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import type { Consumer } from '../../../proto/contract/component.ts';
import { requestFromJson } from '../../../proto/otlp/json.ts';
import type { Signal } from '../../../proto/otlp/model.ts';
import { createWorld } from '../../../runtime/world.ts';
import { checkConsumer } from '../../contract/check_consumer.ts';
import {
  createManualClock, itemKeys, makeBatch, NEVER, temporaryFolder, testContext,
} from '../../contract/fakes.ts';
import { createFaultyFiles } from '../../contract/faulty_files.ts';

const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

checkConsumer({
  name: 'file',
  terminal: true,
  create: (_next: Consumer, context) => {
    const folder = mkdtempSync(join(tmpdir(), 'binnacle-file-'));
    const config = fileExporter.schema.parse({ path: join(folder, 'out.json') });
    return {
      consumer: fileExporter.create(config, context, _next),
      close: async () => rmSync(folder, { recursive: true, force: true }),
    };
  },
});

const NEXT = undefined as unknown as Consumer;

/** A started exporter that is stopped with the test. */
async function started(t: TestContext, settings: object, world = createWorld()) {
  const config = fileExporter.schema.parse(settings);
  const exporter = fileExporter.create(config, testContext({ world }), NEXT);
  await exporter.start();
  t.after(() => exporter.stop(NEVER));
  return exporter;
}

const keysOfLines = (text: string, signal: Signal = 'logs'): string[] =>
  text.split('\n').filter((line) => line !== '').flatMap((line) =>
    itemKeys(Batch.fromRequest(signal, requestFromJson(signal, line) as never)));

test('file: a line of OTLP JSON for each batch, in order', async (t) => {
  const path = join(temporaryFolder(), 'out.json');
  const exporter = await started(t, { path });
  for (const first of [0, 2]) {
    const batch = makeBatch('logs', 2, { first });
    assert.deepEqual(await exporter.consume(batch, NEVER), { status: 'accepted', rejected: 0 });
  }
  await exporter.consume(makeBatch('traces', 1), NEVER);
  const lines = readFileSync(path, 'utf8').split('\n');
  assert.deepEqual(keysOfLines(lines.slice(0, 2).join('\n')),
    ['item-0', 'item-1', 'item-2', 'item-3']);
  assert.deepEqual(keysOfLines(lines[2]!, 'traces'), ['item-0']);
  assert.equal(lines[3], '');
});

test('file: protobuf with its length in front', async (t) => {
  const path = join(temporaryFolder(), 'out.bin');
  const exporter = await started(t, { path, format: 'proto' });
  const batches = [makeBatch('metrics', 2), makeBatch('metrics', 3)];
  await Promise.all(batches.map((batch) => exporter.consume(batch, NEVER)));
  let rest = readFileSync(path);
  for (const { bytes } of batches) {
    const length = rest.readUInt32BE();
    assert.deepEqual(rest.subarray(4, 4 + length), Buffer.from(bytes));
    rest = rest.subarray(4 + length);
  }
  assert.equal(rest.length, 0);
});

test('file: starts anew, or behind what is there', async (t) => {
  const path = join(temporaryFolder(), 'out.json');
  const check = async (settings: object, kept: boolean) => {
    writeFileSync(path, 'before\n');
    const exporter = await started(t, { path, ...settings });
    await exporter.consume(makeBatch('logs', 1), NEVER);
    assert.equal(readFileSync(path, 'utf8').startsWith('before\n{'), kept);
  };
  await check({}, false);
  await check({ append: true }, true);
  await check({ rotation: {} }, true);
});

test('file: a folder is made only when asked for', async (t) => {
  const path = join(temporaryFolder(), 'a', 'b', 'out.json');
  await assert.rejects(started(t, { path }), /cannot write to .*: /);
  const exporter = await started(t, { path, create_directory: true });
  await exporter.consume(makeBatch('logs', 1), NEVER);
  assert.deepEqual(keysOfLines(readFileSync(path, 'utf8')), ['item-0']);
  const own = join(temporaryFolder(), 'own', 'out.json');
  await started(t, { path: own, create_directory: true, directory_permissions: '0700' });
  assert.equal(statSync(dirname(own)).mode & 0o777, 0o700);
});

test('file: rotation keeps whole batches and as many files as it should', async (t) => {
  const folder = temporaryFolder();
  const clock = createManualClock(NOW_MS);
  const rotation = { max_megabytes: 1, max_backups: 2, max_days: 1 };
  writeFileSync(join(folder, 'out-of-order.json'), 'another file');
  writeFileSync(join(folder, 'out-2025-12-31T00-00-00.000.json'), 'too old');
  const settings = { path: join(folder, 'out.json'), rotation };
  const exporter = await started(t, settings, { ...createWorld(), clock });
  const sizeBytes = 600 * 1024;
  for (let index = 0; index < 5; index += 1) {
    const batch = makeBatch('logs', 1, { first: index, resource: { a: 'x'.repeat(sizeBytes) } });
    assert.equal((await exporter.consume(batch, NEVER)).status, 'accepted');
  }
  const names = readdirSync(folder).sort();
  assert.deepEqual(names, ['out-2026-01-02T03-04-05.680.json', 'out-2026-01-02T03-04-05.681.json',
    'out-of-order.json', 'out.json']);
  const keys = names.filter((name) => name !== 'out-of-order.json').flatMap((name) =>
    keysOfLines(readFileSync(join(folder, name), 'utf8')));
  assert.deepEqual(keys, ['item-2', 'item-3', 'item-4']);
});

test('file: rotation names files by local time when asked for, and finds them again', async (t) => {
  const before = process.env['TZ'];
  process.env['TZ'] = 'Asia/Kolkata';
  t.after(() => {
    if (before === undefined) delete process.env['TZ'];
    else process.env['TZ'] = before;
  });
  const folder = temporaryFolder();
  const clock = createManualClock(NOW_MS);
  const rotation = { max_megabytes: 1, max_backups: 1, localtime: true };
  const settings = { path: join(folder, 'out.json'), rotation };
  const exporter = await started(t, settings, { ...createWorld(), clock });
  const resource = { a: 'x'.repeat(600 * 1024) };
  for (const first of [0, 1, 2]) {
    await exporter.consume(makeBatch('logs', 1, { first, resource }), NEVER);
    await clock.advance(1000);
  }
  const [backup, ...rest] = readdirSync(folder).sort();
  assert.equal(backup, 'out-2026-01-02T08-34-07.678.json');
  assert.deepEqual(rest, ['out.json']);
});

test('file: a file for each value of an attribute, below its folder', async (t) => {
  const folder = temporaryFolder();
  const group = { enabled: true, resource_attribute: 'team', max_open_files: 1 };
  const settings = { path: join(folder, 'out/*.json'), group_by: group };
  const exporter = await started(t, settings);
  const teams = ['a', 'b', '../../up', 'a', 'deep/er', ''];
  await Promise.all(teams.map((team, first) =>
    exporter.consume(makeBatch('logs', 1, { first, resource: { team } }), NEVER)));
  const keys = (name: string) => keysOfLines(readFileSync(join(folder, 'out', name), 'utf8'));
  assert.deepEqual(keys('a.json'), ['item-0', 'item-3']);
  assert.deepEqual(keys('b.json'), ['item-1']);
  assert.deepEqual(keys('up.json'), ['item-2']);
  assert.deepEqual(keys('deep/er.json'), ['item-4']);
  assert.deepEqual(keys('MISSING.json'), ['item-5']);
});

test('file: a full disk is retryable, and leaves nothing in part', async (t) => {
  const disk = createFaultyFiles(1);
  const world = { ...createWorld(), files: disk.files };
  const exporter = await started(t, { path: '/out.json', create_directory: true }, world);
  assert.equal((await exporter.consume(makeBatch('logs', 1), NEVER)).status, 'accepted');
  disk.capacity(500);
  const large = makeBatch('logs', 20, { first: 1 });
  assert.equal((await exporter.consume(large, NEVER)).status, 'retryable');
  disk.capacity(Infinity);
  assert.equal((await exporter.consume(large, NEVER)).status, 'accepted');
  const keys = keysOfLines(disk.content('/out.json')!.toString());
  assert.deepEqual(keys, Array.from({ length: 21 }, (_, index) => `item-${index}`));
});

test('file: of a batch for two files, that which was written is not written again', async (t) => {
  const disk = createFaultyFiles(2);
  const world = { ...createWorld(), files: disk.files };
  const settings = { path: '/out/*.json', group_by: { enabled: true, resource_attribute: 'team' } };
  const exporter = await started(t, settings, world);
  const groups = ['a', 'b'].flatMap((team, first) =>
    makeBatch('logs', 1, { first, resource: { team } }).request.resourceLogs);
  const batch = Batch.fromRequest('logs', { resourceLogs: groups });
  const { bytes } = Batch.fromRequest('logs', { resourceLogs: [groups[0]!] });
  disk.capacity(bytes.length * 4);
  let tries = 0;
  for (; (await exporter.consume(batch, NEVER)).status === 'retryable'; tries += 1) {
    disk.capacity(Infinity);
  }
  assert.equal(tries, 1);
  assert.deepEqual(keysOfLines(disk.content('/out/a.json')!.toString()), ['item-0']);
  assert.deepEqual(keysOfLines(disk.content('/out/b.json')!.toString()), ['item-1']);
});

test('file: what was accepted survives a crash after the interval, or the stop', async () => {
  const check = async (settings: object, advanceMs: number, stops: boolean, want: number) => {
    const disk = createFaultyFiles(3);
    const clock = createManualClock();
    const world = { ...createWorld(), files: disk.files, clock };
    const config = fileExporter.schema.parse({ path: '/out.json', ...settings });
    const exporter = fileExporter.create(config, testContext({ world }), NEXT);
    await exporter.start();
    await disk.files.syncFolder('/');
    assert.equal((await exporter.consume(makeBatch('logs', 3), NEVER)).status, 'accepted');
    await clock.advance(advanceMs);
    if (stops) await exporter.stop(NEVER);
    disk.crash();
    const keys = keysOfLines(disk.content('/out.json')?.toString().replace(/[^\n]*$/, '') ?? '');
    assert.ok(keys.length >= want);
  };
  await check({ flush_interval: '0s' }, 0, false, 3);
  await check({ flush_interval: '1s' }, 1000, false, 3);
  await check({ flush_interval: '1h' }, 0, true, 3);
  await check({ flush_interval: '1h' }, 0, false, 0);
});

test('file: settings that are refused', () => {
  const check = (settings: object, why: RegExp) => {
    const result = fileExporter.schema.safeParse(settings);
    assert.match(result.error?.issues[0]?.message ?? 'accepted', why);
  };
  check({ path: 'a', compression: 'zstd' }, /no zstd/);
  check({ path: 'a', append: true, rotation: {} }, /contradicts rotation/);
  check({ path: 'a/b', group_by: { enabled: true } }, /one \*/);
  check({ path: '*.json', group_by: { enabled: true } }, /needs a folder/);
  check({ path: 'a', encoding: 'text' }, /not supported/);
});
