// Log files of eight formats, rotated while they are written (four by rename, four by copy and
// truncate), go file → agent → backend → SQL: every line is stored once, byte for byte.

import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync,
  truncateSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { join } from 'node:path';
import { startStack, type Stack } from './stack.ts';

const LOGHUB = new URL('../../../shared/data/loghub/', import.meta.url).pathname;
const skip = existsSync(LOGHUB) ? false : 'the log files of ../shared/data/loghub are not here';

let stack: Stack;
let logs: string;

before(async () => {
  if (skip !== false) return;
  stack = await startStack({
    agent: (folder) => {
      logs = join(folder, 'logs');
      mkdirSync(logs);
      return {
        receivers: {
          file_log: {
            include: [join(logs, '*.log')],
            start_at: 'beginning',
            include_file_record_number: true,
          },
        },
        processors: { resource_detection: { detectors: ['system'] }, batch: { timeout: '50ms' } },
        service: {
          pipelines: { logs: {
            receivers: ['file_log'],
            processors: ['resource_detection', 'batch'],
            exporters: ['otlp'],
          } },
          telemetry: { metrics: { address: '' } },
        },
      };
    },
  });
});

after(() => stack?.stop());

test('e2e: eight rotated log files arrive once, byte for byte', { skip }, async () => {
  const files = readdirSync(LOGHUB).filter((name) => name.endsWith('.log')).sort();
  assert.equal(files.length, 8);
  const lines = new Map(files.map((name) => [name, linesOf(readFileSync(join(LOGHUB, name)))]));
  const half = (list: readonly Buffer[]) => Math.floor(list.length / 2);

  for (const [name, list] of lines) append(name, list.slice(0, half(list)));
  await stored(lines, half);
  files.forEach((name, index) => {
    if (index % 2 === 0) rotateByRename(name);
    else rotateByCopy(name);
  });
  for (const [name, list] of lines) append(name, list.slice(half(list)));
  await stored(lines, (list) => list.length);

  for (const [name, list] of lines) {
    const rows = await stack.rows<{ body: string }>(`
      SELECT base64Encode(Body) AS body FROM otel_logs
      WHERE LogAttributes['log.file.name'] = '${name}'`);
    const found = rows.map(({ body }) => body).sort();
    assert.deepEqual(found, list.map((line) => line.toString('base64')).sort(), name);
  }
  const [host] = await stack.rows<{ hosts: number }>(
    "SELECT uniqExact(ResourceAttributes['host.name']) AS hosts FROM otel_logs");
  assert.equal(Number(host!.hosts), 1);
});

/** Waits until so many lines of every file are there, and none twice. */
async function stored(
  lines: ReadonlyMap<string, readonly Buffer[]>,
  wanted: (list: readonly Buffer[]) => number,
): Promise<void> {
  const counts = new Map([...lines].map(([name, list]) => [name, wanted(list)]));
  await stack.until<{ name: string; lines: string }>(`
    SELECT LogAttributes['log.file.name'] AS name, count() AS lines FROM otel_logs GROUP BY name`,
  (rows) => rows.length === counts.size
    && rows.every(({ name, lines: found }) => Number(found) >= counts.get(name)!));
}

/** Lines end in CR LF in these files, which are the line end and no part of the line. */
function linesOf(content: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0; start < content.length;) {
    const end = content.indexOf('\n', start);
    const stop = end === -1 ? content.length : end;
    lines.push(content.subarray(start, content[stop - 1] === 0x0d ? stop - 1 : stop));
    start = stop + 1;
  }
  return lines;
}

const append = (name: string, list: readonly Buffer[]): void =>
  list.forEach((line) => appendFileSync(join(logs, name), Buffer.concat([line, CRLF])));

const CRLF = Buffer.from('\r\n');

const rotateByRename = (name: string): void =>
  renameSync(join(logs, name), join(logs, `${name}.1`));

function rotateByCopy(name: string): void {
  copyFileSync(join(logs, name), join(logs, `${name}.1`));
  truncateSync(join(logs, name), 0);
}
