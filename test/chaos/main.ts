// `npm run chaos -- --minutes N --seed S`: real processes under faults, see course.ts. Exits with 0
// when nothing is missing or double, 1 when something is (the folder with logs and data is kept and
// named), 2 when it was called wrongly. `--keep` keeps the folder in any case.

import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createMachine, runCourse, storageOf } from './course.ts';
import { noDisks, type Machine } from './machine.ts';
import { describe, isWell, verdict } from './report.ts';
import { noEngineProcesses } from '../e2e/processes.ts';

const ENGINE = new URL('../../node_modules/chdb', import.meta.url).pathname;
const SEEDS = 1_000_000;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const { minutes, seed, keep } = options();
const abort = new AbortController();
let machine: Machine | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => void interrupted());
}
if (existsSync(ENGINE)) await main();
else say('chaos: skipped: the embedded engine is not installed on this machine');

async function main(): Promise<void> {
  say(`chaos: seed ${seed}, ${minutes} min, ${storageOf(seed)}`);
  if (noEngineProcesses !== false) say(`left out: faults of the engine: ${noEngineProcesses}`);
  const disks = noDisks();
  if (disks !== false) say(`left out: a full disk: ${disks}`);
  machine = await createMachine(seed);
  let well = false;
  try {
    const totalMs = minutes * 60_000;
    const result = await runCourse(machine, { seed, totalMs, say, abort: abort.signal });
    well = isWell(result);
    for (const line of describe(result)) say(line);
    say(verdict(seed, minutes, result));
  } finally {
    const kept = keep || !well;
    await machine.stop(kept && !abort.signal.aborted);
    if (kept && !abort.signal.aborted) say(`logs and data: ${machine.folder}`);
  }
  process.exit(well ? 0 : 1);
}

/** The second time it ends at once. */
async function interrupted(): Promise<void> {
  if (abort.signal.aborted) process.exit(1);
  abort.abort();
  say('ending');
  await machine?.stop(false);
  process.exit(1);
}

function options() {
  try {
    const { values } = parseArgs({ options: {
      minutes: { type: 'string', default: '2' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * SEEDS)) },
      keep: { type: 'boolean', default: false },
    } });
    const read = { minutes: Number(values.minutes), seed: Number(values.seed), keep: values.keep };
    if (!(read.minutes > 0)) throw new Error('--minutes must be a number above 0');
    if (!Number.isInteger(read.seed) || read.seed < 0) {
      throw new Error('--seed must be a whole number, from 0 on');
    }
    return read;
  } catch (error) {
    console.error(`chaos: ${(error as Error).message}`);
    return process.exit(2);
  }
}
