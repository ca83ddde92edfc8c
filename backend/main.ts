// A backend process: engine (unless there is a server), storage, intake, API; started in that
// order and stopped in the opposite one, so that everything that was taken in can be answered.

import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { loadBackendConfig, type BackendConfig, type LoadedBackend } from '../config/backend.ts';
import { describeProblem } from '../config/errors.ts';
import type { ServerTlsConfig } from '../config/tls.ts';
import type { Environment } from '../config/substitution.ts';
import { createAdmission, type Admission } from '../proto/contract/admission.ts';
import { createOtlpGrpcServer } from '../proto/grpc/server.ts';
import { registerOtlpHttp } from '../proto/http/server.ts';
import type { ServerTlsOptions } from '../proto/tls.ts';
import { createCounters, type Counters } from '../runtime/counters.ts';
import { OperatorError } from '../runtime/errors.ts';
import type { Running } from '../runtime/lifecycle.ts';
import { createProcessLog, type Log } from '../runtime/log.ts';
import { formatEndpoint } from '../runtime/net.ts';
import { createWorld, type World } from '../runtime/world.ts';
import { createAccess, type Access } from './access/access.ts';
import { createAlerts } from './alerts.ts';
import { callerLimits, ingestAuthorization, tokensOf } from './access/settings.ts';
import { createApiServer } from './api/app.ts';
import { createDriverServer, type DriverServer } from './drivers/server.ts';
import { createHealthBoard, type HealthBoard, type HealthCheck } from './health/health.ts';
import { countProcess } from './health/process.ts';
import { createIntake } from './intake/intake.ts';
import type { Gate } from './gate/gate.ts';
import { createStoreGate } from './query/admission.ts';
import { createDeletedLogs } from './logs/deleted.ts';
import { createAudit, type Audit } from './query/audit.ts';
import { createDesk, type Desk } from './query/desk.ts';
import type { QueryLimits } from './query/limits.ts';
import { limits as evictionLimits, type DiskAmount } from './storage/clickhouse/eviction.ts';
import { shortestMs, type Retention } from './storage/clickhouse/retention.ts';
import { createClickHouseStorage, type ClickHouseStorage }
  from './storage/clickhouse/storage.ts';
import type { Storage } from './storage/contract.ts';
import { createTailHub, type TailHub } from './tail/hub.ts';
import { createNatsPublisher, type NatsPublisher } from './tail/nats.ts';
import { createEngine, type Engine } from './storage/engine/supervisor.ts';

const SETTING_GRPC = 'otlp.grpc';
const SETTING_HTTP = 'http';
const SETTING_SQL = 'sql';
const MIB = 1024 * 1024;

/** Of the engine's memory, for all queries; a quarter is for merges, the rest for the others. */
const QUERY_MEMORY_SHARE = 0.5;

/** Requests at the same time over both transports; more are told to come again. */
const REQUESTS_MAX = 1024;

export interface BackendSources {
  /** YAML files, merged left to right. */
  readonly files: readonly string[];
  readonly env: Environment;
}

export interface BackendOptions extends BackendSources {
  readonly version: string;
  /** Fires when the process is asked to end before it has started. */
  readonly abort: AbortSignal;
}

/** Throws ConfigError with everything that is wrong. */
export function readBackendConfig({ files, env }: BackendSources): Promise<LoadedBackend> {
  return loadBackendConfig({ files, env, disk: createWorld().files });
}

export async function startBackend(options: BackendOptions): Promise<Running> {
  const { config, warnings } = await readBackendConfig(options);
  const world = createWorld();
  const log = createProcessLog('backend', config.log);
  for (const warning of warnings) log.warn(describeProblem(warning));
  const parts = await buildParts(config, options, world, log);
  const started: Stoppable[] = [];
  const stop = async (deadline: AbortSignal) => {
    for (let part = started.pop(); part !== undefined; part = started.pop()) {
      await part.stop(deadline);
    }
  };
  const interrupt = () => void stop(AbortSignal.timeout(STOP_AFTER_FAILURE_MS));
  options.abort.addEventListener('abort', interrupt, { once: true });
  try {
    for (const part of parts.components) {
      if (options.abort.aborted) throw new OperatorError('stopped before it was started', '');
      started.push(part);
      await part.start();
    }
  } catch (error) {
    await stop(AbortSignal.timeout(STOP_AFTER_FAILURE_MS));
    throw error;
  }
  options.abort.removeEventListener('abort', interrupt);
  return { failed: parts.failed, addresses: parts.addresses(), stop };
}

