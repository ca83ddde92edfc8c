// What `binnacle status` prints: how the backend is, and the ledger, as a page for a person.

import type { AgentBooks, Gap } from '../ledger/balance.ts';
import type { Ledger } from '../ledger/ledger.ts';

export interface BackendStatus {
  readonly url: string;
  /** The report of `/health`. */
  readonly health: {
    readonly status: string;
    readonly version: string;
    readonly checks: Readonly<Record<string, {
      readonly status: string;
      readonly reason?: string;
      readonly details?: Readonly<Record<string, unknown>>;
    }>>;
  };
  readonly ledger: Ledger;
}

export const isLossless = ({ lost }: Ledger): boolean =>
  lost.records === 0 && lost.batchesOfUnknownSize === 0;

const REPORTED = 'Received, queued and dropped are as of the last report; the store may know more.';

/** Gaps beyond it are counted only. */
const GAPS_SHOWN = 20;

export function statusPage({ url, health, ledger }: BackendStatus): string {
  const checks = Object.entries(health.checks).map(([name, { status, reason, details }]) =>
    `${name} ${String(details?.['version'] ?? '')} ${status}${reason === undefined ? ''
      : ` (${reason})`}`.replace(/ +/g, ' '));
  return [
    `binnacle ${health.version} at ${url}: ${health.status}; ${checks.join(', ')}`,
    `${ledger.statement} (${ledger.from} to ${ledger.to})`,
    '',
    ...table([
      ['AGENT', 'HOST', 'LAST REPORT', 'RECEIVED', 'STORED', 'QUEUED', 'DROPPED', 'REFUSED',
        'LOST'],
      ...ledger.agents.flatMap(agentRows),
    ]),
    ...(ledger.agents.length === 0 ? [] : ['', REPORTED]),
    ...gapLines(ledger.gaps),
  ].join('\n').replace(/ +$/gm, '') + '\n';
}

function agentRows(books: AgentBooks): string[][] {
  const dropped = Object.values(books.dropped).reduce((sum, count) => sum + count, 0);
  const head = [books.agent, books.host, books.lastReport ?? 'never', number(books.received),
    number(books.stored), number(books.queued), number(dropped), number(books.refused),
    number(books.lost)];
  const signals = books.signals.map(({ signal, received, stored, refused }) =>
    [`  ${signal}`, '', '', number(received), number(stored), '', '', number(refused), '']);
  const reasons = Object.entries(books.dropped).map(([reason, count]) =>
    [`  dropped: ${reason}`, '', '', '', '', '', number(count), '', '']);
  return [head, ...signals, ...reasons];
}

function gapLines(gaps: readonly Gap[]): string[] {
  if (gaps.length === 0) return [];
  const lines = gaps.slice(0, GAPS_SHOWN).map((gap) => {
    const { from, to, batches, records } = gap;
    const range = from === to ? `batch ${from}` : `batches ${from} to ${to} (${number(batches)})`;
    const size = records === null ? 'an unknown number of records' : `${number(records)} records`;
    return `  ${gap.kind}: ${range} of agent ${gap.agent} ${gap.host}, exporter ${gap.exporter},`
      + ` epoch ${gap.epoch}: ${size}`;
  });
  const more = gaps.length - lines.length;
  return ['', 'Gaps:', ...lines, ...(more > 0 ? [`  and ${number(more)} more`] : [])];
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) =>
    Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((cell, column) =>
    (column < 3 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join('  '));
}

const format = new Intl.NumberFormat('en-US');
const number = (value: number): string => format.format(value);
