// The journal in the tables `binnacle_alerting` and `binnacle_alert_history`. Both get their rows
// by one insert, the second through a view of the first.
//
// Changes of other backends are asked for every `limits.followMs`, by the store's clock and with an
// overlap for inserts that were under way; what was seen before is left out. Each change is told
// once, and never an older one after a newer one of the same thing.

import type { Component } from '../../proto/contract/component.ts';
import type { Clock, Timer } from '../../runtime/clock.ts';
import type { Counters } from '../../runtime/counters.ts';
import { errorMessage } from '../../runtime/errors.ts';
import { rateLimited, type Log } from '../../runtime/log.ts';
import { createFollowers } from './followers.ts';
import { entryOf, limits as journalLimits, type Draft, type Entry, type HistoryQuestion,
  type Journal, type Kind } from './journal.ts';

export const limits = {
  /** An insert that takes longer may be seen late by other backends. */
  overlapMs: 10_000,
  /** Things whose newest version is remembered; beyond it the oldest may be told again. */
  knownMax: 200_000,
  /** A thing whose last change is older is written again, so that its time is never over. */
  renewMs: 100 * 86_400_000,
  /** Things that are written again at once. */
  renewedMax: 10_000,
} as const;

const RENEW_EVERY_MS = 6 * 3_600_000;
const LOG_EVERY_MS = 60_000;
const TABLE = 'binnacle_alerting';

/** The rows of a statement of our own. Throws QueryError. */
export type AskRows = <Row extends object>(
  asked: { readonly sql: string; readonly params?: Readonly<Record<string, unknown>> },
  abort: AbortSignal,
) => Promise<Row[]>;

export interface TableJournalOptions {
  readonly ask: AskRows;
  readonly append: (asked: { readonly table: string; readonly rows: readonly object[];
    readonly abort: AbortSignal }) => Promise<void>;
  readonly clock: Clock;
  /** Names this backend among those that share the store. */
  readonly writer: string;
  readonly log: Log;
  readonly counters: Counters;
}

export const createTableJournal = (options: TableJournalOptions): TableJournal =>
  new FollowedTables(options);

export interface TableJournal extends Journal, Component {
  /** Resolves when what other backends have stored until now was told. */
  look(): Promise<void>;
}

class FollowedTables implements TableJournal {
  private readonly options: TableJournalOptions;
  private readonly log: Log;
  private readonly followers = createFollowers();
  /** Newest version of what was told, oldest first. */
  private readonly known = new Map<string, bigint>();
  private readonly stopping = new AbortController();
  private readonly timers: Timer[] = [];
  private asking: Promise<void> = Promise.resolve();
  private lastStored = '';
  readonly follow = this.followers.add;

  constructor(options: TableJournalOptions) {
    this.options = options;
    this.log = rateLimited(options.log, options.clock, LOG_EVERY_MS);
    options.counters.gauge('binnacle_alerting_journal_known',
      'Alerts, rules, silences and the like whose newest version is remembered.',
      () => this.known.size);
  }

  async start(): Promise<void> {
    const { clock } = this.options;
    this.lastStored = await this.storeTime();
    this.timers.push(clock.every(journalLimits.followMs, () => this.lookSoon()),
      clock.every(RENEW_EVERY_MS, () => void this.renew()));
    void this.renew();
  }

  async stop(): Promise<void> {
    for (const timer of this.timers.splice(0)) timer.cancel();
    this.stopping.abort();
    await this.asking;
  }

  async load(kinds: readonly Kind[], abort: AbortSignal): Promise<Entry[]> {
    const rows = await this.options.ask<Row>({
      sql: `SELECT ${COLUMNS} FROM ${TABLE} FINAL
        WHERE Kind IN {kinds:Array(String)} AND Deleted = 0 ORDER BY Kind, Key`,
      params: { kinds },
    }, abort);
    const entries = rows.map(entryOfRow);
    for (const entry of entries) this.isNews(entry);
    return entries;
  }

  async write(drafts: readonly Draft[], abort: AbortSignal): Promise<void> {
    if (drafts.length === 0) return;
    const { append, clock, writer } = this.options;
    const version = clock.nowNs();
    // Of a thing that is written twice at once the last counts; both would have the same version.
    const last = new Map(drafts.map((draft) => [keyOf(draft), entryOf(draft, version)]));
    const entries = [...last.values()];
    await append({ table: TABLE, rows: entries.map((entry) => rowOf(entry, writer)), abort });
    for (const entry of entries) this.isNews(entry);
    this.followers.tell(entries);
  }

