// How far queries are: asked of the store for all of them together, once in a while, and only while
// one runs.

import { text } from 'node:stream/consumers';
import type { Clock } from '../../runtime/clock.ts';
import type { Storage } from '../storage/contract.ts';
import type { LiveQuery } from './record.ts';

/** Queries that end sooner are not looked at. */
const LOOK_EVERY_MS = 500;

/** The embedded engine invents query ids; ours begins the comment (engine/sessions.ts). */
const SQL = `SELECT if(has({ids:Array(String)}, query_id), query_id,
      splitByChar(' ', Settings['log_comment'])[1]) AS id,
    read_rows AS readRows, read_bytes AS readBytes, total_rows_approx AS totalRows
  FROM system.processes WHERE has({ids:Array(String)}, id)`;

export interface ProgressOptions {
  readonly storage: Pick<Storage, 'query'>;
  readonly clock: Clock;
  readonly live: () => readonly LiveQuery[];
}

/** Returns what is to be called whenever a query begins. */
export function createProgress({ storage, clock, live }: ProgressOptions): () => void {
  let isLooking = false;
  const look = async (): Promise<void> => {
    const running = live().filter((one) => one.record().state === 'running');
    if (running.length > 0) await readInto(storage, running).catch(() => undefined);
    isLooking = live().length > 0;
    if (isLooking) clock.after(LOOK_EVERY_MS, () => void look());
  };
  return () => {
    if (isLooking) return;
    isLooking = true;
    clock.after(LOOK_EVERY_MS, () => void look());
  };
}

interface Row {
  readonly id: string;
  readonly readRows: number;
  readonly readBytes: number;
  readonly totalRows: number;
}

/** What cannot be read now is read the next time. */
async function readInto(
  storage: Pick<Storage, 'query'>,
  running: readonly LiveQuery[],
): Promise<void> {
  const byId = new Map(running.map((one) => [one.record().id, one]));
  const { body } = await storage.query({
    sql: SQL, params: { ids: [...byId.keys()] }, format: 'JSONEachRow',
    settings: { readonly: 1, max_execution_time: 5, output_format_json_quote_64bit_integers: 0 },
    abort: AbortSignal.timeout(5000),
  });
  for (const line of (await text(body)).split('\n')) {
    if (line === '') continue;
    const { id, ...counts } = JSON.parse(line) as Row;
    byId.get(id)?.count(counts);
  }
}
