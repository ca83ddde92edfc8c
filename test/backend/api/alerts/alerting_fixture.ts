// An API server with the routes of alerts over a journal in memory and alerting made up of it: each
// posted alert is in one group by its name, for one receiver, and nothing is ever sent.

import { Readable } from 'node:stream';
import { createLife, type Life } from '../../../../backend/alerting/life/life.ts';
import { createPost } from '../../../../backend/alerting/life/posting.ts';
import { compileMatchers } from '../../../../backend/alerting/matchers.ts';
import type { Alert, Alerting, GroupEvent, PostedAlert, ShownAlert, Silence }
  from '../../../../backend/alerting/model.ts';
import { registerAlerts, type AlertsRouteOptions } from '../../../../backend/api/alerts/alerts.ts';
import type { Journal } from '../../../../backend/journal/journal.ts';
import { createMemoryJournal } from '../../../../backend/journal/memory.ts';
import { ALERT_NAME, fingerprintOf } from '../../../../backend/labels/labels.ts';
import type { GroupStatus } from '../../../../backend/rules/memory.ts';
import type { Rule } from '../../../../backend/rules/model.ts';
import type { RuleAlert } from '../../../../backend/rules/state.ts';
import { createWorld, type World } from '../../../../runtime/world.ts';
import { fakeStorage, startApi, type ApiChanges, type ApiFixture } from '../api_fixture.ts';

const RESOLVE_MS = 5 * 60_000;

export interface AlertsFixture extends ApiFixture {
  readonly options: AlertsRouteOptions;
  readonly journal: Journal;
  readonly alerting: Alerting;
  readonly life: Life;
  send(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown, token?: string):
    Promise<{ readonly status: number; readonly json: any; readonly text: string }>;
}

