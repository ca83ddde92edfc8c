// Alertmanager's API v2, for what speaks it: amtool, Prometheus and others that send alerts,
// Grafana. Answers are Alertmanager's, also for mistakes: the text as JSON. Parameters that it
// does not know are let pass, as there. See docs/alerts.md.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../../runtime/clock.ts';
import type { Life } from '../alerting/life/life.ts';
import type { Post } from '../alerting/life/posting.ts';
import { compileMatchers, parseMatchers } from '../alerting/matchers.ts';
import type { Alerting, Matcher, PostedAlert, ShownAlert, Silence } from '../alerting/model.ts';
import { SilenceError, silenceState } from '../alerting/silences.ts';
import type { Labels } from '../labels/labels.ts';
import { callerOf } from './caller.ts';
import { problemOf } from './errors.ts';
import { DOCS } from './alertmanager_docs.ts';
import { refuseForeignPages } from './query.ts';

export const limits = {
  /** A longer body is refused. */
  bodyBytesMax: 32 * 1024 * 1024,
  /** Alerts of one request; more are refused. */
  alertsMax: 50_000,
  /** Invalid alerts that an answer names; the others are counted. */
  namedMax: 20,
} as const;

export interface AlertmanagerRouteOptions {
  readonly alerting: Alerting;
  readonly life: Pick<Life, 'endedAtMs'>;
  readonly post: Post;
  readonly clock: Clock;
  readonly version: string;
  /** When this backend began. */
  readonly startedMs: number;
  /** Names of the receivers, and the alerting file without its secrets. */
  readonly receivers: () => readonly string[];
  readonly configText: () => string;
}

/** Adds the routes to `app`, which must be a scope of its own: errors are answered otherwise. */
export function registerAlertmanager(
  app: FastifyInstance,
  options: AlertmanagerRouteOptions,
): void {
  app.addHook('onRequest', refuseForeignPages);
  answerErrors(app);
  const { alerting, clock } = options;
  const bodyLimit = limits.bodyBytesMax;
  for (const path of ['healthy', 'ready']) {
    app.get(`/-/${path}`, { schema: { hide: true } }, (_, reply) =>
      reply.type('text/plain; charset=utf-8').send('OK'));
  }
  app.get('/api/v2/status', { schema: DOCS.status }, () => statusOf(options));
  app.get('/api/v2/receivers', { schema: DOCS.receivers }, () =>
    options.receivers().map((name) => ({ name })));
  app.get('/api/v2/alerts', { schema: DOCS.alerts }, (request) => alertsOf(options, request));
  app.post('/api/v2/alerts', { schema: DOCS.postAlerts, bodyLimit }, (request, reply) =>
    take(options, request, reply));
  app.get('/api/v2/alerts/groups', { schema: DOCS.groups }, (request) =>
    groupsOf(options, request));
  app.get('/api/v2/silences', { schema: DOCS.silences }, (request) =>
    silencesOf(options, request));
  app.post('/api/v2/silences', { schema: DOCS.postSilence, bodyLimit }, (request) =>
    setSilence(options, request));
  app.get('/api/v2/silence/:id', { schema: DOCS.silence }, (request) => {
    const { id } = request.params as { id: string };
    const silence = alerting.silences().find((one) => one.id === id);
    if (silence === undefined) throw new AnswerError(404, `silence ${id} not found`);
    return gettable(silence, clock.nowMs());
  });
  app.delete('/api/v2/silence/:id', { schema: DOCS.deleteSilence }, async (request, reply) => {
    const { id } = request.params as { id: string };
    const isThere = await alerting.expireSilence(id, callerOf(request).name);
    if (!isThere) throw new AnswerError(404, `silence ${id} not found`);
    return reply.code(200).send();
  });
}

/** What is answered with a text. */
class AnswerError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler((error, _, reply) => {
    const isOurs = error instanceof AnswerError;
    const problem = isOurs ? null : problemOf(error);
    if (!isOurs && problem === null) throw error;
    const status = isOurs ? error.status : problem!.status;
    const text = isOurs ? error.message : problem!.message;
    // Who sends Alertmanager something tries again after 5xx only.
    return reply.code(status).type('application/json; charset=utf-8').send(JSON.stringify(text));
  });
}