/** Time for what was started before something else could not start. */
const STOP_AFTER_FAILURE_MS = 5000;

/** A component, or the engine, whose `start` has something to say. */
interface Stoppable {
  start(): Promise<unknown>;
  stop(deadline: AbortSignal): Promise<void>;
}

interface Parts {
  /** In the order in which they start. */
  readonly components: readonly Stoppable[];
  readonly failed: Promise<never>;
  addresses(): Record<string, string>;
}

async function buildParts(
  config: BackendConfig,
  { version, env }: BackendOptions,
  world: World,
  log: Log,
): Promise<Parts> {
  const counters = createCounters();
  const retention = retentionOf(config);
  const engine = config.clickhouse.url === '' ? engineOf(config, log) : null;
  const storage = storageOf(config, engine, { world, log, counters });
  const tail = createTailHub(world.clock, counters);
  const intake = createIntake({ counters, writer: storage.writer, stored: tail.offer });
  const { max_in_flight_bytes: bytesMax } = config.otlp;
  const admission = createAdmission({ bytesMax, requestsMax: REQUESTS_MAX });
  countProcess(counters, world.clock, version);
  countWaiting(counters, admission);
  if (engine !== null) countEngine(counters, engine);
  const gate = createStoreGate(storage, config.clickhouse.database);
  const limits = queryLimits(config, engine);
  const { access, audit, desk } = askingOf(config, { storage, gate, limits }, { world, log,
    counters });
  const keptMs = keptOf(retention);
  const alerts = await createAlerts({ config, env, version, storage, gate, limits, world, log,
    counters, keptMs: shortestKeptMs(config) });
  const grpcTls = tlsOptions(config.otlp.grpc.tls);
  const grpc = createOtlpGrpcServer({
    endpoint: config.otlp.grpc.endpoint,
    setting: SETTING_GRPC,
    world,
    consumer: intake,
    counters,
    admission,
    messageBytesMax: config.otlp.grpc.max_recv_msg_size_mib * MIB,
    ...(grpcTls === undefined ? {} : { tls: grpcTls }),
    ...ingestAuthorization(config, access, config.otlp.grpc),
  });
  const api = createApiServer({
    ...{ log, version, desk, audit, store: storage, access, counters, world, tail },
    consume: (batch, abort) => intake.consume(batch, abort),
    deleted: createDeletedLogs(world.clock, storage),
    endpoint: config.http.endpoint,
    setting: SETTING_HTTP,
    tls: tlsOptions(config.http.tls),
    bodyBytesMax: config.http.max_request_body_size,
    keptMs,
    health: healthOf(storage, world, version),
    others: [alerts.register, (app) => registerOtlpHttp(app, {
      ...{ consumer: intake, counters, admission, stopping: () => !intake.open() },
      ...ingestAuthorization(config, access, config.http),
      bodyBytesMax: config.http.max_request_body_size,
    })],
  });
  const drivers = driversOf(config, access, { world, log, desk });
  return {
    components: [...(engine === null ? [] : [engine]), storage, audit,
      ...publishersOf(config, tail, { world, log, counters }), ...alerts.components, grpc, api,
      ...(drivers === null ? [] : [drivers]), intake],
    failed: engine?.failed ?? new Promise<never>(() => {}),
    addresses: () => ({
      'SQL and API': api.url(),
      ...(drivers === null ? {} : { 'SQL for ClickHouse clients': driversUrl(config, drivers) }),
      'OTLP from agents': formatEndpoint(grpc.endpoint()),
      'API documentation': `${api.url()}/docs`,
      ClickHouse: engine === null ? config.clickhouse.url : `${engine.url} (embedded)`,
    }),
  };
}

