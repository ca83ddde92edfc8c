// How routes ask the desk for whoever sent a request: under the caller's name, and until he leaves.

import type { FastifyReply, FastifyRequest } from 'fastify';
import { readLatency, type Latency, type LatencyRequest } from '../latency/latency.ts';
import type { DeletedLogs } from '../logs/deleted.ts';
import type { AskRows } from '../logs/page.ts';
import { whereOf } from '../logs/where.ts';
import type { Desk } from '../query/desk.ts';
import type { HiddenLogs } from '../traces/read.ts';
import type { Rows } from '../traces/rows.ts';
import { callerOf } from './caller.ts';
import { leavingOf } from './leaving.ts';

export interface Asking {
  readonly rows: Rows;
  /** Null when there are more than `pointsMax` points. */
  readonly latency: (request: LatencyRequest) => Promise<Latency | null>;
  /** Without the log records that were deleted. */
  readonly hiddenLogs: HiddenLogs;
}

export interface AskingOptions {
  readonly desk: Desk;
  readonly deleted: DeletedLogs;
}

export function askingFor(
  { desk, deleted }: AskingOptions,
  request: FastifyRequest,
  reply: FastifyReply,
  pointsMax: number,
): Asking {
  const caller = callerOf(request);
  const left = leavingOf(reply);
  return {
    rows: (question) => desk.rows(question, caller, left),
    latency: (asked) => readLatency({ desk, caller, rowsMax: pointsMax }, asked, left),
    hiddenLogs: async ({ fromMs, toMs }) => {
      const period = { fromNs: BigInt(fromMs) * NS_IN_MS, toNs: BigInt(toMs) * NS_IN_MS };
      const ask: AskRows = (sql, params) => desk.rows({ sql, params }, caller, left);
      return whereOf({ type: 'all' }, await deleted.within(ask, period));
    },
  };
}

const NS_IN_MS = 1_000_000n;