function statusOf({ version, startedMs, configText }: AlertmanagerRouteOptions) {
  return {
    cluster: { status: 'disabled', peers: [] },
    versionInfo: { version, revision: '', branch: '', buildUser: '', buildDate: '', goVersion: '' },
    config: { original: configText() },
    uptime: iso(startedMs),
  };
}

const iso = (ms: number): string => new Date(ms).toISOString();

type Parameters = Readonly<Record<string, string | readonly string[] | undefined>>;

function flag(asked: Parameters, name: string): boolean {
  const text = asked[name];
  if (text === undefined || text === '' || text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  throw new AnswerError(400, `${name} must be true or false`);
}

function matchersIn(asked: Parameters): Matcher[] {
  return [asked['filter'] ?? []].flat().flatMap((text) => {
    const parsed = parseMatchers(text as string);
    if (!parsed.ok) throw new AnswerError(400, `bad matcher format: filter ${parsed.why}`);
    return parsed.matchers;
  });
}

/** A regular expression of receivers, as a test. It is linear, whatever somebody writes. */
function receiverTest(asked: Parameters): (receiver: string) => boolean {
  const source = asked['receiver'];
  if (source === undefined || source === '') return () => true;
  const matcher = { name: 'receiver', value: String(source), isRegex: true, isEqual: true };
  try {
    const fits = compileMatchers([matcher]);
    return (receiver) => fits({ receiver });
  } catch (error) {
    throw new AnswerError(400, `failed to parse receiver param: ${(error as Error).message}`);
  }
}

function shownTest({ clock, life }: AlertmanagerRouteOptions, asked: Parameters) {
  const [active, silenced, inhibited, unprocessed] =
    ['active', 'silenced', 'inhibited', 'unprocessed'].map((name) => flag(asked, name));
  const fits = compileMatchers(matchersIn(asked));
  const nowMs = clock.nowMs();
  return ({ alert, state, silencedBy, inhibitedBy }: ShownAlert): boolean =>
    alert.endsAtMs > nowMs && life.endedAtMs(alert) === null && fits(alert.labels)
    && (active! || state !== 'active') && (unprocessed! || state !== 'unprocessed')
    && (silenced! || silencedBy.length === 0) && (inhibited! || inhibitedBy.length === 0);
}

function alertsOf(options: AlertmanagerRouteOptions, request: FastifyRequest) {
  const asked = request.query as Parameters;
  const test = shownTest(options, asked);
  const isMeant = receiverTest(asked);
  return options.alerting.alerts()
    .filter((shown) => test(shown)
      && (shown.receivers.length === 0 ? isMeant('') : shown.receivers.some(isMeant)))
    .map(gettableAlert)
    .sort((one, other) => (one.fingerprint < other.fingerprint ? -1 : 1));
}

function gettableAlert({ alert, receivers, state, silencedBy, inhibitedBy, mutedBy }: ShownAlert) {
  const { labels, annotations, fingerprint, startsAtMs, endsAtMs, updatedAtMs } = alert;
  return {
    annotations, endsAt: iso(endsAtMs), fingerprint,
    receivers: receivers.map((name) => ({ name })), startsAt: iso(startsAtMs),
    status: { inhibitedBy, mutedBy, silencedBy, state },
    updatedAt: iso(updatedAtMs), generatorURL: alert.generatorUrl, labels,
  };
}

function groupsOf(options: AlertmanagerRouteOptions, request: FastifyRequest) {
  const asked = request.query as Parameters;
  const test = shownTest(options, asked);
  const isMeant = receiverTest(asked);
  const muted = flag(asked, 'muted');
  return options.alerting.groups().filter(({ receiver }) => isMeant(receiver))
    .filter(({ alerts }) => muted || alerts.some(({ mutedBy }) => mutedBy.length === 0))
    .map(({ labels, receiver, alerts }) => ({ labels, receiver: { name: receiver },
      alerts: alerts.filter(test).map(gettableAlert) }))
    .filter(({ alerts }) => alerts.length > 0);
}

interface PostableAlert {
  readonly labels: Labels;
  readonly annotations?: Labels;
  readonly startsAt?: string;
  readonly endsAt?: string;
  readonly generatorURL?: string;
}

async function take(
  { post }: AlertmanagerRouteOptions,
  request: FastifyRequest,
  reply: FastifyReply,
) {
  const written = request.body as readonly PostableAlert[];
  if (written.length > limits.alertsMax) {
    throw new AnswerError(400, `more than ${limits.alertsMax} alerts at once`);
  }
  const alerts = written.map(postedOf);
  const { refused } = await post(alerts, callerOf(request).name);
  if (refused.length === 0) return reply.code(200).send();
  const named = refused.slice(0, limits.namedMax)
    .map(({ index, why }) => `alert ${index} ${JSON.stringify(written[index]!.labels)}: ${why}`);
  const more = refused.length > named.length ? `; and ${refused.length - named.length} more` : '';
  throw new AnswerError(400, `${named.join('; ')}${more}`);
}

const postedOf = ({ labels, annotations = {}, startsAt, endsAt, generatorURL = '' }: PostableAlert):
  PostedAlert => ({
  labels, annotations, generatorUrl: generatorURL,
  startsAtMs: timeOf('startsAt', startsAt), endsAtMs: timeOf('endsAt', endsAt),
});

const RFC3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[-+]\d\d:\d\d)$/;

