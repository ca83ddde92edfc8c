// How fast one core follows a file: bytes of log lines to batches of OTLP bytes, through the whole
// receiver, with a next part that accepts at once. Beside it a yardstick on the same file in the
// same run: reading it and cutting its text into lines, and nothing else. Variants take turns in
// one process; the figure is the median of the rounds. Processor time counts, not wall time, since
// reading waits for other threads.
//
//   npm run bench -- file_log [--rounds N] [--mib N]

import {
  closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attributesProcessor } from '../../agent/processors/attributes.ts';
import { maskProcessor } from '../../agent/processors/mask/processor.ts';
import { createFileLog } from '../../agent/receivers/file_log/receiver.ts';
import { fileLogSchema } from '../../agent/receivers/file_log/config.ts';
import type { Consumer, Processor } from '../../proto/contract/component.ts';
import { ACCEPTED } from '../../proto/contract/outcome.ts';
import { createSeededRandom } from '../../runtime/random.ts';
import { NEVER, testContext } from '../contract/fakes.ts';
import { atLeast, inTurns, median, options, ownCpuUs, report, type Goal } from './figures.ts';

const { rounds, mib } = options({ rounds: 3, mib: 24 });
const sizeBytes = mib * 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), 'binnacle-bench-'));
const random = createSeededRandom(1);

const plain = writeLines('plain.log', (index) =>
  `2026-01-02 03:04:05.${index % 1000} INFO [worker-${index % 32}] com.example.shop.Cart: `
  + `added item ${index} for customer ${Math.floor(random.float() * 1e6)} in 12 ms`);
const json = writeLines('json.log', (index) => JSON.stringify({
  time: '2026-01-02T03:04:05.678Z', level: 'info', msg: `request ${index} done`,
  method: 'GET', path: '/api/v1/orders/17', status: 200, ms: index % 100,
}));

// Real lines of eight systems, in turns; absent where nobody has put them.
const hub = new URL('../../../shared/data/loghub/', import.meta.url).pathname;
const realLines = existsSync(hub) ? readdirSync(hub).filter((name) => name.endsWith('.log'))
  .flatMap((name) => readFileSync(hub + name, 'utf8').split(/\r?\n/)
    .map((text, at) => ({ text, at })))
  .filter(({ text }) => text !== '').sort((one, other) => one.at - other.at) : [];
const real = realLines.length === 0 ? null
  : writeLines('real.log', (index) => realLines[index % realLines.length]!.text);

const regex = '^(?P<time>\\S+ \\S+) (?P<level>\\w+) \\[(?P<thread>[^\\]]+)\\] (?P<logger>\\S+): '
  + '(?P<message>.*)$';
const timestamp = { parse_from: 'attributes.time', layout: '%Y-%m-%dT%H:%M:%S.%LZ' };
const jsonParser = { operators: [{ type: 'json_parser' }] };

interface Variant {
  readonly name: string;
  readonly run: () => Promise<number>;
  readonly goal?: Goal;
}

const VARIANTS: readonly Variant[] = [
  { name: 'lines', run: () => follow(plain, {}), goal: atLeast(150) },
  {
    name: 'lines, number and offset',
    run: () => follow(plain, {
      include_file_record_number: true, include_file_record_offset: true,
    }),
  },
  {
    name: 'multiline',
    run: () => follow(plain, { multiline: { line_start_pattern: '^\\d{4}-' } }),
  },
  { name: 'json_parser', run: () => follow(json, jsonParser), goal: atLeast(60) },
  {
    name: 'json_parser, time, severity',
    run: () => follow(json, { operators: [{
      type: 'json_parser', timestamp, severity: { parse_from: 'attributes.level' },
    }] }),
  },
  {
    name: 'regex_parser',
    run: () => follow(plain, { operators: [{ type: 'regex_parser', regex }] }),
  },
  { name: 'mask', run: () => follow(plain, {}, mask({})), goal: atLeast(60) },
  { name: 'json_parser, mask', run: () => follow(json, jsonParser, mask({})) },
  ...real === null ? [] : [
    { name: 'real lines', run: () => follow(real, {}) },
    { name: 'real lines, mask', run: () => follow(real, {}, mask({})), goal: atLeast(60) },
    { name: 'real lines, mask at its highest level',
      run: () => follow(real, {}, mask({ level: 'restricted' })), goal: atLeast(60) },
  ],
  // What hides personal data by hand: attributes hashed, overwritten, cut and dropped.
  { name: 'json_parser, five edits that mask', run: () => follow(json, jsonParser, attributes([
    { action: 'hash', key: 'path' },
    { action: 'update', key: 'method', value: '***' },
    { action: 'extract', key: 'msg', pattern: '^request (?P<number>\\d+)' },
    { action: 'delete', pattern: '^(?:authorization|cookie|set-cookie|x-api-key|password)$' },
    { action: 'delete', key: 'time' },
  ])) },
];

const yardstick = 'read and cut';
const runs = [{ name: yardstick, run: async () => readFileSync(plain, 'utf8').split('\n').length },
  ...VARIANTS];
const rates = await inTurns(rounds, Object.fromEntries(runs.map(({ name, run }) => [
  name,
  async () => {
    const beforeUs = ownCpuUs();
    await run();
    return sizeBytes / (ownCpuUs() - beforeUs);
  },
])));
rmSync(folder, { recursive: true });
for (const { name, goal } of VARIANTS) {
  report({
    name: `file tail, ${name}`,
    value: median(rates[name]!),
    unit: 'MB/s/core',
    yardstick: { name: yardstick, value: median(rates[yardstick]!) },
    rounds: rates[name]!,
    ...(goal === undefined ? {} : { id: 'B6', goal }),
  });
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

type Between = (next: Consumer) => Processor;

function attributes(edits: readonly Record<string, unknown>[]): Between {
  const { schema, create } = attributesProcessor;
  return (next) => create(schema.parse({ actions: edits }), testContext(), next);
}

function mask(settings: Record<string, unknown>): Between {
  const { schema, create } = maskProcessor;
  return (next) => create(schema.parse(settings), testContext(), next);
}

/** Follows the file once, from its beginning to its end; answers the number of records. */
async function follow(
  path: string,
  config: Record<string, unknown>,
  between?: Between,
): Promise<number> {
  let records = 0;
  const parsed = fileLogSchema().parse({ include: path, start_at: 'beginning', ...config });
  const last: Consumer = {
    consume: async (batch) => {
      records += batch.itemCount;
      // The next part wants bytes.
      void batch.bytes.length;
      return ACCEPTED;
    },
  };
  const processor = between?.(last);
  await processor?.start();
  const receiver = createFileLog(parsed, testContext(), processor ?? last);
  await receiver.start();
  await receiver.poll();
  await receiver.stop(NEVER);
  return records;
}
