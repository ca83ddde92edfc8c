// What happened to alerts, and who did it: `/api/alerts/:id/history`, `/api/alerts/history`, and
// the figures of `/api/alerts/stats`. All of it is read from the journal.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { World } from '../../../runtime/world.ts';
import type { Entry, HistoryQuestion, Journal, Kind } from '../../journal/journal.ts';
import { leavingOf } from '../leaving.ts';
import { answers, CURSOR_SCHEMA, DAY_MS, decodeCursor, encodeCursor, invalid, LIMIT_SCHEMA,
  listSchema, periodSchema, problems, readLimit, readPeriod, type AskedPeriod }
  from '../period.ts';
import { BY_ID } from './docs.ts';
import { figuresOf } from './figures.ts';
import { alertsIn, iso, type ShownOptions } from './shown.ts';

export const limits = {
  /** Entries that figures are made of; with more they are of the newest, and say so. */
  figuresEntriesMax: 10_000,
  /** Entries that are looked through for the history of one alert. */
  searchedMax: 20_000,
  /** Entries that are asked for at once. */
  pageMax: 1000,
} as const;

export interface HistoryRouteOptions extends ShownOptions {
  readonly journal: Journal;
  readonly world: Pick<World, 'clock'>;
}

/** What the history of alerts is made of. */
const HISTORY_KINDS = ['alert', 'posted', 'silence', 'acknowledgement', 'escalation',
  'notification', 'dead_letter'] as const satisfies readonly Kind[];

export function registerHistory(app: FastifyInstance, options: HistoryRouteOptions): void {
  const send = (reply: FastifyReply, found: object) =>
    reply.header('cache-control', 'no-store').send(found);
  app.get('/api/alerts/history', { schema: HISTORY_DOCS }, async (request, reply) => {
    const asked = request.query as Asked;
    const kinds = kindsOf(asked.kind);
    const question = { ...periodOf(options, asked), kinds,
      ...(asked.name === undefined ? {} : { name: asked.name }) };
    return send(reply, await page(options, [{ question }], request, reply));
  });
  app.get('/api/alerts/:id/history', { schema: OF_ONE_DOCS }, async (request, reply) => {
    const sources = sourcesOf(options, request);
    return send(reply, await page(options, sources, request, reply));
  });
  app.get('/api/alerts/stats', { schema: STATS_DOCS }, async (request, reply) =>
    send(reply, await statsOf(options, request, reply)));
}

interface Asked extends AskedPeriod {
  readonly kind?: string;
  readonly name?: string;
  readonly limit?: string;
  readonly cursor?: string;
}

interface Source {
  readonly question: Omit<HistoryQuestion, 'limit' | 'before'>;
  /** Of what is found only this. */
  readonly keep?: (entry: Entry) => boolean;
}

/** Entries of one write have one version: so many of them were in the pages before. */
type Place = readonly [atMs: number, version: string, shown: number];

const isPlace = (place: unknown): place is Place => Array.isArray(place) && place.length === 3
  && Number.isSafeInteger(place[0]) && typeof place[1] === 'string' && /^\d{1,25}$/.test(place[1])
  && Number.isSafeInteger(place[2]) && place[2] >= 0;

/** A page of several questions together, the newest first. */
async function page(
  { journal }: HistoryRouteOptions,
  sources: readonly Source[],
  request: FastifyRequest,
  reply: FastifyReply,
) {
  const { limit: limitText, cursor } = request.query as Asked;
  const limit = readLimit(limitText);
  const place = cursor === undefined ? null : decodeCursor(cursor, isPlace);
  const skip = place?.[2] ?? 0;
  const before = place === null ? undefined
    : { atMs: place[0], version: BigInt(place[1]) + 1n };
  const abort = leavingOf(reply);
  const found = await Promise.all(sources.map((source) =>
    collect(journal, source, { before, limit: skip + limit + 1 }, abort)));
  const entries = found.flat().sort(newestFirst);
  const items = entries.slice(skip, skip + limit);
  const last = items.at(-1);
  const isMore = entries.length > skip + limit && last !== undefined;
  const next = isMore ? cursorAfter(last, entries, skip + limit) : null;
  return { items: items.map(shown), next };
}

function cursorAfter(last: Entry, entries: readonly Entry[], end: number): string {
  const together = entries.slice(0, end).filter((entry) => isTogether(entry, last)).length;
  return encodeCursor([last.atMs, String(last.version), together] satisfies Place);
}

const isTogether = (one: Entry, other: Entry): boolean =>
  one.atMs === other.atMs && one.version === other.version;

/** The same at each asking, also among what was written together. */
const newestFirst = (one: Entry, other: Entry): number => other.atMs - one.atMs
  || (one.version === other.version ? (nameOf(one) < nameOf(other) ? -1 : 1)
    : other.version > one.version ? 1 : -1);

const nameOf = ({ kind, key }: Entry): string => `${kind} ${key}`;

/** At least so many of what is kept, asked for page by page; what was written together is whole. */
async function collect(
  journal: Journal,
  { question, keep = () => true }: Source,
  { before: first, limit }: Pick<HistoryQuestion, 'before' | 'limit'>,
  abort: AbortSignal,
): Promise<Entry[]> {
  const found: Entry[] = [];
  let before = first;
  let size: number = limits.pageMax;
  for (let searched = 0; searched < limits.searchedMax; searched += size) {
    const entries = await journal.history(
      { ...question, limit: size, ...(before === undefined ? {} : { before }) }, abort);
    const last = entries.at(-1);
    if (last === undefined || entries.length < size) return [...found, ...entries.filter(keep)];
    const whole = entries.filter((entry) => !isTogether(entry, last));
    found.push(...whole.filter(keep));
    if (found.length >= limit) return found;
    // All of it was written together: more is asked for at once.
    if (whole.length === 0) size *= 2;
    const end = whole.at(-1);
    if (end !== undefined) before = { atMs: end.atMs, version: end.version };
  }
  return found;
}

