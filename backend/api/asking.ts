// How routes ask the desk for whoever sent a request: under the caller's name, and until he leaves.

import type { FastifyReply, FastifyRequest } from 'fastify';
import { readLatency, type Latency, type LatencyRequest } from '../latency/latency.ts';
import type { Desk } from '../query/desk.ts';
import type { Rows } from '../traces/rows.ts';
import { callerOf } from './caller.ts';
import { leavingOf } from './leaving.ts';

export interface Asking {
  readonly rows: Rows;
  /** Null when there are more than `pointsMax` points. */
  readonly latency: (request: LatencyRequest) => Promise<Latency | null>;
}

export function askingFor(
  desk: Desk,
  request: FastifyRequest,
  reply: FastifyReply,
  pointsMax: number,
): Asking {
  const caller = callerOf(request);
  const left = leavingOf(reply);
  return {
    rows: (question) => desk.rows(question, caller, left),
    latency: (asked) => readLatency({ desk, caller, rowsMax: pointsMax }, asked, left),
  };
}