/** How long every record is kept at least. */
export const shortestKeptMs = (config: BackendConfig): number =>
  Math.min(...Object.values(keptOf(retentionOf(config))));

/** How long records of each signal are kept at least. */
const keptOf = (retention: Retention) => ({
  logs: shortestMs(retention, 'logs'),
  traces: shortestMs(retention, 'traces'),
  metrics: shortestMs(retention, 'metrics'),
});

const healthOf = (storage: ClickHouseStorage, { clock }: World, version: string): HealthBoard =>
  createHealthBoard({
    clock, version, checks: { clickhouse: storageCheck(storage), space: spaceCheck(storage) },
  });

function publishersOf(
  config: BackendConfig,
  hub: TailHub,
  { world: { clock }, log, counters }: { world: World; counters: Counters; log: Log },
): NatsPublisher[] {
  const { nats } = config.publish;
  if (nats.servers.length === 0) return [];
  return [createNatsPublisher({ config: nats, hub, clock, log, counters })];
}

/** Who may ask, and where questions are handed in. */
function askingOf(
  config: BackendConfig,
  asked: { storage: Storage; gate: Gate; limits: QueryLimits },
  shared: { world: World; counters: Counters; log: Log },
): { access: Access; audit: Audit; desk: Desk } {
  const limitsOf = callerLimits(config.access, asked.limits);
  const { clock } = shared.world;
  const audit = createAudit({ ...shared, storage: asked.storage, clock });
  return {
    audit,
    access: createAccess({ ...shared, clock, tokens: tokensOf(config.access) }),
    desk: createDesk({ ...shared, ...asked, limitsOf, audit }),
  };
}

function driversOf(
  config: BackendConfig,
  access: Access,
  shared: { world: World; log: Log; desk: Desk },
): DriverServer | null {
  const { sql, clickhouse } = config;
  if (!sql.enabled) return null;
  return createDriverServer({
    ...shared,
    endpoint: sql.endpoint,
    setting: SETTING_SQL,
    tls: tlsOptions(sql.tls),
    database: clickhouse.database,
    authenticate: (credentials, address) => access.callerForSql(credentials?.token, address),
  });
}

const driversUrl = ({ sql }: BackendConfig, drivers: DriverServer): string =>
  `${sql.tls === undefined ? 'http' : 'https'}://${formatEndpoint(drivers.endpoint())}`;

function queryLimits(config: BackendConfig, engine: Engine | null): QueryLimits {
  const { query } = config;
  return {
    executionMsMax: query.max_execution_time,
    resultRowsMax: query.max_result_rows,
    memoryBytesMax: query.max_memory,
    readRowsMax: query.max_rows_to_read,
    readBytesMax: query.max_bytes_to_read,
    resultBytesMax: query.max_result_bytes,
    concurrentMax: query.max_concurrent,
    waitingMax: query.max_waiting,
    waitMs: query.max_wait,
    ...threadsOf(config, engine),
    memoryPoolBytes: engine === null ? null : config.engine.memory_limit * QUERY_MEMORY_SHARE,
  };
}

/** A server knows its own processors, and what else it has to do. */
function threadsOf({ query }: BackendConfig, engine: Engine | null): { threadsMax?: number } {
  if (query.max_threads > 0) return { threadsMax: query.max_threads };
  return engine === null ? {} : { threadsMax: Math.max(1, availableParallelism() >> 1) };
}

function engineOf(config: BackendConfig, log: Log): Engine {
  return createEngine({
    path: join(resolve(config.data_dir), 'engine'),
    host: config.engine.endpoint.host,
    port: config.engine.endpoint.port,
    memoryBytes: config.engine.memory_limit,
    log,
  });
}

function countWaiting(counters: Counters, admission: Admission): void {
  counters.gauge('binnacle_otlp_in_flight_bytes', 'Bytes of OTLP requests without an answer yet.',
    () => admission.bytes());
  counters.gauge('binnacle_otlp_in_flight_requests', 'OTLP requests without an answer yet.',
    () => admission.requests());
}

