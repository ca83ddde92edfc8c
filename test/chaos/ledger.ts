// What was sent and what was acknowledged, and how that compares with what is stored. A request is
// sent once: one without an acknowledgement is followed by another, not repeated, so that nothing
// may be stored twice, whatever became of it.

import { REQUEST_DIGITS, TABLES, type Request } from './records.ts';

/** What a table holds of one request. */
export interface Found {
  /** Id of the request. */
  readonly request: string;
  readonly rows: number;
  /** How many different ids these have. */
  readonly ids: number;
}

export interface Comparison {
  readonly table: string;
  readonly sent: number;
  readonly acknowledged: number;
  readonly stored: number;
  readonly missing: number;
  readonly duplicates: number;
  /** Rows of requests that were never sent. */
  readonly strange: number;
  /** Requests with something missing, double or strange. */
  readonly wrong: readonly WrongRequest[];
}

export interface WrongRequest {
  readonly request: string;
  /** Records of it that were sent to this table. */
  readonly sent: number;
  readonly acknowledged: boolean;
}

export interface Ledger {
  sent(request: Request): void;
  acknowledged(request: Request): void;
  /** Records in total. */
  readonly sentCount: number;
  readonly acknowledgedCount: number;
  compare(table: string, found: readonly Found[]): Comparison;
}

interface Entry {
  readonly records: Request['records'];
  acknowledged: boolean;
}

export function createLedger(): Ledger {
  const entries = new Map<string, Entry>();
  const counts = { sent: 0, acknowledged: 0 };
  return {
    sent: ({ id, records, batch }) => {
      if (id.length !== REQUEST_DIGITS) throw new Error(`${id} is no id of a request`);
      if (entries.has(id)) throw new Error(`request ${id} is sent twice`);
      entries.set(id, { records, acknowledged: false });
      counts.sent += batch.itemCount;
    },
    acknowledged: ({ id, batch }) => {
      entries.get(id)!.acknowledged = true;
      counts.acknowledged += batch.itemCount;
    },
    get sentCount() {
      return counts.sent;
    },
    get acknowledgedCount() {
      return counts.acknowledged;
    },
    compare: (table, found) => compare(table, entries, found),
  };
}

function compare(
  table: string, entries: ReadonlyMap<string, Entry>, found: readonly Found[],
): Comparison {
  if (!TABLES.some(({ name }) => name === table)) throw new Error(`${table} is no table`);
  const sums = { sent: 0, acknowledged: 0, stored: 0, missing: 0, duplicates: 0, strange: 0 };
  const wrong: WrongRequest[] = [];
  const byRequest = new Map(found.map((one) => [one.request, one]));
  for (const [request, { records, acknowledged }] of entries) {
    const sent = records.get(table) ?? 0;
    const { rows, ids } = byRequest.get(request) ?? { rows: 0, ids: 0 };
    byRequest.delete(request);
    const missing = acknowledged ? Math.max(0, sent - ids) : 0;
    const strange = Math.max(0, ids - sent);
    sums.sent += sent;
    sums.acknowledged += acknowledged ? sent : 0;
    sums.stored += rows;
    sums.missing += missing;
    sums.duplicates += rows - ids;
    sums.strange += strange;
    if (missing > 0 || strange > 0 || rows > ids) wrong.push({ request, sent, acknowledged });
  }
  for (const { request, rows } of byRequest.values()) {
    sums.stored += rows;
    sums.strange += rows;
    wrong.push({ request, sent: 0, acknowledged: false });
  }
  return { table, ...sums, wrong };
}
