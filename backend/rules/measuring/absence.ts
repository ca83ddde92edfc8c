// Rules about silence: seconds since the last sign of life of each group that gave one within
// `seenWithinMs`, or that must be there (`expected`).
//
// What was seen is remembered, so each measurement asks for the newest records only; the long
// window is read once, at the first measurement of a rule, from rollups where they can tell: then
// what was quiet before counts by whole minutes. Records that come later than the query's window
// (`overMs`) are overlooked until they are followed by others.
//
// A group that must be there and was never seen is silent since the oldest record of the signal
// that is stored, or since `seenWithinMs`, whichever is later: a new installation does not begin
// with alarms, and a restart forgets nothing. Where nothing is stored, it is silent since the first
// measurement. A question without groups is about one group that must be there.

import type { Signal } from '../../../proto/otlp/model.ts';
import type { Labels } from '../../labels/labels.ts';
import { METRIC_TYPES, TABLES } from '../../metrics/question.ts';
import type { RuleSource, Sample, SignalQuery } from '../model.ts';
import { NUMBERS_AS_JSON, type Ask } from './asking.ts';
import { LAST } from './formula.ts';
import { askMetrics, type MetricKinds } from './metrics.ts';
import { askRecords, type Answer, type Value } from './records.ts';

export type AbsenceSource = RuleSource & { readonly type: 'absence' };

export const limits = {
  /** Rules whose groups are remembered; the one that was asked for the longest ago is forgotten. */
  rulesMax: 5000,
  /** Groups of a rule; those that were seen the longest ago are forgotten. */
  groupsMax: 10_000,
  /** A longer window is read in pieces of it: none takes too long. */
  pieceMs: 6 * 3_600_000,
} as const;

export interface AbsenceReader {
  readonly ask: Ask;
  readonly kinds: MetricKinds;
  readonly abort: AbortSignal;
}

export interface AbsenceAsked {
  /** Of the rule. */
  readonly id: string;
  readonly source: AbsenceSource;
  readonly toMs: number;
}

export type AbsenceAnswer = { readonly ok: true; readonly samples: readonly Sample[] }
  | { readonly ok: false; readonly error: unknown };

interface Group {
  readonly labels: Labels;
  readonly lastMs: number;
}

interface Memory {
  /** What it is the memory of. */
  readonly of: string;
  readonly readToMs: number;
  /** The oldest record that is stored, or when that was first asked; null before. */
  readonly sinceMs: number | null;
  readonly groups: ReadonlyMap<string, Group>;
}

export class Silence {
  private readonly memories = new Map<string, Memory>();

  /** Answers each of them by its id; never throws. */
  async measure(
    reader: AbsenceReader,
    asked: readonly AbsenceAsked[],
  ): Promise<Map<string, AbsenceAnswer>> {
    const before = new Map(asked.map((one) => [one.id, this.remembered(one)]));
    const answers = await readAnswers(reader, asked.map((one) =>
      ({ ...one, fromMs: readFrom(one, before.get(one.id) ?? null) })));
    const results = new Map<string, AbsenceAnswer>();
    const oldest = oldestBySignal(reader);
    for (const one of asked) {
      try {
        const answer = answers.get(one.id)!;
        if (!answer.ok) throw answer.error;
        const memory = await this.remember(oldest, one, before.get(one.id) ?? null, answer.values);
        results.set(one.id, { ok: true, samples: samplesOf(one, memory) });
      } catch (error) {
        results.set(one.id, { ok: false, error });
      }
    }
    return results;
  }

  private remembered({ id, source, toMs }: AbsenceAsked): Memory | null {
    const memory = this.memories.get(id);
    if (memory === undefined || memory.of !== JSON.stringify(source)) return null;
    // A measurement of earlier than what is known begins anew.
    return memory.readToMs <= toMs ? memory : null;
  }

  private async remember(
    oldest: OldestMs,
    { id, source, toMs }: AbsenceAsked,
    before: Memory | null,
    values: readonly Value[],
  ): Promise<Memory> {
    const groups = joined(before, values, toMs - source.seenWithinMs);
    const isMissing = wantedOf(source).some((labels) => !groups.has(nameOf(labels)));
    const sinceMs = before?.sinceMs
      ?? (isMissing ? await oldest(source.query.signal) ?? toMs : null);
    const memory = { of: JSON.stringify(source), readToMs: toMs, groups, sinceMs };
    this.memories.delete(id);
    this.memories.set(id, memory);
    const [first] = this.memories.keys();
    if (this.memories.size > limits.rulesMax) this.memories.delete(first!);
    return memory;
  }
}

const readFrom = ({ source: { query, seenWithinMs }, toMs }: AbsenceAsked,
  memory: Memory | null): number =>
  Math.max(toMs - seenWithinMs, memory === null ? 0 : memory.readToMs - query.overMs);

type AskedFrom = AbsenceAsked & { readonly fromMs: number };

