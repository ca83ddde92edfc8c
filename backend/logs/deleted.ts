// Log records that were deleted: rows of `binnacle_deleted_logs`, which name them by time and hash
// (row.ts). The records themselves stay until their retention is over; no answer of the logs API
// shows or counts them. Who deleted what, when and why stays there, too.
//
// They are kept in memory, since every answer needs those of its period. Another backend's
// deletions are seen after `limits.knownMs`.

import { text } from 'node:stream/consumers';
import type { Clock } from '../../runtime/clock.ts';
import type { Storage } from '../storage/contract.ts';
import type { AskRows } from './page.ts';
import type { Period } from './where.ts';

export const limits = {
  /** Deletions that are known at a time; further ones are refused until their retention is over. */
  deletedMax: 10_000,
  /** What is known is asked for again after this time. */
  knownMs: 5000,
} as const;

export interface DeletedLog {
  readonly timeNs: bigint;
  readonly hash: string;
}

export interface Deletion extends DeletedLog {
  readonly service: string;
  readonly by: string;
  readonly address: string;
  readonly reason: string;
}

export interface DeletedLogs {
  /** Those of a period. */
  within(ask: AskRows, period: Period): Promise<DeletedLog[]>;
  has(ask: AskRows, log: DeletedLog): Promise<boolean>;
  /** Answers after the commit; false when there are too many already. */
  add(ask: AskRows, deletion: Deletion): Promise<boolean>;
}

export function createDeletedLogs(
  clock: Clock,
  storage: Pick<Storage, 'query'>,
): DeletedLogs {
  let known: readonly DeletedLog[] = [];
  let knownAtMs = Number.NEGATIVE_INFINITY;
  const all = async (ask: AskRows): Promise<readonly DeletedLog[]> => {
    if (clock.monotonicMs() - knownAtMs < limits.knownMs) return known;
    const rows = await ask<{ ns: string; hash: string }>(READ_SQL, {});
    known = rows.map(({ ns, hash }) => ({ timeNs: BigInt(ns), hash }));
    knownAtMs = clock.monotonicMs();
    return known;
  };
  const equals = (one: DeletedLog, other: DeletedLog) =>
    one.timeNs === other.timeNs && one.hash === other.hash;
  return {
    within: async (ask, { fromNs, toNs }) =>
      (await all(ask)).filter(({ timeNs }) => timeNs >= fromNs && timeNs < toNs),
    has: async (ask, log) => (await all(ask)).some((one) => equals(one, log)),
    add: async (ask, deletion) => {
      if ((await all(ask)).length >= limits.deletedMax) return false;
      const { timeNs, hash, service, by, address, reason } = deletion;
      const { body } = await storage.query({
        sql: WRITE_SQL,
        params: { timeNs, hash, service, by, address, reason },
        format: 'JSONEachRow',
        abort: new AbortController().signal,
      });
      await text(body);
      known = [...known, { timeNs, hash }];
      return true;
    },
  };
}

/** What is deleted of days that are gone needs no deletion any more. */
const READ_SQL = `SELECT DISTINCT toString(toUnixTimestamp64Nano(Timestamp)) AS ns, Hash AS hash
  FROM binnacle_deleted_logs
  WHERE toDate(Timestamp) >= (SELECT toDateOrZero(min(partition)) FROM system.parts
    WHERE database = currentDatabase() AND table = 'otel_logs' AND active)
  LIMIT ${limits.deletedMax}`;

const WRITE_SQL = `INSERT INTO binnacle_deleted_logs
  (Timestamp, Hash, ServiceName, DeletedBy, Address, Reason)
  SELECT fromUnixTimestamp64Nano({timeNs:Int64}), {hash:String}, {service:String}, {by:String},
    {address:String}, {reason:String}`;
