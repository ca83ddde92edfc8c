// `/api/alerts`: alerts as they are now, one of them, alerts that apps raise, and what people do
// about them. History, figures and the live stream are next door. See docs/alerts.md.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { LifeError, type Saying, type Target } from '../../alerting/life/life.ts';
import type { Post } from '../../alerting/life/posting.ts';
import type { Alert } from '../../alerting/model.ts';
import { mayDo } from '../../access/permissions.ts';
import { ANONYMOUS } from '../../access/roles.ts';
import { callerOf } from '../caller.ts';
import { ApiError } from '../errors.ts';
import { decodeCursor, invalid, pageOf, readDuration, readInstantNs, readLimit }
  from '../period.ts';
import { refuseForeignPages } from '../query.ts';
import { ACKNOWLEDGE_DOCS, LIST_DOCS, NOTE_DOCS, ONE_DOCS, POST_DOCS, RESOLVE_DOCS, SNOOZE_DOCS,
  UNACKNOWLEDGE_DOCS } from './docs.ts';
import { fitsAsked, type AskedAlerts } from './filter.ts';
import { registerHistory, type HistoryRouteOptions } from './history.ts';
import { postedOf, type WrittenAlert } from './shapes.ts';
import { alertsIn, notesOf, type Found } from './shown.ts';
import { registerStream, type StreamRouteOptions } from './stream.ts';

export const limits = {
  /** A longer body is refused. */
  bodyBytesMax: 1024 * 1024,
} as const;

export interface AlertsRouteOptions extends HistoryRouteOptions, StreamRouteOptions {
  readonly post: Post;
}

/** Adds the routes to `app`, which should be a scope of its own. */
export function registerAlerts(app: FastifyInstance, options: AlertsRouteOptions): void {
  app.addHook('onRequest', refuseForeignPages);
  const send = (reply: FastifyReply, found: object) =>
    reply.header('cache-control', 'no-store').send(found);
  app.get('/api/alerts', { schema: LIST_DOCS }, async (request, reply) =>
    send(reply, listOf(options, request)));
  app.get('/api/alerts/:id', { schema: ONE_DOCS }, async (request, reply) =>
    send(reply, detailOf(options, find(options, request))));
  app.post('/api/alerts', { schema: POST_DOCS, bodyLimit: limits.bodyBytesMax },
    async (request, reply) => reply.code(201).send(await take(options, request)));
  for (const { path, schema, act } of ACTIONS) {
    app.post(`/api/alerts/:id/${path}`, { bodyLimit: limits.bodyBytesMax, schema },
      async (request, reply) => {
        const found = find(options, request);
        await saying(act(options, found, request));
        return send(reply, detailOf(options, find(options, request)));
      });
  }
  registerHistory(app, options);
  registerStream(app, options);
}

interface Asked extends AskedAlerts {
  readonly limit?: string;
  readonly cursor?: string;
}

type Place = readonly [startsAtMs: number, id: string];

const isPlace = (place: unknown): place is Place => Array.isArray(place) && place.length === 2
  && Number.isSafeInteger(place[0]) && typeof place[1] === 'string';

function listOf(options: AlertsRouteOptions, request: FastifyRequest) {
  const asked = request.query as Asked;
  const limit = readLimit(asked.limit);
  const after = asked.cursor === undefined ? null : decodeCursor(asked.cursor, isPlace);
  const fits = fitsAsked(asked);
  const found = alertsIn(options, options.world.clock.nowMs())
    .filter(({ item, startsAtMs }) => fits(item) && (after === null || startsAtMs < after[0]
      || (startsAtMs === after[0] && item.id > after[1])));
  const { items, next } = pageOf(found, limit,
    ({ startsAtMs, item }): Place => [startsAtMs, item.id]);
  return { items: items.map(({ item }) => item), next };
}

function find(options: AlertsRouteOptions, request: FastifyRequest): Found {
  const { id } = request.params as { id: string };
  const found = alertsIn(options, options.world.clock.nowMs()).find(({ item }) => item.id === id);
  if (found !== undefined) return found;
  throw new ApiError('NOT_FOUND', 'there is no alert with this id, or not any more',
    `GET /api/alerts lists them; GET /api/alerts/${id}/history tells what it was`);
}

function detailOf({ alerting, life }: AlertsRouteOptions, { item, shown }: Found) {
  const groups = alerting.groups().filter(({ alerts }) =>
    alerts.some(({ alert }) => alert.fingerprint === item.id));
  const { notes, resolved } = life.said(item.id);
  const evidence = shown?.alert.evidence;
  return {
    ...item, notes: notesOf(notes),
    resolution: item.resolved_by === '' ? null : resolved!.note,
    groups: groups.map(({ groupKey, receiver, labels }) => ({ key: groupKey, receiver, labels })),
    evidence: evidence === undefined ? null : { traces: evidence.traces,
      logs: evidence.logs.map(({ atMs, body }) => ({ at: new Date(atMs).toISOString(), body })) },
  };
}

