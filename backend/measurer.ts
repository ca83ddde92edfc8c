// What rules measure, asked at a desk: the one place where the room of rules meets the store.

import { text } from 'node:stream/consumers';
import type { Counters } from '../runtime/counters.ts';
import type { Log } from '../runtime/log.ts';
import type { Caller } from './access/roles.ts';
import type { Gate } from './gate/gate.ts';
import type { Desk } from './query/desk.ts';
import type { ForeignStatement } from './rules/measuring/asking.ts';
import { createMeasurer, type RuleMeasurer } from './rules/measuring/measurer.ts';

export const limits = {
  /** Of what anomalies, forecasts and SLOs have read; what was used longest ago is read again. */
  seriesBytesMax: 64 * 1024 * 1024,
} as const;

export interface DeskMeasurerOptions {
  readonly desk: Pick<Desk, 'rows' | 'open'>;
  /** What statements of rules go through. */
  readonly gate: Pick<Gate, 'check'>;
  /** Whose questions these are. */
  readonly caller: Caller;
  readonly counters: Counters;
  readonly log: Log;
}

export function createDeskMeasurer(options: DeskMeasurerOptions): RuleMeasurer {
  const { desk, gate, caller, counters, log } = options;
  return createMeasurer({
    ask: (asked, abort) => desk.rows(asked, caller, abort),
    askForeign: (asked, abort) => foreignRows(desk, asked, caller, abort),
    checkSql: (sql, names, abort) => gate.check(sql, names, abort),
    seriesBytesMax: limits.seriesBytesMax,
    counters, log,
  });
}

/** A FORMAT of its own would be text that nobody can read here. */
async function foreignRows(
  desk: Pick<Desk, 'open'>,
  { sql, params, settings }: ForeignStatement,
  caller: Caller,
  abort: AbortSignal,
): Promise<object[]> {
  const named = Object.fromEntries(Object.entries(params)
    .map(([name, value]) => [`param_${name}`, value]));
  const query = await desk.open({ sql, settings, params: named, format: FORMAT }, caller, abort);
  if (query.format !== FORMAT) {
    query.enough();
    throw new Error(`a rule's statement has no FORMAT; it says ${query.format}`);
  }
  const lines = (await text(query.body)).split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as object);
}

const FORMAT = 'JSONEachRow';