export async function startAlerts(
  changes: Partial<AlertsRouteOptions> & Pick<ApiChanges, 'tokens'> & {
    readonly register?: (app: any, options: AlertsRouteOptions) => void;
  } = {},
): Promise<AlertsFixture> {
  const { tokens = [], register = () => {}, ...more } = changes;
  const world = createWorld();
  const journal = createMemoryJournal(world.clock);
  const life = createLife({ journal, clock: world.clock });
  const alerting = createSmallAlerting(journal, life, world);
  const options: AlertsRouteOptions = {
    world, journal, life, alerting,
    post: createPost({ journal, clock: world.clock, alerts: () => alerting.alerts(),
      endedAtMs: life.endedAtMs.bind(life) }),
    status: () => [], notified: () => false,
    dashboard: () => () => {}, ...more,
  };
  await life.start();
  await alerting.start();
  const api = await startApi(fakeStorage(() => Readable.from([])), { tokens, others: [(app) => {
    void app.register(async (scope) => registerAlerts(scope, options));
    register(app, options);
  }] });
  return { ...api, options, journal, alerting, life, send: async (method, path, body, token) => {
    const { status, text } = await api.get(path, { method, headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    const isJson = text.startsWith('{') || text.startsWith('[') || text.startsWith('"');
    return { status, text, json: isJson ? JSON.parse(text) as unknown : null };
  } };
}

/** Keeps posted alerts and silences, and decides nothing. */
export function createSmallAlerting(journal: Journal, life: Life, { clock, random }: World):
  Alerting {
  const alerts = new Map<string, Alert>();
  const silences = new Map<string, Silence>();
  const heard = new Set<(event: GroupEvent) => void>();
  const keep = (posted: PostedAlert, atMs: number, origin: Alert['origin']) => {
    const fingerprint = fingerprintOf(posted.labels);
    const before = alerts.get(fingerprint);
    const isSame = before !== undefined && before.endsAtMs > atMs;
    alerts.set(fingerprint, { ...posted, fingerprint, origin, updatedAtMs: atMs,
      startsAtMs: Math.min(posted.startsAtMs ?? atMs, isSame ? before.startsAtMs : Infinity),
      endsAtMs: posted.endsAtMs ?? atMs + RESOLVE_MS, timeout: posted.endsAtMs === null });
  };
  const shownOf = (alert: Alert): ShownAlert => {
    const nowMs = clock.nowMs();
    const silencedBy = [...silences.values()]
      .filter(({ startsAtMs, endsAtMs, matchers }) => startsAtMs <= nowMs && nowMs < endsAtMs
        && compileMatchers(matchers)(alert.labels)).map(({ id }) => id);
    return { alert: { ...alert, endsAtMs: life.endedAtMs(alert) ?? alert.endsAtMs },
      silencedBy, inhibitedBy: [], mutedBy: [], acknowledgedBy: '', receivers: ['ops'],
      state: silencedBy.length > 0 ? 'suppressed' : 'active', flapping: false };
  };
  const write = (silence: Silence, actor: string, state: string) => journal.write([{
    kind: 'silence', key: silence.id, atMs: clock.nowMs(), actor, state, note: silence.comment,
    data: silence }], AbortSignal.timeout(1000));
  return {
    start: async () => {
      journal.follow(['posted', 'silence'], (entries) => {
        for (const { kind, atMs, data } of entries) {
          if (kind === 'posted') keep(data as PostedAlert, atMs, 'posted');
          else silences.set((data as Silence).id, data as Silence);
        }
      });
    },
    stop: async () => {},
    post: (posted) => posted.forEach((alert) => keep(alert, clock.nowMs(), 'rule')),
    alerts: () => [...alerts.values()].map(shownOf),
    groups: () => [...new Set([...alerts.values()].map(({ labels }) => labels[ALERT_NAME] ?? ''))]
      .map((name) => ({ groupKey: `{}:{alertname=${JSON.stringify(name)}}`, receiver: 'ops',
        labels: { [ALERT_NAME]: name }, alerts: [...alerts.values()]
          .filter(({ labels }) => (labels[ALERT_NAME] ?? '') === name).map(shownOf) })),
    silences: () => [...silences.values()],
    setSilence: async (silence, actor) => {
      const known = silences.has(silence.id);
      const id = known ? silence.id : random.uuid();
      await write({ ...silence, id, updatedAtMs: clock.nowMs() }, actor, known ? 'changed' : 'set');
      return id;
    },
    expireSilence: async (id, actor) => {
      const silence = silences.get(id);
      if (silence === undefined) return false;
      const nowMs = clock.nowMs();
      await write({ ...silence, endsAtMs: nowMs, updatedAtMs: nowMs }, actor, 'expired');
      return true;
    },
    follow: (hear) => {
      heard.add(hear);
      return () => void heard.delete(hear);
    },
  };
}

/** An alert of a rule, firing unless told otherwise. */
export function ruleAlert(
  alert: Pick<RuleAlert, 'labels' | 'annotations' | 'activeAtMs' | 'value'> & Partial<RuleAlert>,
): RuleAlert {
  return { fingerprint: fingerprintOf(alert.labels), severity: alert.labels['severity'] ?? '',
    state: 'firing', firedAtMs: null, resolvedAtMs: null, keepFiringSinceMs: null,
    lastSentAtMs: null, evidence: { traces: [], logs: [] }, ...alert };
}

/** What the evaluator would say of one group with one rule that has these alerts. */
export function statusOf(alerts: readonly RuleAlert[]): GroupStatus[] {
  const [first] = alerts;
  const level = { severity: first?.severity ?? '', forMs: 60_000,
    condition: { operator: '>' as const, value: 5, to: 5 } };
  const text = (value: string) => ({ text: value, render: () => value });
  const rule: Rule = {
    id: 'rule-1', name: first?.labels[ALERT_NAME] ?? 'Rule', levels: [level], keepFiringForMs: 0,
    source: { type: 'sql', sql: 'SELECT 7 AS value', overMs: 60_000 }, noData: 'ok',
    onError: 'keep', labels: { team: text('shop') }, annotations: {}, runbook: '', owner: '',
    text: 'alert: Soon', position: { file: 'shop.yaml', line: 3 },
  };
  const group = { file: 'shop.yaml', name: 'shop', intervalMs: 60_000, queryOffsetMs: 0, limit: 0,
    rules: [rule] };
  return [{ group, evaluatedAtMs: first?.activeAtMs ?? null, durationMs: 12, rules: [
    { rule, health: 'ok', lastError: '', evaluatedAtMs: first?.activeAtMs ?? null, durationMs: 12,
      alerts },
  ] }];
}
