// Somebody else's statement before it runs: through the gate, and with settings that raise no
// limit. There is no other way from a caller's text to the store.

import { text } from 'node:stream/consumers';
import { createGate, type Gate } from '../gate/gate.ts';
import { LOCKED_SETTINGS, checkSetting } from '../gate/settings.ts';
import { SIGNAL_TABLES } from '../storage/clickhouse/retention.ts';
import type { Storage } from '../storage/contract.ts';

/** What analysts may read. */
export const PUBLISHED_TABLES: ReadonlySet<string> =
  new Set([...SIGNAL_TABLES.map(({ name }) => name), 'otel_traces_trace_id_ts',
    'binnacle_alert_history']);

/** For what the gate itself asks of the store: parsing, and names. */
const OWN_SETTINGS = { readonly: 1, max_execution_time: 10, max_result_rows: 100_000 };

export function createStoreGate(storage: Pick<Storage, 'query'>, database: string): Gate {
  return createGate({
    tables: PUBLISHED_TABLES,
    database,
    ask: async (sql, params, abort) => {
      const { body } = await storage.query({
        sql, params, abort, format: 'TabSeparatedRaw',
        settings: { ...LOCKED_SETTINGS, ...OWN_SETTINGS },
      });
      return text(body);
    },
  });
}

export interface AskedStatement {
  readonly sql: string;
  readonly format: string;
  /** ClickHouse's `param_<name>`, escaped. */
  readonly params: Readonly<Record<string, string>>;
  readonly settings?: Readonly<Record<string, string>>;
}

export interface AdmittedStatement {
  readonly sql: string;
  readonly format: string;
  readonly settings: Readonly<Record<string, string | number>>;
  readonly foreign: true;
}

/**
 * What to run. `own` are the settings of the caller's limits, which what he wishes may only lower.
 * Throws GateError; QueryError when the store is away.
 */
export async function admit(
  gate: Gate,
  { sql, format, params, settings = {} }: AskedStatement,
  own: Readonly<Record<string, string | number>>,
  abort: AbortSignal,
): Promise<AdmittedStatement> {
  for (const [name, value] of Object.entries(settings)) checkSetting(name, value);
  const names = Object.keys(params).map((name) => name.slice('param_'.length));
  const checked = await gate.check(sql, names, abort);
  const wished = lowered({ ...settings, ...checked.settings }, own);
  return {
    sql: checked.sql,
    format: checked.format ?? format,
    // What locks the session comes last, so that nothing is said after it.
    settings: { ...own, ...wished, ...params, ...LOCKED_SETTINGS, readonly: 1 },
    foreign: true,
  };
}

/** Of numbers that are limits, the lower one; 0 is no limit. */
function lowered(
  wished: Readonly<Record<string, string>>,
  own: Readonly<Record<string, string | number>>,
): Record<string, string | number> {
  return Object.fromEntries(Object.entries(wished).map(([name, value]) => {
    const most = Number(own[name] ?? 0);
    if (!LIMITS.has(name) || most === 0) return [name, value];
    const asked = Number(value);
    return [name, asked > 0 && asked < most ? asked : most];
  }));
}

const LIMITS: ReadonlySet<string> = new Set(['max_threads', 'max_execution_time',
  'max_result_rows', 'max_result_bytes', 'max_rows_to_read', 'max_bytes_to_read',
  'max_memory_usage']);