const shown = ({ atMs, kind, key, name, state, severity, labels, value, actor, note, deleted,
  data }: Entry) => ({
  at: iso(atMs), kind, key, name, state: deleted && state === '' ? 'deleted' : state, severity,
  labels, value: Number.isFinite(value) ? value : null, actor, note, details: data,
});

const periodOf = ({ world: { clock } }: HistoryRouteOptions, asked: AskedPeriod) => {
  const nowMs = clock.nowMs();
  // What happens in this millisecond is inside.
  return readPeriod(asked, { nowMs, defaultMs: 7 * DAY_MS, defaultToMs: nowMs + 1 });
};

function kindsOf(text: string | undefined): readonly Kind[] {
  if (text === undefined) return HISTORY_KINDS;
  const kinds = text.split(',');
  const known: readonly string[] = HISTORY_KINDS;
  if (kinds.every((kind) => known.includes(kind))) return kinds as Kind[];
  throw invalid(`kind must be ${HISTORY_KINDS.join(', ')}, several with commas`);
}

/** What was posted, found, said, escalated and sent about one alert. */
function sourcesOf(options: HistoryRouteOptions, request: FastifyRequest): Source[] {
  const { id } = request.params as { id: string };
  const asked = request.query as Asked;
  const period = periodOf(options, asked);
  const now = alertsIn(options, options.world.clock.nowMs()).find(({ item }) => item.id === id);
  const name = now === undefined ? {} : { name: now.item.name };
  const groups = options.alerting.groups().filter(({ alerts }) =>
    alerts.some(({ alert }) => alert.fingerprint === id));
  return [
    { question: { ...period, kinds: ['posted', 'acknowledgement'], key: id } },
    { question: { ...period, kinds: ['alert'], ...name }, keep: ({ key }) => key.endsWith(id) },
    ...groups.flatMap(({ groupKey }): Source[] => [
      { question: { ...period, kinds: ['acknowledgement', 'escalation'], key: groupKey } },
      { question: { ...period, kinds: ['notification'] },
        keep: ({ key }) => key.startsWith(`${groupKey} `) },
    ]),
  ];
}

async function statsOf(options: HistoryRouteOptions, request: FastifyRequest, reply: FastifyReply) {
  const { clock } = options.world;
  const nowMs = clock.nowMs();
  const period = readPeriod(request.query as AskedPeriod,
    { nowMs, defaultMs: DAY_MS, defaultToMs: nowMs + 1 });
  const entries = await collect(options.journal, { question: { ...period, kinds: HISTORY_KINDS } },
    { limit: limits.figuresEntriesMax }, leavingOf(reply));
  return {
    now: countsOf(options, nowMs),
    from: iso(period.fromMs), to: iso(period.toMs),
    ...figuresOf(entries.reverse(), period),
    complete: entries.length < limits.figuresEntriesMax,
  };
}

function countsOf(options: HistoryRouteOptions, nowMs: number) {
  const items = alertsIn(options, nowMs).map(({ item }) => item);
  const active = items.filter(({ status }) => status !== 'resolved');
  const since = active.map(({ created_at: at }) => at).sort()[0] ?? null;
  return {
    active: active.length, oldest_since: since,
    silenced: active.filter((item) => item.silenced_by.length > 0).length,
    inhibited: active.filter((item) => item.inhibited_by.length > 0).length,
    by_state: countBy(items.map(({ status }) => status)),
    by_severity: countBy(active.map(({ severity }) => severity)),
    by_service: countBy(active.map(({ service }) => service)),
    by_name: countBy(active.map(({ name }) => name)),
  };
}

function countBy(names: readonly string[]): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([, one], [, other]) => other - one));
}

const ENTRY = { type: 'object', required: ['at', 'kind', 'key', 'state', 'actor', 'note'],
  additionalProperties: true };
const REFUSED = problems('A value cannot be right.');
const PAGING = { ...periodSchema('7 days'), limit: LIMIT_SCHEMA, cursor: CURSOR_SCHEMA };

const HISTORY_DOCS = {
  operationId: 'alertsHistory', summary: 'What happened to alerts, the newest first',
  tags: ['alerts'],
  querystring: { type: 'object', additionalProperties: false, properties: { ...PAGING,
    kind: { type: 'string', maxLength: 200, description: `${HISTORY_KINDS.join(', ')}, several `
      + 'with commas; all unless given.' },
    name: { type: 'string', maxLength: 200, description: 'Name of the alert.' } } },
  response: { 200: answers('The entries.', listSchema(ENTRY)), 400: REFUSED },
};

const OF_ONE_DOCS = {
  operationId: 'alertHistory', summary: 'What happened to one alert, the newest first',
  tags: ['alerts'], params: BY_ID,
  querystring: { type: 'object', additionalProperties: false, properties: PAGING },
  response: { 200: answers('The entries.', listSchema(ENTRY)), 400: REFUSED },
};

const STATS_DOCS = {
  operationId: 'alertsStats', summary: 'Counts of alerts, and how fast people were',
  tags: ['alerts'],
  querystring: { type: 'object', additionalProperties: false, properties: periodSchema('1 day') },
  response: { 200: answers('The figures.', { type: 'object', required: ['now', 'from', 'to'],
    additionalProperties: true }), 400: REFUSED },
};
