/**
 * A real ClickHouse for a test file: the embedded engine in a folder of its own, or the server that
 * `CLICKHOUSE_URL` names. Start it once per file, stop it in `after`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from '../../../backend/storage/engine/supervisor.ts';

/** A running store; `stop` ends the process and removes the folder. */
export interface EngineFixture {
  url: string;
  stop(): Promise<void>;
}

/** Starts an engine, or takes the server that the environment names. */
export async function startEngine(): Promise<EngineFixture> {
  const server = process.env['CLICKHOUSE_URL'];
  if (server !== undefined && server !== '') {
    return { url: server, stop: () => Promise.resolve() };
  }
  const path = await mkdtemp(join(tmpdir(), 'binnacle-engine-'));
  const engine = createEngine({ path });
  const { url } = await engine.start().catch(async (error: unknown) => {
    await rm(path, { recursive: true, force: true });
    throw error;
  });
  const stop = async (): Promise<void> => {
    await engine.stop(AbortSignal.timeout(10_000));
    await rm(path, { recursive: true, force: true });
  };
  return { url, stop };
}
