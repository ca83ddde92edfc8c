// Rules, alerts and who is told, put together: what of it runs beside the rest of a backend, and
// the routes that show it. Several backends share one journal; one of them, which holds the lease,
// evaluates and notifies.

import { hostname } from 'node:os';
import type { FastifyInstance } from 'fastify';
import type { BackendConfig } from '../config/backend.ts';
import type { Environment } from '../config/substitution.ts';
import type { Component } from '../proto/contract/component.ts';
import type { Counters } from '../runtime/counters.ts';
import type { Log } from '../runtime/log.ts';
import { formatEndpoint } from '../runtime/net.ts';
import type { World } from '../runtime/world.ts';
import type { Caller } from './access/roles.ts';
import { createPost } from './alerting/life/posting.ts';
import { lifeSettings } from './alerting/life/settings.ts';
import { createDashboard } from './alerting/notifiers/dashboard.ts';
import { openAlertingFile } from './alerting_file.ts';
import { registerAlertmanager } from './api/alertmanager.ts';
import { registerAlerts } from './api/alerts/alerts.ts';
import { registerOnCall } from './api/alerts/on_call.ts';
import { registerBacktest } from './api/backtest.ts';
import { registerChannels } from './api/channels.ts';
import { registerPrometheus } from './api/prometheus.ts';
import { registerRules } from './api/rules.ts';
import { createChart } from './chart.ts';
import type { Gate } from './gate/gate.ts';
import { createLease, type Lease } from './journal/lease.ts';
import { createTableJournal, type TableJournal } from './journal/tables.ts';
import { createDeskMeasurer } from './measurer.ts';
import { createDesk } from './query/desk.ts';
import type { QueryLimits } from './query/limits.ts';
import { createRuleBook } from './rules/book.ts';
import { createEvaluator } from './rules/evaluator.ts';
import type { RuleMeasurer } from './rules/measuring/measurer.ts';
import type { AppendRequest, Storage } from './storage/contract.ts';
import { createTelling } from './telling.ts';

export const limits = {
  /** Questions of rules that wait for their turn, and how long; beyond it they fail. */
  waitingMax: 10_000,
  waitMs: 60_000,
  /** Questions at the same time of what alerting remembers. */
  ownMax: 4,
} as const;

/** Who asks what rules and alerting want to know. */
const RULES: Caller = { name: 'rules', role: 'admin', address: '' };

export interface AlertsOptions {
  readonly config: BackendConfig;
  readonly env: Environment;
  readonly version: string;
  readonly storage: Pick<Storage, 'query' | 'append'>;
  readonly gate: Gate;
  /** Of people's queries; those of rules get the same. */
  readonly limits: QueryLimits;
  /** How long records are kept at least. */
  readonly keptMs: number;
  readonly world: World;
  readonly log: Log;
  readonly counters: Counters;
}

export interface Alerts {
  /** In the order in which they start; the store must have started before. */
  readonly components: readonly Component[];
  register(app: FastifyInstance): Promise<void>;
}

/** Throws ConfigError. Nothing runs before the components are started. */
export async function createAlerts(options: AlertsOptions): Promise<Alerts> {
  const { config: { alerting: config }, env, version, world, log, counters } = options;
  const { clock, files, random } = world;
  const startedMs = clock.nowMs();
  const externalUrl = urlOf(options.config);
  const file = await openAlertingFile({ path: config.config_file, env, files, clock, log,
    counters });
  const { journal, lease, measurer } = createBase(options);
  const book = createRuleBook({
    files, clock, log, counters, journal, random,
    patterns: config.rules, thresholdsFile: config.thresholds_file, retentionMs: options.keptMs,
    check: (rule) => measurer.check(rule, AbortSignal.timeout(limits.waitMs)),
  });
  const dashboard = createDashboard();
  const telling = createTelling({ file, journal, lease, dashboard, externalUrl, world, log,
    counters, chart: createChart({ book, measurer, clock }) });
  const { alerting, life, courier, told } = telling;
  const evaluator = createEvaluator({ book, measurer, journal, lease, clock, log, counters,
    externalUrl, post: (alerts) => alerting.post(alerts) });
  const status = () => evaluator.status();
  const post = createPost({ journal, clock, alerts: () => alerting.alerts(),
    endedAtMs: (alert) => life.endedAtMs(alert) });
  return {
    components: [journal, lease, ...telling.components, book, evaluator],
    register: async (app) => {
      await app.register(async (scope) => registerAlerts(scope, { alerting, life, status, post,
        journal, world, notified: (alert) => told.notified(alert),
        dashboard: (heard) => dashboard.follow(heard) }));
      await app.register(async (scope) => registerChannels(scope, { channels: courier, log }));
      await app.register(async (scope) => registerAlertmanager(scope, { alerting, life, post,
        clock, version, startedMs, configText: () => file.config().shown,
        receivers: () => file.config().receivers.map(({ name }) => name) }));
      await app.register(async (scope) => registerOnCall(scope, { clock,
        rotations: () => lifeSettings(file.config().life).rotations }));
      await app.register(async (scope) => registerRules(scope, { book }));
      await app.register(async (scope) => registerBacktest(scope, { book, clock,
        retentionMs: options.keptMs, readSeries: measurer.readSeries,
        grouping: () => file.config().route,
        check: (rule, abort) => measurer.check(rule, abort),
        measureRange: (rule, period, abort) => measurer.measureRange(rule, period, abort) }));
      await app.register(async (scope) => registerPrometheus(scope, { clock, version, status }));
    },
  };
}

interface Base {
  readonly journal: TableJournal;
  readonly lease: Lease;
  readonly measurer: RuleMeasurer;
}

/** What everything else stands on: memory, the right to act, and the questions. */
function createBase(options: AlertsOptions): Base {
  const { config: { alerting: config }, world, storage, gate, log, counters } = options;
  const { clock, random } = world;
  const deskOf = (of: string, concurrentMax: number) => createDesk({
    storage, gate, world, log, counters, labels: { of },
    limits: { ...options.limits, concurrentMax, ...limits },
  });
  // A lease that waited behind the questions of rules would be lost.
  const own = deskOf('alerting', limits.ownMax);
  const desk = deskOf('rules', config.max_concurrent);
  const store = {
    ask: <Row extends object>(asked: { readonly sql: string;
      readonly params?: Readonly<Record<string, unknown>> }, abort: AbortSignal) =>
      own.rows<Row>(asked, RULES, abort),
    append: (asked: AppendRequest) => storage.append(asked),
  };
  const writer = `${hostname()}/${random.uuid()}`;
  return {
    journal: createTableJournal({ ...store, clock, writer, log, counters }),
    lease: config.enabled ? createLease({ ...store, clock, log, name: 'alerting', owner: writer,
      heldMs: config.lease }) : NEVER_HELD,
    measurer: createDeskMeasurer({ desk, gate, counters, log, caller: RULES }),
  };
}

/** Of a backend that is not to alert: it shows what the others do. */
const NEVER_HELD: Lease = {
  held: () => false, follow: () => () => {}, start: async () => {}, stop: async () => {},
};

/** A wide address is one of this machine; others know it by its name. */
function urlOf({ alerting, http: { endpoint, tls } }: BackendConfig): string {
  if (alerting.external_url !== '') return alerting.external_url.replace(/\/+$/, '');
  const isWide = endpoint.host === '0.0.0.0' || endpoint.host === '::';
  const host = isWide ? hostname() : endpoint.host;
  return `${tls === undefined ? 'http' : 'https'}://${formatEndpoint({ ...endpoint, host })}`;
}
