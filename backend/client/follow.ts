// How far a query of ours is, as the backend knows it: looked for once among those that run, then
// asked for by its id. Nothing goes wrong when it cannot be told; then nothing is said.

import type { Clock } from '../../runtime/clock.ts';
import { askJson, type Target } from './ask.ts';
import { bytesText, numberText } from './text.ts';

const ASK_EVERY_MS = 500;

interface Record {
  readonly id: string;
  readonly state: 'waiting' | 'running' | 'ended';
  readonly sql: string;
  readonly readRows: number;
  readonly readBytes: number;
  /** 0: not known. */
  readonly totalRows: number;
}

/** Calls `say` from time to time until `abort` fires or the query has ended. Never rejects. */
export async function followQuery(
  target: Target,
  sql: string,
  clock: Clock,
  abort: AbortSignal,
  say: (text: string) => void,
): Promise<void> {
  try {
    await clock.sleep(ASK_EVERY_MS, abort);
    if (abort.aborted) return;
    const { items } = await askJson<{ items: Record[] }>(target, '/api/queries?limit=1', abort);
    // Of long statements the backend tells the beginning.
    const own = items.find((one) => one.state !== 'ended' && one.sql !== ''
      && sql.startsWith(one.sql.trim()));
    if (own === undefined) return;
    for (let record = own; record.state !== 'ended' && !abort.aborted;) {
      say(recordText(record));
      await clock.sleep(ASK_EVERY_MS, abort);
      if (abort.aborted) return;
      record = await askJson<Record>(target, `/api/query/${encodeURIComponent(own.id)}`, abort);
    }
  } catch {
    // A backend without these routes, or a token that may not ask them: the time is shown alone.
  }
}

const BAR_COLUMNS = 20;

export function recordText({ state, readRows, readBytes, totalRows }: Omit<Record, 'id' | 'sql'>) {
  if (state === 'waiting') return 'waits for its turn';
  if (readRows === 0) return '';
  const read = `${numberText(readRows)} rows, ${bytesText(readBytes)} read`;
  if (totalRows <= 0) return read;
  const share = Math.min(1, readRows / totalRows);
  const full = Math.round(share * BAR_COLUMNS);
  const bar = '█'.repeat(full) + '░'.repeat(BAR_COLUMNS - full);
  return `${bar} ${Math.floor(100 * share)} %, ${read}`;
}
