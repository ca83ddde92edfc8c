// The conservation ledger: for a period, what agents took, what became of it, and which batches are
// missing. It proves by sequences and counts by reports; what each can show is in docs/api.md.

import type { Signal } from '../../proto/otlp/model.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Caller } from '../access/roles.ts';
import type { Desk } from '../query/desk.ts';
import { agentBooks, hourBooks, type AgentBooks, type Gap, type GivenUpBatches, type HourBooks }
  from './balance.ts';
import { createFactReader, type FactReader, type GaugeReading, type Period, type Stretch }
  from './facts.ts';
import { epochsOf, expectedOf, missingOf, type Expected } from './gaps.ts';

export interface LedgerOptions {
  readonly desk: Pick<Desk, 'rows'>;
  readonly caller: Caller;
  readonly clock: Clock;
  /** The shortest time that records are kept, in milliseconds: older ones are not missed. */
  readonly keptMs: Readonly<Record<Signal, number>>;
}

export interface Ledger {
  /** ISO 8601; `to` is not inside. */
  readonly from: string;
  readonly to: string;
  /** `0 of 1,000 records lost`. */
  readonly statement: string;
  readonly lost: {
    /** As far as it is known. */
    readonly records: number;
    /** Batches of which nobody knows how many records they had. */
    readonly batchesOfUnknownSize: number;
  };
  /** All records that are accounted for. */
  readonly records: number;
  readonly gaps: readonly Gap[];
  readonly agents: readonly AgentBooks[];
  readonly hours: readonly HourBooks[];
}

/** Throws QueryError when the store cannot say. */
export async function readLedger(
  { desk, caller, clock, keptMs }: LedgerOptions,
  period: Period,
  abort: AbortSignal,
): Promise<Ledger> {
  const facts = createFactReader({ desk, caller, abort });
  // Reports first: what they say is done was committed before them.
  const counters = await facts.counters(period);
  const gauges = await facts.gauges(period);
  const stretches = await facts.stretches(period);
  const epochs = epochsOf(gauges);
  const missing: Expected[] = [];
  for (const expected of expectedOf(epochs, stretches)) {
    const own = stretches.filter(({ agent, epoch }) =>
      agent === expected.agent && epoch === expected.epoch);
    for (const gap of missingOf(expected, own)) missing.push(...await sought(facts, gap, epochs));
  }
  const hosts = new Map(gauges.map(({ agent, host }) => [agent, host]));
  const { gaps, givenUp } = explained(missing, gauges, hosts);
  const stored = await facts.stored(period);
  const removed = await facts.removed(period, keptMs, clock.nowMs());
  gaps.push(...removed.map(({ agent, epoch, sequence, records }): Gap => ({
    ...{ agent, host: hosts.get(agent) ?? '', epoch, from: sequence, to: sequence, batches: 1 },
    exporter: epochs.find((one) => one.epoch === epoch)?.exporter ?? '',
    ...{ records, kind: 'removed' },
  })));
  const books = { counters, gauges, epochs, stored, gaps, givenUp };
  const agents = agentBooks(books, period);
  return {
    from: new Date(period.fromMs).toISOString(),
    to: new Date(period.toMs).toISOString(),
    ...conclusion(agents, gaps),
    gaps, agents, hours: hourBooks(books, period),
  };
}

/** What is left of a gap after everything has been looked through that could fill it. */
async function sought(
  facts: FactReader,
  gap: Expected,
  epochs: readonly { readonly epoch: string; readonly exporter: string }[],
): Promise<Expected[]> {
  // At any time, and under epochs that were too short to be reported.
  const others = new Set(epochs.filter(({ exporter }) => exporter !== gap.exporter)
    .map(({ epoch }) => epoch));
  const known = new Set(epochs.map(({ epoch }) => epoch));
  const found = (await facts.stretchesIn(gap.agent, gap)).filter(({ epoch }) =>
    epoch === gap.epoch || (!others.has(epoch) && !known.has(epoch)));
  const left: Expected[] = [];
  for (const rest of missingOf(gap, found)) {
    // A commit may have ended without the view that keeps the books.
    const there = await facts.sequencesWithRows(rest);
    left.push(...missingOf(rest, there.map((sequence): Stretch =>
      ({ agent: gap.agent, epoch: gap.epoch, from: sequence, to: sequence }))));
  }
  return left;
}

/** Tells what the queue gave up and said so from what is lost. */
function explained(
  missing: readonly Expected[],
  gauges: readonly GaugeReading[],
  hosts: ReadonlyMap<string, string>,
): { gaps: Gap[]; givenUp: GivenUpBatches[] } {
  const gaps: Gap[] = [];
  const givenUp: GivenUpBatches[] = [];
  const lost = (gap: Expected, kind: Gap['kind']) => gaps.push({
    ...{ agent: gap.agent, host: hosts.get(gap.agent) ?? '', exporter: gap.exporter },
    ...{ epoch: gap.epoch, from: gap.from, to: gap.to, batches: gap.to - gap.from + 1 },
    ...{ records: null, kind },
  });
  const said = gauges.filter(({ name }) => name === 'binnacle_queue_given_up_items');
  const counted = new Set<GaugeReading>();
  for (const gap of missing) {
    let rest: Expected[] = [gap];
    for (const one of said) {
      const { exporter, reason = '', from, to } = one.labels;
      if (one.agent !== gap.agent || exporter !== gap.exporter) continue;
      const range = { ...gap, from: Number(from), to: Number(to) };
      const before = rest;
      rest = rest.flatMap((part) => missingOf(part, [range]));
      const fits = before.flatMap((part) => missingOf(part, rest));
      if (fits.length === 0) continue;
      if (reason === 'missing') for (const part of fits) lost(part, 'damaged');
      else if (!counted.has(one)) {
        givenUp.push({ agent: gap.agent, reason, records: one.value });
      }
      counted.add(one);
    }
    for (const part of rest) lost(part, 'never arrived');
  }
  return { gaps, givenUp };
}

function conclusion(agents: readonly AgentBooks[], gaps: readonly Gap[]) {
  const known = gaps.reduce((sum, { records }) => sum + (records ?? 0), 0);
  const unknown = gaps.filter(({ records }) => records === null)
    .reduce((sum, { batches }) => sum + batches, 0);
  const records = agents.reduce((sum, { received, difference }) =>
    sum + Math.max(received, received - difference), 0);
  const number = new Intl.NumberFormat('en-US');
  const batches = `${number.format(unknown)} ${unknown === 1 ? 'batch' : 'batches'}`;
  const of = `${number.format(records)} records lost`;
  const statement = unknown === 0 ? `${number.format(known)} of ${of}`
    : `${batches} of unknown size${known > 0 ? ` and ${number.format(known)}` : ''} of ${of}`;
  return { statement, records, lost: { records: known, batchesOfUnknownSize: unknown } };
}