function countEngine(counters: Counters, engine: Engine): void {
  counters.gauge('binnacle_engine_up', 'Whether the embedded engine\'s process runs: 1 or 0.',
    () => Number(engine.pid !== null));
  counters.counterFrom('binnacle_engine_restarts_total',
    'Starts of the embedded engine after the first.', () => engine.restarts);
}

function storageOf(
  config: BackendConfig,
  engine: Engine | null,
  shared: { world: World; log: Log; counters: Counters },
): ClickHouseStorage {
  const { clickhouse, ingest, otlp, retention } = config;
  const embedded = engine !== null;
  return createClickHouseStorage({
    ...shared,
    url: () => engine?.url ?? clickhouse.url,
    username: clickhouse.username,
    password: clickhouse.password,
    reader: embedded || clickhouse.reader_username === '' ? null
      : { username: clickhouse.reader_username, password: clickhouse.reader_password },
    database: clickhouse.database,
    cluster: clickhouse.cluster === '' ? null : clickhouse.cluster,
    flush: {
      intervalMs: ingest.flush_interval,
      rows: ingest.flush_rows,
      bytes: ingest.flush_size,
      waitingBytesMax: otlp.max_in_flight_bytes,
    },
    retention: retentionOf(config),
    space: {
      maxSize: diskAmount(retention.max_size, embedded ? EMBEDDED_MAX_SIZE : null),
      minFree: diskAmount(retention.min_free, embedded ? EMBEDDED_MIN_FREE : null),
    },
  });
}

function retentionOf({ retention }: BackendConfig): Retention {
  const kept = ({ logs, traces, metrics }: Record<'logs' | 'traces' | 'metrics',
    number | undefined>) => ({ logsMs: logs, tracesMs: traces, metricsMs: metrics });
  const { logs: logsMs, traces: tracesMs, metrics: metricsMs } = retention;
  const services = retention.services.map((rule) =>
    ({ services: rule.services, ...kept({ ...NOTHING_SAID, ...rule }) }));
  return { logsMs, tracesMs, metricsMs, services };
}

const NOTHING_SAID = { logs: undefined, traces: undefined, metrics: undefined };

/** What `auto` means with the engine, which has a disk with others on it; elsewhere it is off. */
const EMBEDDED_MAX_SIZE: DiskAmount = { share: 0.8 };
const EMBEDDED_MIN_FREE: DiskAmount = { bytes: 2 * 1024 * MIB };

const diskAmount = (
  written: DiskAmount | 'auto' | null,
  automatic: DiskAmount | null,
): DiskAmount | null => (written === 'auto' ? automatic : written);

/** Never worse than degraded: what is sent is taken in, whatever the tables take. */
function spaceCheck(storage: ClickHouseStorage): HealthCheck {
  return async () => {
    const { bytes, limitBytes, ratio, oldestDay, evictedRows, problem } = storage.space();
    const limit = limitBytes === null ? {} : {
      limit_bytes: Math.round(limitBytes),
      used_percent: Math.round(ratio * 100),
      ...(ratio < evictionLimits.warnShare ? {} : { note: 'near the limit; the oldest days go' }),
    };
    const details = { bytes, ...limit, oldest_day: oldestDay, evicted_rows: evictedRows };
    if (problem !== '') return { status: 'degraded', reason: problem, details };
    return { status: 'healthy', details };
  };
}

function storageCheck(storage: Storage): HealthCheck {
  return async () => {
    const health = await storage.ping();
    if (!health.up) return { status: 'unhealthy', reason: health.reason };
    const { version, latencyMs } = health;
    return { status: 'healthy', details: { version, latency_ms: Math.round(latencyMs) } };
  };
}

function tlsOptions(tls: ServerTlsConfig | undefined): ServerTlsOptions | undefined {
  if (tls === undefined) return undefined;
  const { cert_file: certFile, key_file: keyFile, client_ca_file: clientCaFile } = tls;
  return { certFile, keyFile, ...(clientCaFile === undefined ? {} : { clientCaFile }) };
}