  async history(question: HistoryQuestion, abort: AbortSignal): Promise<Entry[]> {
    const { kinds, key, name, fromMs, toMs, before, limit } = question;
    const only = [
      ...(kinds === undefined ? [] : ['Kind IN {kinds:Array(String)}']),
      ...(key === undefined ? [] : ['Key = {key:String}']),
      ...(name === undefined ? [] : ['Name = {name:String}']),
      ...(before === undefined ? [] : ['(toUnixTimestamp64Milli(Time), Version) '
        + '< ({beforeMs:Int64}, {beforeVersion:UInt64})']),
    ];
    const rows = await this.options.ask<Row>({
      sql: `SELECT ${COLUMNS} FROM binnacle_alert_history FINAL
        WHERE Time >= fromUnixTimestamp64Milli({fromMs:Int64})
          AND Time < fromUnixTimestamp64Milli({toMs:Int64})
          ${only.map((one) => `AND ${one}`).join(' ')}
        ORDER BY Time DESC, Version DESC, Kind, Key LIMIT {limit:UInt32}`,
      params: { fromMs, toMs, limit, ...(kinds === undefined ? {} : { kinds }),
        ...(key === undefined ? {} : { key }), ...(name === undefined ? {} : { name }),
        ...(before === undefined ? {} : { beforeMs: before.atMs,
          beforeVersion: before.version.toString() }) },
    }, abort);
    return rows.map(entryOfRow);
  }

  look(): Promise<void> {
    this.asking = this.asking.then(() => this.askOthers());
    return this.asking;
  }

  private lookSoon(): void {
    void this.look();
  }

  private async askOthers(): Promise<void> {
    const { ask, writer } = this.options;
    try {
      const rows = await ask<Row & { stored: string }>({
        sql: `SELECT ${COLUMNS}, toString(Stored) AS stored FROM ${TABLE}
          WHERE Stored >= parseDateTime64BestEffort({since:String}, 3)
            - toIntervalMillisecond(${limits.overlapMs}) AND Writer != {writer:String}
          ORDER BY Version`,
        params: { since: this.lastStored, writer },
      }, this.stopping.signal);
      for (const { stored } of rows) if (stored > this.lastStored) this.lastStored = stored;
      const news = rows.map(entryOfRow).filter((entry) => this.isNews(entry));
      if (news.length > 0) this.followers.tell(news);
    } catch (error) {
      if (this.stopping.signal.aborted) return;
      this.log.warn(`cannot read what other backends know of alerts: ${errorMessage(error)}`);
    }
  }

  private async storeTime(): Promise<string> {
    const [row] = await this.options.ask<{ time: string }>(
      { sql: 'SELECT toString(now64(3)) AS time' }, this.stopping.signal);
    return row!.time;
  }

  /** False for what is not newer than what is known of the thing. */
  private isNews(entry: Entry): boolean {
    const key = keyOf(entry);
    const version = this.known.get(key);
    if (version !== undefined && version >= entry.version) return false;
    this.known.delete(key);
    this.known.set(key, entry.version);
    const [oldest] = this.known.keys();
    if (this.known.size > limits.knownMax) this.known.delete(oldest!);
    return true;
  }

  /** Copies what has not changed for long, with the next version: a later change still counts. */
  private async renew(): Promise<void> {
    const { ask, append, clock, writer } = this.options;
    const { signal } = this.stopping;
    try {
      const rows = await ask<Row>({
        sql: `SELECT ${COLUMNS} FROM ${TABLE} FINAL WHERE Deleted = 0
          AND Time < fromUnixTimestamp64Milli({beforeMs:Int64}) LIMIT ${limits.renewedMax}`,
        params: { beforeMs: clock.nowMs() - limits.renewMs },
      }, signal);
      const entries = rows.map(entryOfRow)
        .map((entry) => ({ ...entry, atMs: clock.nowMs(), version: entry.version + 1n }));
      if (entries.length > 0) {
        await append({ table: TABLE, rows: entries.map((entry) => rowOf(entry, writer)),
          abort: signal });
      }
    } catch (error) {
      if (signal.aborted) return;
      this.log.warn(`cannot renew what is known of alerts: ${errorMessage(error)}`);
    }
  }
}

const keyOf = ({ kind, key }: Pick<Draft, 'kind' | 'key'>): string => `${kind} ${key}`;

interface Row {
  readonly kind: Kind;
  readonly key: string;
  readonly version: string;
  readonly atMs: number;
  readonly deleted: number;
  readonly name: string;
  readonly state: string;
  readonly severity: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number | null;
  readonly actor: string;
  readonly note: string;
  readonly data: string;
}

const COLUMNS = `Kind AS kind, Key AS key, toString(Version) AS version,
  toUnixTimestamp64Milli(Time) AS atMs, Deleted AS deleted, Name AS name, State AS state,
  Severity AS severity, Labels AS labels, Value AS value, Actor AS actor, Note AS note,
  Data AS data`;

const entryOfRow = ({ version, deleted, value, data, ...row }: Row): Entry => ({
  ...row, version: BigInt(version), deleted: deleted === 1, value: value ?? NaN,
  data: JSON.parse(data) as unknown,
});

const rowOf = (entry: Entry, writer: string): object => ({
  Kind: entry.kind, Key: entry.key, Version: entry.version.toString(),
  Time: new Date(entry.atMs).toISOString(), Writer: writer, Deleted: entry.deleted ? 1 : 0,
  Name: entry.name, State: entry.state, Severity: entry.severity, Labels: entry.labels,
  Value: Number.isFinite(entry.value) ? entry.value : null, Actor: entry.actor, Note: entry.note,
  Data: JSON.stringify(entry.data),
});
