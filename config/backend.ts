// The configuration of a backend: all keys, their defaults, and what must hold between them. The
// parsed form has the keys of the YAML; durations are milliseconds, sizes bytes (see schema.ts).

import * as z from 'zod';
import { formatEndpoint, isLoopback, type Endpoint } from '../runtime/net.ts';
import { access } from './access.ts';
import { alerting, located } from './alerting.ts';
import { type ConfigProblem } from './errors.ts';
import { loadTree, throwProblems, type LoadOptions } from './loader.ts';
import { parseWith } from './parse.ts';
import { publish } from './publish.ts';
import { byteSize, count, duration, endpoint, fault, secret, section } from './schema.ts';
import { retention } from './retention.ts';
import { knownKeys } from './shape.ts';
import { serverTls, type ServerTlsConfig } from './tls.ts';
import type { ConfigTree } from './tree.ts';

const grpc = () => section({
  endpoint: endpoint().describe('Where OTLP over gRPC is taken in.').prefault('localhost:14317'),
  max_recv_msg_size_mib: count({ min: 1, max: 1024 })
    .describe('Largest message after decompression, in MiB.').default(64),
  tls: serverTls(),
});

const otlp = () => section({
  grpc: grpc(),
  max_in_flight_bytes: byteSize({ min: '1MiB' })
    .describe('Bytes of requests not yet answered; beyond it senders are told to try later.')
    .prefault('256MiB'),
});

const http = () => section({
  endpoint: endpoint()
    .describe('Where the API, OTLP over HTTP, health and the documentation are served.')
    .prefault('localhost:8080'),
  max_request_body_size: byteSize({ min: '1KiB', max: '1GiB' })
    .describe('Largest request body after decompression.').prefault('64MiB'),
  tls: serverTls(),
});

const sql = () => section({
  endpoint: endpoint()
    .describe('Where ClickHouse\'s HTTP interface is served, for Grafana, DBeaver and drivers.')
    .prefault('localhost:8123'),
  enabled: z.boolean().describe('Whether it is served.').default(true),
  tls: serverTls(),
});

const clickhouse = () => section({
  url: z.string().superRefine(checkClickHouseUrl)
    .describe('http(s)://host:8123 of a ClickHouse server; empty uses the embedded engine.')
    .default(''),
  username: z.string().describe('User of the server.').default('default'),
  password: secret().describe('Password of that user.').default(''),
  reader_username: z.string()
    .describe('User for analysts\' SQL, who may only read (docs/sql.md); empty for the same.')
    .default(''),
  reader_password: secret().describe('Password of that user.').default(''),
  database: z.string().regex(/^[A-Za-z_]\w*$/, 'must be a name of letters, digits and _')
    .describe('Database that holds the tables.').default('default'),
  cluster: z.string().regex(/^[\w.{}-]*$/, 'must be a name of letters, digits, ., - and _')
    .describe('Cluster name for ON CLUSTER and replicated tables; empty for one server.')
    .default(''),
});

const engine = () => section({
  memory_limit: byteSize({ min: '256MiB' })
    .describe('Memory that the embedded engine may use.').prefault('2GiB'),
  endpoint: endpoint().describe('Where the embedded engine listens; port 0 takes a free one.')
    .prefault('127.0.0.1:0'),
});

const ingest = () => section({
  flush_interval: duration({ min: '1ms', max: '60s' })
    .describe('Longest wait of a record before its insert begins.').prefault('100ms'),
  flush_rows: count({ min: 1 }).describe('Rows that start an insert at once.').default(100_000),
  flush_size: byteSize({ min: '1KiB' }).describe('Bytes that start an insert at once.')
    .prefault('64MiB'),
});

const query = () => section({
  max_execution_time: duration({ min: '1s' }).describe('Longest run of one query.')
    .prefault('60s'),
  max_result_rows: count({ min: 1 }).describe('Most rows that one query may return.')
    .default(1_000_000),
  max_rows_to_read: count().describe('Most rows that one query may read; 0: any.').default(0),
  max_bytes_to_read: byteSize().describe('Most bytes that one query may read; 0: any.')
    .prefault(0),
  max_result_bytes: byteSize().describe('Most bytes that one query may return; 0: any.')
    .prefault(0),
  max_memory: byteSize({ min: '16MiB' }).describe('Most memory that one query may use.')
    .prefault('1GiB'),
  max_concurrent: count({ min: 1, max: 1000 }).describe('Queries that run at the same time.')
    .default(4),
  max_threads: count({ max: 1000 })
    .describe('Threads of one query; 0: embedded half of the processors, else as the server says.')
    .default(0),
  max_waiting: count({ max: 10_000 }).describe('Queries that wait for one of these to end.')
    .default(32),
  max_wait: duration({ max: '10m' }).describe('Longest wait of a query for its turn.')
    .prefault('10s'),
});

