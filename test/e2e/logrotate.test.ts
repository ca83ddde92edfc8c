// Proves that Debian's own logrotate loses us no line and gives us none twice: a process writes
// numbered lines without a pause, logrotate rotates its file at speed in each of its ways, and what
// the receiver hands on is compared with what lies on the disk in the end, in all generations.
//
// With `copytruncate` logrotate itself loses what is written between its copy and its truncation.
// The same holds when it packs a file that the process still writes to, which `delaycompress` is
// there against. Such lines are in no file: they may have been handed on, but need not. Every line
// that is in a file must be, once; with `copytruncate` at least once. How many logrotate lost is
// printed.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { createFileLog } from '../../agent/receivers/file_log/receiver.ts';
import { fileLogSchema } from '../../agent/receivers/file_log/config.ts';
import { ACCEPTED } from '../../proto/contract/outcome.ts';
import { itemKeys, temporaryFolder, testContext, until } from '../contract/fakes.ts';

const WAYS: readonly (readonly string[])[] = [
  ['create'],
  ['create', 'dateext', 'dateformat -%s'],
  ['create', 'compress'],
  ['create', 'compress', 'delaycompress'],
  ['create', 'compress', 'dateext', 'dateformat -%s'],
  ['nocreate', 'olddir old'],
  ['copytruncate'],
  ['copytruncate', 'compress'],
  ['copytruncate', 'compress', 'delaycompress'],
  ['copytruncate', 'dateext', 'dateformat -%s'],
];
const ROTATIONS = 6;
const LINES_EACH = 5;

const environment = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` };
const found = spawnSync('logrotate', ['--version'], { env: environment });
const skip = found.status === 0 ? false : 'logrotate is not installed';

interface Result {
  readonly arrived: readonly string[];
  readonly onDisk: readonly string[];
  readonly written: number;
  readonly files: number;
}

/** All ways at the same time: each takes long, and waits most of it. */
let results: readonly Promise<Result>[] = [];

before(() => {
  if (skip === false) results = WAYS.map(run);
});

WAYS.forEach((way, index) => {
  const name = `e2e: logrotate, ${way.join(', ')}: every line in a file arrives`;
  test(name, { skip, timeout: 120_000 }, async (context) => {
    const { arrived, onDisk, written, files } = await results[index]!;
    const lost = written - onDisk.length;
    context.diagnostic(`${written} lines in ${files} files, ${lost} lost by logrotate`);
    const { missing, twice } = compare(arrived, onDisk);
    context.diagnostic(`${missing.length} missing, ${twice.length} twice`);
    assert.deepEqual(missing, []);
    // A copy that is made, truncated and packed at speed is rarely not recognised: then its lines
    // come again, see docs/agent.md. The cases that are known are in races.test.ts, and hold.
    if (!way.includes('copytruncate')) assert.deepEqual(twice, []);
    const safe = way.includes('delaycompress') || !way.includes('compress');
    if (safe && !way.includes('copytruncate')) assert.equal(lost, 0);
    assert.ok(onDisk.length > written / 2, 'the test means something');
  });
});

async function run(way: readonly string[]): Promise<Result> {
  const folder = temporaryFolder();
  const logs = join(folder, 'logs');
  mkdirSync(join(logs, 'old'), { recursive: true });
  const arrived: string[] = [];
  const config = fileLogSchema().parse({
    include: [`${logs}/**`], start_at: 'beginning', compression: 'auto', poll_interval: '10ms',
  });
  const receiver = createFileLog(config, testContext({ folder }), {
    consume: async (batch) => {
      arrived.push(...itemKeys(batch));
      return ACCEPTED;
    },
  });
  await receiver.start();
  const writer = await startWriter(join(logs, 'app.log'));
  for (let rotation = 0; rotation < ROTATIONS; rotation++) {
    // Between one and many looks at the files; names with %s need another second.
    await wait(way.includes('dateext') ? 1000 : [20, 150, 400][rotation % 3]);
    await rotate(folder, logs, way, writer.pid);
  }
  await wait(100);
  const written = await writer.end();
  const onDisk = linesOnDisk(logs);
  // Longer than an archive waits for its file to be closed: it would be read again about then.
  await wait(14_000);
  await receiver.stop(AbortSignal.timeout(5000));
  return { arrived, onDisk, written, files: readdirSync(logs).length };
}

async function startWriter(path: string) {
  const script = new URL('logrotate_writer.mjs', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, path, String(LINES_EACH)],
    { stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await until(() => output.startsWith('started'), 'the writer writes', 30_000);
  return {
    pid: child.pid!,
    end: async (): Promise<number> => {
      child.stdin.end();
      await once(child, 'close');
      return Number(output.trim().split('\n').at(-1));
    },
  };
}

/** As a timer would: a file that says how, a state file, and force, since none is old enough. */
async function rotate(
  folder: string, logs: string, way: readonly string[], writer: number,
): Promise<void> {
  const config = join(folder, 'logrotate.conf');
  const reopen = way.includes('copytruncate') ? ''
    : `  postrotate\n    kill -HUP ${writer}\n  endscript\n`;
  const lines = way.map((line) => `  ${line.replace('olddir old', `olddir ${logs}/old`)}\n`);
  writeFileSync(config, `${logs}/app.log {\n  rotate 1000\n  missingok\n`
    + `${lines.join('')}${reopen}}\n`, { mode: 0o600 });
  const state = join(folder, 'logrotate.state');
  const child = spawn('logrotate', ['--force', '--state', state, config],
    { env: environment, stdio: ['ignore', 'inherit', 'inherit'] });
  const [code] = await once(child, 'exit');
  assert.equal(code, 0, 'logrotate');
}

/** Whole lines of all generations. */
function linesOnDisk(logs: string): string[] {
  const names = readdirSync(logs, { recursive: true, withFileTypes: true });
  return names.filter((entry) => entry.isFile()).flatMap(({ path, name }) => {
    const bytes = readFileSync(join(path, name));
    const content = name.endsWith('.gz') ? gunzipSync(bytes) : bytes;
    return content.toString('utf8').split('\n').filter((line) => LINE.test(line));
  });
}

/** What a copy cut in the middle of is none. */
const LINE = /^line \d{8} of a writer that never waits \|$/;

function compare(arrived: readonly string[], onDisk: readonly string[]) {
  const counts = new Map<string, number>();
  for (const line of arrived.filter((one) => LINE.test(one))) {
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  return {
    missing: onDisk.filter((line) => !counts.has(line)),
    twice: [...counts].filter(([, count]) => count > 1).map(([line]) => line),
  };
}
