// The store of scripts: one embedded engine for all of a run, in a folder that is removed. It is
// started when the first script loads something, and emptied for each.

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCounters } from '../../runtime/counters.ts';
import { SILENT_LOG } from '../../runtime/log.ts';
import type { World } from '../../runtime/world.ts';
import type { Caller } from '../access/roles.ts';
import type { Gate } from '../gate/gate.ts';
import { createIntake } from '../intake/intake.ts';
import { createStoreGate } from '../query/admission.ts';
import { createDesk, type Desk } from '../query/desk.ts';
import { createClickHouseStorage, type ClickHouseStorage }
  from '../storage/clickhouse/storage.ts';
import { createEngine, type Engine } from '../storage/engine/supervisor.ts';
import type { Script } from './model.ts';
import { batchesOf } from './records.ts';

export const limits = {
  engineMemoryBytes: 1024 * 1024 * 1024,
  /** A rule of a script that reads longer fails. */
  queryMs: 60_000,
  resultRowsMax: 100_000,
  /** What is loaded is stored within this time, or the script cannot be run. */
  fillMs: 120_000,
  stopMs: 10_000,
} as const;

const DATABASE = 'binnacle_scripts';
/** Virtual time is long ago, or to come: nothing is too old. */
const KEPT_MS = 100 * 365 * 86_400_000;

export const SCRIPT_CALLER: Caller = { name: 'script', role: 'admin', address: '127.0.0.1' };

/** What rules ask. */
export interface FilledStore {
  readonly desk: Desk;
  readonly gate: Gate;
}

export interface ScriptStore {
  /** Empty but for what the script loads. Scripts take turns. Throws OperatorError. */
  fill(script: Script, epochMs: number): Promise<FilledStore>;
  /** Safe twice, and when nothing was started. */
  stop(): Promise<void>;
}

/** `url`: a server to be used instead of an engine; '' for an engine. */
export function createScriptStore(world: World, url = ''): ScriptStore {
  let started: Promise<Started> | null = null;
  return {
    fill: async (script, epochMs) => {
      started ??= startStore(world, url);
      const { desk, gate, storage } = await started;
      await empty(storage);
      await insert(storage, script, epochMs);
      return { desk, gate };
    },
    stop: async () => {
      const running = await started?.catch(() => null);
      started = null;
      await running?.stop();
    },
  };
}

interface Started extends FilledStore {
  readonly storage: ClickHouseStorage;
  stop(): Promise<void>;
}

async function startStore(world: World, url: string): Promise<Started> {
  const folder = join(tmpdir(), `binnacle-script-${world.random.uuid()}`);
  const engine = url === '' ? createEngine({ path: folder, memoryBytes: limits.engineMemoryBytes })
    : null;
  const stopEngine = async () => {
    await engine?.stop(AbortSignal.timeout(limits.stopMs));
    await world.files.remove(folder);
  };
  try {
    await engine?.start();
    const storage = storageOf(world, engine, url);
    await storage.start();
    const stop = async () => {
      await storage.stop(AbortSignal.timeout(limits.stopMs));
      await stopEngine();
    };
    const gate = createStoreGate(storage, DATABASE);
    return { storage, gate, desk: deskOf(world, storage, gate), stop };
  } catch (error) {
    await stopEngine();
    throw error;
  }
}

const storageOf = (world: World, engine: Engine | null, url: string): ClickHouseStorage =>
  createClickHouseStorage({
    world, log: SILENT_LOG, counters: createCounters(),
    url: () => engine?.url ?? url,
    username: 'default', password: '', database: DATABASE, cluster: null,
    flush: { intervalMs: 5, rows: 100_000, bytes: 64 << 20, waitingBytesMax: 256 << 20 },
    retention: { logsMs: KEPT_MS, tracesMs: KEPT_MS, metricsMs: KEPT_MS },
  });

const deskOf = (world: World, storage: ClickHouseStorage, gate: Gate): Desk => createDesk({
  world, storage, gate, counters: createCounters(), log: SILENT_LOG,
  limits: {
    executionMsMax: limits.queryMs, resultRowsMax: limits.resultRowsMax,
    memoryBytesMax: limits.engineMemoryBytes / 2, concurrentMax: 8, waitingMax: 1000,
    waitMs: limits.queryMs,
  },
});

async function empty(storage: ClickHouseStorage): Promise<void> {
  const tables = await run(storage, `SELECT name FROM system.tables
    WHERE database = currentDatabase() AND name LIKE 'otel%' AND total_rows > 0`, 'TSV');
  for (const table of tables.split('\n').filter((name) => name !== '')) {
    await run(storage, `TRUNCATE TABLE \`${table}\``, 'Null');
  }
}

async function insert(storage: ClickHouseStorage, script: Script, epochMs: number) {
  const intake = createIntake({ counters: createCounters(), writer: storage.writer });
  await intake.start();
  const outcomes = await Promise.all(batchesOf(script, epochMs)
    .map((batch) => intake.consume(batch, AbortSignal.timeout(limits.fillMs))));
  await intake.stop(AbortSignal.timeout(limits.stopMs));
  const failed = outcomes.find((outcome) => outcome.status !== 'accepted' || outcome.rejected > 0);
  if (failed === undefined) return;
  const cause = failed.status === 'accepted' ? `${failed.rejected} records are refused`
    : failed.reason;
  throw new Error(`cannot load the records of ${script.file}: ${cause}`);
}

async function run(storage: ClickHouseStorage, sql: string, format: string): Promise<string> {
  const { body } = await storage.query({ sql, format, abort: AbortSignal.timeout(limits.fillMs) });
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