async function take({ post, world: { clock } }: AlertsRouteOptions, request: FastifyRequest) {
  const alert = postedOf(request.body as WrittenAlert, clock.nowMs());
  const { fingerprints, refused } = await post([alert], callerOf(request).name);
  if (refused.length > 0) throw invalid(`the alert cannot be taken: ${refused[0]!.why}`);
  return { status: 'success', message: 'Alert sent successfully.', id: fingerprints[0]! };
}

interface Said {
  readonly by?: string;
  readonly comment?: string;
  readonly note?: string;
  readonly resolution?: string;
  readonly text?: string;
  readonly until?: string;
  readonly for?: string;
  readonly group?: boolean;
}

interface Action {
  readonly path: string;
  readonly schema: object;
  readonly act: (options: AlertsRouteOptions, found: Found, request: FastifyRequest) =>
    Promise<unknown>;
}

const ACTIONS: readonly Action[] = [
  { path: 'acknowledge', schema: ACKNOWLEDGE_DOCS,
    act: (options, found, request) => {
      const untilMs = untilOf(options, request);
      const more = untilMs === null ? {} : { untilMs };
      return each(options, found, request, (target) =>
        options.life.acknowledge(target, { ...whoSays(request), ...more }));
    } },
  { path: 'unacknowledge', schema: UNACKNOWLEDGE_DOCS,
    act: (options, found, request) => each(options, found, request, (target) =>
      options.life.unacknowledge(target, whoSays(request))) },
  { path: 'snooze', schema: SNOOZE_DOCS,
    act: (options, found, request) => {
      const untilMs = untilOf(options, request);
      if (untilMs === null) throw invalid('a snooze needs until or for');
      return each(options, found, request, (target) =>
        options.life.snooze(target, { ...whoSays(request), untilMs }));
    } },
  { path: 'resolve', schema: RESOLVE_DOCS,
    act: (options, found, request) => {
      const { role } = callerOf(request);
      // Apps end what apps have raised; what rules found is ended by people.
      if (!mayDo(role, 'operate') && (found.item.origin === 'rule' || bodyOf(request).group)) {
        throw new ApiError('FORBIDDEN', `the role ${role} may resolve posted alerts only`);
      }
      return each(options, found, request, (target) =>
        options.life.resolve(target, whoSays(request)));
    } },
  { path: 'notes', schema: NOTE_DOCS,
    act: (options, found, request) => options.life.note({ alert: knownIn(found) },
      whoSays(request)) },
];

const bodyOf = (request: FastifyRequest): Said => (request.body ?? {}) as Said;

/** Anonymous people may say who they are; of others it is known. */
function whoSays(request: FastifyRequest): Saying {
  const { name } = callerOf(request);
  const { by = '', comment, note, resolution, text } = bodyOf(request);
  return { by: name === ANONYMOUS && by !== '' ? by : name,
    comment: comment ?? note ?? resolution ?? text ?? '' };
}

function untilOf({ world: { clock } }: AlertsRouteOptions, request: FastifyRequest): number | null {
  const { until, for: duration } = bodyOf(request);
  const nowMs = clock.nowMs();
  if (until !== undefined && duration !== undefined) throw invalid('give until or for, not both');
  if (duration !== undefined) return nowMs + readDuration('for', duration);
  if (until === undefined) return null;
  const untilMs = Number(readInstantNs('until', until, nowMs) / 1_000_000n);
  if (untilMs <= nowMs) throw invalid('until must be in the future');
  return untilMs;
}

/** The alert, or with `group: true` each group that it is in. */
async function each(
  { alerting, world: { clock } }: AlertsRouteOptions,
  found: Found,
  request: FastifyRequest,
  say: (target: Target) => Promise<void>,
): Promise<void> {
  const alert = knownIn(found);
  if (bodyOf(request).group !== true) return say({ alert });
  const nowMs = clock.nowMs();
  const groups = alerting.groups().filter(({ alerts }) =>
    alerts.some(({ alert: { fingerprint } }) => fingerprint === alert.fingerprint));
  if (groups.length === 0) throw invalid('the alert is in no group yet');
  for (const { groupKey, labels, alerts } of groups) {
    const firing = alerts.map((shown) => shown.alert).filter(({ endsAtMs }) => endsAtMs > nowMs);
    await say({ groupKey, labels, alerts: firing });
  }
}

function knownIn({ shown }: Found): Alert {
  if (shown !== null) return shown.alert;
  throw invalid('the alert is pending: there is nothing to do about it yet');
}

async function saying(said: Promise<unknown>): Promise<void> {
  try {
    await said;
  } catch (error) {
    throw error instanceof LifeError ? invalid(error.message) : error;
  }
}