const log = () => section({
  level: z.enum(['debug', 'info', 'warn', 'error'])
    .describe('Least important lines that are written.').default('info'),
  format: z.enum(['auto', 'json', 'text'])
    .describe('auto writes text to a terminal and JSON elsewhere.').default('auto'),
});

/** Made when it is asked for: it is of use only while a configuration is read. */
export const backendSchema = () => section({
  data_dir: z.string().min(1).describe('Folder for everything that is kept.').default('./data'),
  allow_unauthenticated_access: z.boolean()
    .describe('Allows other machines to connect without showing who they are.').default(false),
  access: access().describe('Who may ask, and how much.'),
  otlp: otlp().describe('OTLP from agents and SDKs.'),
  http: http().describe('The HTTP server.'),
  sql: sql().describe('SQL for clients of ClickHouse, which read only.'),
  clickhouse: clickhouse().describe('Where the data is stored.'),
  engine: engine().describe('The embedded engine.'),
  ingest: ingest().describe('How requests are gathered into inserts.'),
  query: query().describe('Limits of queries.'),
  retention: retention().describe('How long data is kept, and how much of it.'),
  alerting: alerting().describe('Rules, and who is told.'),
  publish: publish().describe('Where what is stored is handed on, while it comes.'),
  log: log().describe('The log of this process, on standard error.'),
}).superRefine(checkReach);

export type BackendConfig = z.output<ReturnType<typeof backendSchema>>;

export interface LoadedBackend {
  readonly config: BackendConfig;
  readonly tree: ConfigTree;
  /** What can be ignored, but should be said once at the start. */
  readonly warnings: readonly ConfigProblem[];
}

/** Reads files and environment. Throws ConfigError with everything that is wrong. */
export async function loadBackendConfig(options: LoadOptions): Promise<LoadedBackend> {
  const schema = backendSchema();
  const keysFor = () => (path: readonly (string | number)[]) => knownKeys(schema, path);
  const loaded = await loadTree(options, keysFor, isAgentVariable);
  const parsed = parseWith(schema, loaded.tree);
  if (parsed.ok) throwProblems(loaded.problems);
  else throwProblems([...loaded.problems, ...parsed.problems]);
  if (!parsed.ok) throw new TypeError('a failed parse without a problem');
  const config = { ...parsed.value, alerting: located(parsed.value.alerting, options.files) };
  return { config, tree: loaded.tree, warnings: loaded.warnings };
}

/** An agent on the same host may share the environment; `binnacle query` reads the last two. */
function isAgentVariable(name: string): boolean {
  const sections = 'RECEIVERS|PROCESSORS|EXPORTERS|CONNECTORS|EXTENSIONS|SERVICE';
  return new RegExp(`^BINNACLE_((${sections})_|(URL|TOKEN)$)`).test(name);
}

function checkClickHouseUrl(text: string, ctx: z.core.$RefinementCtx<unknown>): void {
  if (text === '') return;
  const hint = 'write http://host:8123 or https://host:8443';
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    return fault(ctx, 'is not an http or https URL', hint);
  }
  // Whoever prints the address would print the password with it.
  if (url.username !== '' || url.password !== '') {
    fault(ctx, 'must not hold a user or password',
      'write them to clickhouse.username and clickhouse.password');
  }
}

interface Reachable {
  readonly endpoint: Endpoint;
  readonly tls?: ServerTlsConfig | undefined;
}

/** Secure by default: only this machine may connect without showing who it is. */
function checkReach(
  config: {
    allow_unauthenticated_access: boolean;
    access: { tokens: readonly unknown[] };
    otlp: { grpc: Reachable };
    http: Reachable;
    sql: Reachable;
    engine: Reachable;
  },
  ctx: z.core.$RefinementCtx<unknown>,
): void {
  if (config.allow_unauthenticated_access) return;
  const check = (server: Reachable, path: string[]) => {
    // Tokens are not asked for by the engine itself.
    const isEngine = path[0] === 'engine';
    const authenticated = server.tls?.client_ca_file !== undefined
      || (!isEngine && config.access.tokens.length > 0);
    if (isLoopback(server.endpoint.host) || authenticated) return;
    const local = formatEndpoint({ ...server.endpoint, host: 'localhost' });
    const others = isEngine ? ''
      : 'make a token with `binnacle token create`, set tls.client_ca_file, ';
    fault(ctx, 'would let other machines connect without authentication',
      `${others}bind to ${local}, or set allow_unauthenticated_access: true`, path);
  };
  check(config.otlp.grpc, ['otlp', 'grpc', 'endpoint']);
  check(config.http, ['http', 'endpoint']);
  check(config.sql, ['sql', 'endpoint']);
  check(config.engine, ['engine', 'endpoint']);
}
