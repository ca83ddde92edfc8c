// Proves that real journals are read: systemd-journal-remote writes journal files from entries in
// systemd's export format, and the system's own journalctl reads them for the receiver, while they
// are written. Skipped where one of the two is not installed.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { journaldReceiver } from '../../../../agent/receivers/journald/receiver.ts';
import type { LogRecord } from '../../../../proto/otlp/model.ts';
import {
  createSink, NEVER, temporaryFolder, testContext, until, type Sink,
} from '../../../contract/fakes.ts';

const REMOTE = ['/lib/systemd', '/usr/lib/systemd'].map((folder) =>
  `${folder}/systemd-journal-remote`).find((path) => existsSync(path));
const hasJournalctl = spawnSync('journalctl', ['--version']).status === 0;
const skip = REMOTE === undefined ? 'systemd-journal-remote is not installed'
  : hasJournalctl ? false : 'journalctl is not installed';
const BOOT = '0123456789abcdef0123456789abcdef';

interface Written {
  readonly message: string | Buffer;
  readonly priority?: number;
  readonly unit?: string;
}

let clockUs = 1_700_000_000_000_000;

/** Entries in the export format: text as `NAME=value`, all else with its length in front. */
function exported({ message, priority = 6, unit = 'a.service' }: Written): Buffer {
  clockUs += 1_000_000;
  const head = `__REALTIME_TIMESTAMP=${clockUs}\n__MONOTONIC_TIMESTAMP=${clockUs}\n`
    + `_BOOT_ID=${BOOT}\nPRIORITY=${priority}\n_SYSTEMD_UNIT=${unit}\n`
    + `SYSLOG_IDENTIFIER=${unit.split('.')[0]}\n`;
  if (typeof message === 'string') return Buffer.from(`${head}MESSAGE=${message}\n\n`);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(message.length));
  return Buffer.concat([Buffer.from(`${head}MESSAGE\n`), length, message, Buffer.from('\n\n')]);
}

function writeJournal(path: string, ...entries: Written[]): void {
  const { status, stderr } = spawnSync(REMOTE!, [`--output=${path}`, '-'],
    { input: Buffer.concat(entries.map(exported)), encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

const recordsOf = (sink: Sink): LogRecord[] => sink.received.flatMap((batch) => batch.is('logs')
  ? batch.request.resourceLogs.flatMap(({ scopeLogs }) =>
    scopeLogs.flatMap(({ logRecords }) => logRecords))
  : []);

const field = ({ body }: LogRecord, name: string): unknown => body?.type === 'kvlist'
  ? body.value.find(({ key }) => key === name)?.value.value : undefined;

const messagesOf = (sink: Sink): unknown[] => recordsOf(sink).map((one) => field(one, 'MESSAGE'));

async function readAll(config: object, count: number, folder = temporaryFolder()): Promise<Sink> {
  const sink = createSink();
  const receiver = journaldReceiver.create(journaldReceiver.schema.parse(
    { start_at: 'beginning', priority: 'debug', ...config }), testContext({ folder }), sink);
  await receiver.start();
  await until(() => recordsOf(sink).length >= count, `${count} entries`);
  await receiver.stop(NEVER);
  return sink;
}

test('journald: entries of a real journal, with their times and severities', { skip }, async () => {
  const directory = temporaryFolder();
  writeJournal(join(directory, 'one.journal'), { message: 'first', priority: 3 },
    { message: 'second ünïcode' });
  const sink = await readAll({ directory }, 2);
  const [first, second] = recordsOf(sink);
  assert.deepEqual(messagesOf(sink), ['first', 'second ünïcode']);
  assert.equal(first!.timeUnixNano, BigInt(clockUs - 1_000_000) * 1000n);
  assert.equal(first!.severityNumber, 17);
  assert.equal(second!.severityText, 'info');
  assert.equal(field(first!, '_SYSTEMD_UNIT'), 'a.service');
  assert.equal(field(first!, '_BOOT_ID'), BOOT);
  assert.match(String(field(first!, '__CURSOR')), /^s=/);
});

test('journald: a real journal is followed, over a restart of the agent', { skip }, async () => {
  const directory = temporaryFolder();
  const folder = temporaryFolder();
  const path = join(directory, 'one.journal');
  writeJournal(path, { message: 'one' });
  const sink = createSink();
  const config = journaldReceiver.schema.parse({ directory, start_at: 'beginning' });
  const receiver = journaldReceiver.create(config, testContext({ folder }), sink);
  await receiver.start();
  await until(() => recordsOf(sink).length >= 1, 'what is there');
  writeJournal(path, { message: 'two' });
  await until(() => recordsOf(sink).length >= 2, 'what comes while it is followed');
  await receiver.stop(NEVER);
  writeJournal(path, { message: 'three' });
  assert.deepEqual(messagesOf(sink), ['one', 'two']);
  assert.deepEqual(messagesOf(await readAll({ directory }, 1, folder)), ['three']);
});

test('journald: start_at end passes over what is there', { skip }, async () => {
  const directory = temporaryFolder();
  const path = join(directory, 'one.journal');
  writeJournal(path, { message: 'old' });
  const sink = createSink();
  const receiver = journaldReceiver.create(journaldReceiver.schema.parse({ directory }),
    testContext(), sink);
  await receiver.start();
  writeJournal(path, { message: 'new' });
  await until(() => recordsOf(sink).length >= 1, 'the new entry');
  await receiver.stop(NEVER);
  assert.deepEqual(messagesOf(sink), ['new']);
});

test('journald: real journalctl chooses by unit, priority, match and grep', { skip }, async () => {
  const directory = temporaryFolder();
  const file = join(directory, 'one.journal');
  writeJournal(file, { message: 'a info' }, { message: 'b error', priority: 3, unit: 'b.service' },
    { message: 'a debug', priority: 7 }, { message: 'c warning', priority: 4, unit: 'c.service' });
  const check = async (config: object, want: string[]) =>
    assert.deepEqual(messagesOf(await readAll(config, want.length)), want, JSON.stringify(config));
  await check({ files: [file], priority: 'info' }, ['a info', 'b error', 'c warning']);
  await check({ directory, units: ['a.service'] }, ['a info', 'a debug']);
  await check({ directory, identifiers: ['b', 'c'] }, ['b error', 'c warning']);
  await check({ directory, priority: 'warning' }, ['b error', 'c warning']);
  await check({ directory, matches: [{ _SYSTEMD_UNIT: 'b.service' }, { PRIORITY: 7 }] },
    ['b error', 'a debug']);
  await check({ directory, grep: 'error|warning' }, ['b error', 'c warning']);
});

test('journald: messages that are no text, and long ones', { skip }, async () => {
  const directory = temporaryFolder();
  const long = 'y'.repeat(10_000);
  writeJournal(join(directory, 'one.journal'),
    { message: Buffer.from('two\nlines \x01') }, { message: long });
  const plain = recordsOf(await readAll({ directory }, 2));
  assert.ok(Array.isArray(field(plain[0]!, 'MESSAGE')));
  assert.equal(field(plain[1]!, 'MESSAGE') ?? null, null);
  const sink = await readAll({ directory, all: true, convert_message_bytes: true }, 2);
  assert.deepEqual(messagesOf(sink), ['two\nlines \x01', long]);
});

test('journald: a folder that is not there is said at the first start', { skip }, async () => {
  const receiver = journaldReceiver.create(journaldReceiver.schema.parse(
    { directory: '/nowhere/at/all' }), testContext({ id: 'journald' }), createSink());
  await assert.rejects(receiver.start(), /cannot read the journal for journald: .*/);
  await receiver.stop(NEVER);
});
