// How fast one core follows a file: bytes of log lines to batches of OTLP bytes, through the whole
// receiver, with a next part that accepts at once. Beside it a yardstick on the same file in the
// same run: reading it and cutting its text into lines, and nothing else. Variants take turns in
// one process; the figure is the median of the rounds. Processor time counts, not wall time, since
// reading waits for other threads.
//
//   npx tsx test/bench/file_log.ts [--rounds N] [--mib N]

import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createFileLog } from '../../agent/receivers/file_log/receiver.ts';
import { fileLogSchema } from '../../agent/receivers/file_log/config.ts';
import { ACCEPTED } from '../../proto/contract/outcome.ts';
import { createSeededRandom } from '../../runtime/random.ts';
import { NEVER, testContext } from '../contract/fakes.ts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    mib: { type: 'string', default: '128' },
  },
});
const sizeBytes = Number(options.mib) * 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), 'binnacle-bench-'));
const random = createSeededRandom(1);

const plain = writeLines('plain.log', (index) =>
  `2026-01-02 03:04:05.${index % 1000} INFO [worker-${index % 32}] com.example.shop.Cart: `
  + `added item ${index} for customer ${Math.floor(random.float() * 1e6)} in 12 ms`);
const json = writeLines('json.log', (index) => JSON.stringify({
  time: '2026-01-02T03:04:05.678Z', level: 'info', msg: `request ${index} done`,
  method: 'GET', path: '/api/v1/orders/17', status: 200, ms: index % 100,
}));

const regex = '^(?P<time>\\S+ \\S+) (?P<level>\\w+) \\[(?P<thread>[^\\]]+)\\] (?P<logger>\\S+): '
  + '(?P<message>.*)$';
const timestamp = { parse_from: 'attributes.time', layout: '%Y-%m-%dT%H:%M:%S.%LZ' };
const VARIANTS: readonly (readonly [string, () => Promise<number>])[] = [
  ['yardstick: read and cut', async () => readFileSync(plain, 'utf8').split('\n').length],
  ['lines', () => follow(plain, {})],
  ['lines, number and offset', () => follow(plain, {
    include_file_record_number: true, include_file_record_offset: true,
  })],
  ['multiline', () => follow(plain, { multiline: { line_start_pattern: '^\\d{4}-' } })],
  ['json_parser', () => follow(json, { operators: [{ type: 'json_parser' }] })],
  ['json_parser, time, severity', () => follow(json, { operators: [{
    type: 'json_parser', timestamp, severity: { parse_from: 'attributes.level' },
  }] })],
  ['regex_parser', () => follow(plain, { operators: [{ type: 'regex_parser', regex }] })],
];

const results = new Map<string, number[]>(VARIANTS.map(([name]) => [name, []]));
for (let round = 0; round < Number(options.rounds); round++) {
  for (const [name, run] of round % 2 === 0 ? VARIANTS : VARIANTS.toReversed()) {
    const before = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(before);
    results.get(name)!.push(sizeBytes / (user + system));
  }
}
rmSync(folder, { recursive: true });
const yardstick = median(results.get(VARIANTS[0]![0])!);
for (const [name, rates] of results) {
  const rate = median(rates);
  const rounds = rates.map((one) => one.toFixed(0)).join(' ');
  console.log(`${name.padEnd(30)} ${rate.toFixed(0).padStart(5)} MB/s a core  `
    + `${(rate / yardstick).toFixed(2)}x of the yardstick  (${rounds})`);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

function writeLines(name: string, line: (index: number) => string): string {
  const path = join(folder, name);
  const file = openSync(path, 'w');
  let written = 0;
  for (let index = 0; written < sizeBytes;) {
    let text = '';
    for (let count = 0; count < 10_000; count++) text += `${line(index++)}\n`;
    written += writeSync(file, text);
  }
  closeSync(file);
  return path;
}

/** Follows the file once, from its beginning to its end; answers the number of records. */
async function follow(path: string, config: Record<string, unknown>): Promise<number> {
  let records = 0;
  const parsed = fileLogSchema().parse({ include: path, start_at: 'beginning', ...config });
  const receiver = createFileLog(parsed, testContext(), {
    consume: async (batch) => {
      records += batch.itemCount;
      // The next part wants bytes.
      void batch.bytes.length;
      return ACCEPTED;
    },
  });
  await receiver.start();
  await receiver.poll();
  await receiver.stop(NEVER);
  return records;
}