/** Null for none; Go writes the year 1 for it. */
function timeOf(name: string, text: string | undefined): number | null {
  if (text === undefined || text === '' || text.startsWith('0001-01-01T00:00:00')) return null;
  const ms = RFC3339.test(text) ? Date.parse(text) : NaN;
  if (Number.isFinite(ms)) return ms;
  throw new AnswerError(400, `${name} must be a time like 2026-01-02T03:04:05Z`);
}

const ORDER = ['active', 'pending', 'expired'] as const;

function silencesOf({ alerting, clock }: AlertmanagerRouteOptions, request: FastifyRequest) {
  const asked = request.query as Parameters;
  const wanted = matchersIn(asked);
  const states = ORDER.filter((state) => flag(asked, state));
  const nowMs = clock.nowMs();
  return alerting.silences().map((silence) => gettable(silence, nowMs))
    .filter(({ status: { state }, matchers }) => states.includes(state)
      && wanted.every((one) => matchers.some((other) => isSame(one, other))))
    .sort((one, other) => ORDER.indexOf(one.status.state) - ORDER.indexOf(other.status.state)
      || (one.status.state === 'expired' ? Date.parse(other.endsAt) - Date.parse(one.endsAt)
        : one.status.state === 'active' ? Date.parse(one.endsAt) - Date.parse(other.endsAt)
          : Date.parse(one.startsAt) - Date.parse(other.startsAt)));
}

const isSame = (one: Matcher, other: Matcher): boolean => one.name === other.name
  && one.value === other.value && one.isRegex === other.isRegex && one.isEqual === other.isEqual;

function gettable(silence: Silence, nowMs: number) {
  const { id, matchers, startsAtMs, endsAtMs, updatedAtMs, createdBy, comment } = silence;
  return {
    id, status: { state: silenceState(silence, nowMs) }, updatedAt: iso(updatedAtMs), comment,
    createdBy, endsAt: iso(endsAtMs), matchers, startsAt: iso(startsAtMs),
  };
}

interface PostableSilence {
  readonly id?: string;
  readonly matchers: ReadonlyArray<Omit<Matcher, 'isRegex' | 'isEqual'>
    & { readonly isRegex?: boolean; readonly isEqual?: boolean }>;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly createdBy: string;
  readonly comment: string;
}

async function setSilence({ alerting, clock }: AlertmanagerRouteOptions, request: FastifyRequest) {
  const { id = '', matchers, createdBy, comment, ...times } = request.body as PostableSilence;
  const startsAtMs = timeOf('startsAt', times.startsAt) ?? clock.nowMs();
  const endsAtMs = timeOf('endsAt', times.endsAt);
  if (endsAtMs === null || endsAtMs <= startsAtMs) {
    throw new AnswerError(400, 'Failed to create silence: start time must be before end time');
  }
  if (endsAtMs < clock.nowMs()) {
    throw new AnswerError(400, "Failed to create silence: end time can't be in the past");
  }
  if (id !== '' && !alerting.silences().some((silence) => silence.id === id)) {
    throw new AnswerError(404, `silence ${id} not found`);
  }
  const silence = {
    id, startsAtMs, endsAtMs, createdBy, comment,
    matchers: matchers.map(({ name, value, isRegex = false, isEqual = true }) =>
      ({ name, value, isRegex, isEqual })),
  };
  try {
    return { silenceID: await alerting.setSilence(silence, callerOf(request).name) };
  } catch (error) {
    throw error instanceof SilenceError ? new AnswerError(400, error.message) : error;
  }
}
