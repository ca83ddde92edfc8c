// One run: everything starts, data flows while faults come, the faults end, what is queued is
// delivered, and what is stored is compared with what was acknowledged.

import { createClock } from '../../runtime/clock.ts';
import { createAsker } from '../e2e/stack.ts';
import { noEngineProcesses } from '../e2e/processes.ts';
import { seededRandom } from '../proto/generate.ts';
import { check, rowsOfEngine, type Findings } from './check.ts';
import { startFaults, type Faults } from './faults.ts';
import { startGenerator, type Generator } from './generator.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { LINE_NUMBER, startLines, type Lines } from './lines.ts';
import { LINES_SERVICE, noDisks, startMachine, type Machine, type Storage } from './machine.ts';
import { planFaults, type FaultName } from './plan.ts';

export interface CourseOptions {
  readonly seed: number;
  readonly totalMs: number;
  /** A line for people. */
  readonly say: (line: string) => void;
  /** Fires when it is to end now. */
  readonly abort: AbortSignal;
}

export interface Result {
  readonly findings: Findings;
  readonly applied: ReadonlyMap<FaultName, number>;
  readonly lostAnswers: number;
  readonly rotations: number;
  /** What went wrong besides the data; empty when all is well. */
  readonly troubles: readonly string[];
}

/** The faults are over: delivery may stand still for so long. */
const STANDSTILL_MS_MAX = 45_000;
const PROGRESS_MS = 10_000;

const clock = createClock();

/** Runs on a machine that the caller made, and stops in the end. */
export async function runCourse(machine: Machine, options: CourseOptions): Promise<Result> {
  const { seed, totalMs, abort } = options;
  const random = seededRandom(seed);
  const plan = planFaults(random, totalMs, (name) => isPossible(name, storageOf(seed)));
  await machine.backend.start();
  await machine.agent.start();
  const ledger = createLedger();
  const lines = startLines(machine.logFolder, seededRandom(seed + 1));
  const generator = startGenerator({ seed, ledger, ...machine });
  const faults = startFaults(machine, plan, abort);
  const parts = { machine, ledger, lines, generator, faults };
  const progress = clock.every(PROGRESS_MS, reporter(parts, options));
  let findings: Findings;
  const troubles: string[] = [];
  try {
    await clock.sleep(totalMs, abort);
    await faults.done;
    await generator.stop();
    lines.stop();
    options.say('the faults are over; waiting for what is queued');
    troubles.push(...await drain(parts, abort));
    const rows = rowsOfEngine(machine.engine());
    findings = await check(rows, { ledger, lines: lines.written });
  } finally {
    progress.cancel();
  }
  troubles.push(...machine.agent.troubles, ...machine.backend.troubles);
  troubles.push(...generator.refusals.map((refusal) => `refused: ${refusal}`));
  return { findings, applied: faults.applied, lostAnswers: machine.proxy.lost,
    rotations: lines.rotations, troubles };
}

/** Each third seed has another storage for the queue. */
export function storageOf(seed: number): Storage {
  const wanted = (['large queue', 'small disk', 'small queue'] as const)[seed % 3]!;
  return wanted === 'small disk' && noDisks() !== false ? 'small queue' : wanted;
}

function isPossible(name: FaultName, storage: Storage): boolean {
  if (name === 'fill disk') return storage === 'small disk';
  return !name.endsWith('engine') || noEngineProcesses === false;
}

interface Parts {
  readonly machine: Machine;
  readonly ledger: Ledger;
  readonly lines: Lines;
  readonly generator: Generator;
  readonly faults: Faults;
}

function reporter({ machine, ledger, lines, faults }: Parts, { seed, say }: CourseOptions) {
  const startMs = clock.monotonicMs();
  return async (): Promise<void> => {
    const seconds = Math.round((clock.monotonicMs() - startMs) / 1000);
    const now = faults.active().join(', ') || 'no fault';
    const queued = await machine.metric('binnacle_queue_items');
    say(`seed ${seed}, ${seconds} s: ${now}; sent ${ledger.sentCount}, acknowledged `
      + `${ledger.acknowledgedCount}, lines ${lines.written}, queued ${queued ?? '?'}`);
  };
}

/** Waits until all is delivered, for as long as it becomes more; answers what is not. */
async function drain({ machine, lines }: Parts, abort: AbortSignal): Promise<string[]> {
  let fewestQueued = Infinity;
  let mostRead = 0;
  let movedMs = clock.monotonicMs();
  for (;;) {
    const queued = await machine.metric('otelcol_exporter_queue_size');
    const read = await linesStored(machine).catch(() => 0);
    if (queued === 0 && read >= lines.written) return [];
    if (abort.aborted) throw new Error('the run was ended');
    const nowMs = clock.monotonicMs();
    if ((queued ?? Infinity) < fewestQueued || read > mostRead) movedMs = nowMs;
    fewestQueued = Math.min(fewestQueued, queued ?? Infinity);
    mostRead = Math.max(mostRead, read);
    if (nowMs - movedMs > STANDSTILL_MS_MAX) {
      return [`not all was delivered: ${queued ?? 'unknown'} batches in the queue, `
        + `${lines.written - read} lines of ${lines.written} not stored`];
    }
    await clock.sleep(250);
  }
}

async function linesStored(machine: Machine): Promise<number> {
  const [row] = await createAsker(machine.api()).rows<{ lines: string }>(
    `SELECT toString(uniqExact(${LINE_NUMBER})) AS lines FROM otel_logs
    WHERE ServiceName = '${LINES_SERVICE}'`);
  return Number(row!.lines);
}

export async function createMachine(seed: number): Promise<Machine> {
  return startMachine({ storage: storageOf(seed), random: seededRandom(seed + 2) });
}
