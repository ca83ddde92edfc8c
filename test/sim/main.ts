// `npm run sim -- --seconds 60`: simulates seed after seed until the time is over.
//   --seed S    begins with seed S; alone, runs only that one
//   --seeds N   runs N seeds, however long it takes
//   --trace     prints everything that happens
//   --without partition,slowDisk   leaves kinds of trouble out, to find out which one matters
// Ends with 1 when a law was broken; the seed is printed.

import { parseArgs } from 'node:util';
import { report, simulate } from './run.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' }, seed: { type: 'string' }, seeds: { type: 'string' },
    trace: { type: 'boolean' }, without: { type: 'string' },
  },
});
const first = Number(values.seed ?? 1);
const endless = values.seeds === undefined && values.seconds === undefined;
const alone = values.seed !== undefined && endless;
const seeds = alone ? 1 : Number(values.seeds ?? Number.POSITIVE_INFINITY);
const seconds = Number(values.seconds ?? (values.seeds === undefined ? 60 : Infinity));
const FAILURES_MAX = 12;
const options = {
  ...(values.trace === true ? { linesMax: Infinity } : {}),
  without: values.without?.split(',') ?? [],
};

const startMs = performance.now();
let failures = 0;
let count = 0;
for (; count < seeds && failures < FAILURES_MAX; count++) {
  if (performance.now() - startMs > seconds * 1000) break;
  const verdict = await simulate(first + count, options);
  if (values.trace === true) console.log(verdict.lines.join('\n'));
  if (alone) console.log(`${verdict.rows} rows, ${verdict.events} events, trace ${verdict.hash}`);
  if (verdict.broken.length === 0) continue;
  failures += 1;
  console.log(report(verdict));
}
const used = (performance.now() - startMs) / 1000;
console.log(`${count} seeds from ${first} in ${used.toFixed(1)} s, ${failures} failed`);
process.exitCode = failures > 0 ? 1 : 0;