/** The newest piece first; the first that fails is the answer. */
async function readAnswers(
  reader: AbsenceReader,
  asked: readonly AskedFrom[],
): Promise<Map<string, Answer>> {
  const answers = new Map<string, Answer>();
  let waiting = asked;
  while (waiting.length > 0) {
    const pieces = waiting.map((one) =>
      ({ ...one, fromMs: Math.max(one.fromMs, one.toMs - limits.pieceMs) }));
    const found = await readPieces(reader, pieces);
    for (const [id, answer] of found) answers.set(id, bothOf(answers.get(id), answer));
    waiting = waiting.map((one) => ({ ...one, toMs: one.toMs - limits.pieceMs }))
      .filter(({ id, fromMs, toMs }) => fromMs < toMs && answers.get(id)?.ok === true);
  }
  return answers;
}

const bothOf = (newer: Answer | undefined, older: Answer): Answer =>
  (newer === undefined || !newer.ok || !older.ok ? older
    : { ok: true, values: [...newer.values, ...older.values] });

async function readPieces(
  { ask, kinds, abort }: AbsenceReader,
  asked: readonly AskedFrom[],
): Promise<Map<string, Answer>> {
  const questions = asked.map(({ id, source: { query }, fromMs, toMs }) =>
    ({ asker: id, query, window: { fromMs, toMs } }));
  const isMetric = ({ query }: { query: SignalQuery }) => query.signal === 'metrics';
  const [records, metrics] = await Promise.all([
    askRecords({ ask, abort }, questions.filter((one) => !isMetric(one))
      .map((one) => ({ ...one, formula: LAST }))),
    askMetrics({ ask, kinds, abort }, questions.filter(isMetric)
      .map((one) => ({ ...one, last: true }))),
  ]);
  return new Map([...records, ...metrics]);
}

/** The same for the same labels. */
export const nameOf = (labels: Labels): string =>
  JSON.stringify(Object.entries(labels).filter(([, value]) => value !== '')
    .sort(([one], [other]) => (one < other ? -1 : 1)));

function joined(before: Memory | null, values: readonly Value[], fromMs: number) {
  const groups = new Map(before?.groups);
  for (const { labels, value } of values) {
    const name = nameOf(labels);
    const lastMs = Math.max(groups.get(name)?.lastMs ?? 0, value);
    groups.set(name, { labels, lastMs });
  }
  for (const [name, { lastMs }] of groups) if (lastMs < fromMs) groups.delete(name);
  if (groups.size <= limits.groupsMax) return groups;
  const newest = [...groups].sort(([, one], [, other]) => other.lastMs - one.lastMs);
  return new Map(newest.slice(0, limits.groupsMax));
}

/** Groups that must be there. */
export const wantedOf = ({ query, expected }: AbsenceSource): readonly Labels[] =>
  (query.groupBy.length === 0 ? [{}] : expected);

type OldestMs = (signal: Signal) => Promise<number | null>;

/** Asks once for each signal. */
function oldestBySignal(reader: AbsenceReader): OldestMs {
  const known = new Map<Signal, Promise<number | null>>();
  return (signal) => {
    const found = known.get(signal) ?? oldestMs(reader, signal);
    known.set(signal, found);
    return found;
  };
}

/** When the first record that is stored was; null when there is none. Throws QueryError. */
export async function oldestMs(
  { ask, abort }: Pick<AbsenceReader, 'ask' | 'abort'>,
  signal: Signal,
): Promise<number | null> {
  const parts = signal === 'metrics'
    ? METRIC_TYPES.map((type) => [TABLES[type], 'TimeUnix'] as const)
    : [[signal === 'logs' ? 'otel_logs' : 'otel_traces', 'Timestamp'] as const];
  const sql = parts.map(([table, column]) =>
    `SELECT toUnixTimestamp64Milli(min(${column})) AS ms, count() AS records FROM ${table}`)
    .join(' UNION ALL ');
  const settings = NUMBERS_AS_JSON;
  const rows = await ask<{ ms: number; records: number }>({ sql, settings }, abort);
  const found = rows.filter(({ records }) => records > 0).map(({ ms }) => ms);
  return found.length === 0 ? null : Math.min(...found);
}

function samplesOf(
  { source, toMs }: AbsenceAsked,
  { groups, sinceMs }: Memory,
): Sample[] {
  const quiet = (lastMs: number) => Math.max(0, toMs - lastMs) / 1000;
  const found = [...groups.values()].map(({ labels, lastMs }) =>
    ({ labels, value: quiet(lastMs) }));
  const missing = new Map(wantedOf(source).map((labels) => [nameOf(labels), labels]));
  for (const name of groups.keys()) missing.delete(name);
  const never = quiet(Math.max(sinceMs ?? toMs, toMs - source.seenWithinMs));
  return [...found, ...[...missing.values()].map((labels) => ({ labels, value: never }))];
}
