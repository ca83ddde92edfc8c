// Bad input over the wire, to agent and backend as processes: garbage, truncated, oversized and
// bombs, in protobuf, JSON and gzip, over gRPC and HTTP. Each is answered as OTLP says with a
// google.rpc.Status, and counted; the same connection and the same process take good records right
// after, which are stored. One record that cannot be stored is refused alone. The agent's queue is
// off here, so that its clients hear the verdict of the backend.
//
// Requests are made by an independent encoder (protobufjs) and sent over bare HTTP/2 and HTTP/1.1.

import assert from 'node:assert/strict';
import { Agent, request as httpRequest, type OutgoingHttpHeaders } from 'node:http';
import { connect, type ClientHttp2Session } from 'node:http2';
import { after, before, test, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { request } from 'undici';
import { METHODS } from '../../proto/grpc/methods.ts';
import { decodeStatus, statusFromJson, type RpcStatus } from '../../proto/otlp/status.ts';
import { createSeededRandom } from '../../runtime/random.ts';
import { frame } from '../proto/grpc/peer.ts';
import { PEER_REQUESTS, PEER_RESPONSES, peerDecode, peerEncode } from '../proto/peer.ts';
import { startStack, type Stack } from './stack.ts';

const MIB = 1024 * 1024;
const INVALID_ARGUMENT = 3;
const RESOURCE_EXHAUSTED = 8;
/** Smaller than the backend's, so that the agent has limits of its own. */
const AGENT_BYTES_MAX = 4 * MIB;
const BACKEND_BYTES_MAX = 64 * MIB;

let stack: Stack;
let agentMetrics: string;

before(async () => {
  stack = await startStack({
    // One request follows the other here, so none has company to wait for.
    backend: { ingest: { flush_interval: '2ms' } },
    exporter: { sending_queue: { enabled: false } },
    agent: () => ({
      receivers: { otlp: { protocols: {
        grpc: { endpoint: '127.0.0.1:0', max_recv_msg_size_mib: AGENT_BYTES_MAX / MIB },
        http: { endpoint: '127.0.0.1:0', max_request_body_size: AGENT_BYTES_MAX },
      } } },
      processors: { batch: { timeout: '10ms' } },
      service: {
        telemetry: { metrics: { address: '127.0.0.1:0' } },
        pipelines: {
          logs: { receivers: ['otlp'], processors: ['batch'], exporters: ['otlp'] },
          traces: { receivers: ['otlp'], processors: ['batch'], exporters: ['otlp'] },
        },
      },
    }),
  });
  agentMetrics = stack.addresses['Agent metrics']!;
});

after(() => stack?.stop());

interface Reply {
  readonly ok: boolean;
  /** The gRPC code, or the HTTP status. */
  readonly code: number;
  readonly status: RpcStatus | null;
  /** The message, when it is OK. */
  readonly message: Buffer;
}

/** A way in, with one connection that it keeps. */
interface Way {
  readonly bytesMax: number;
  readonly pid: () => number | undefined;
  readonly metrics: () => string;
  send(signal: 'logs' | 'traces', body: Sent): Promise<Reply>;
  /** Connections opened so far. */
  connections(): number;
  close(): void;
}

interface Sent {
  readonly bytes: Uint8Array;
  readonly gzip?: boolean;
  /** JSON over HTTP; protobuf unless set. */
  readonly json?: boolean;
}

const toAgent = { bytesMax: AGENT_BYTES_MAX, pid: () => stack.agent.pid,
  metrics: () => agentMetrics };
const toBackend = { bytesMax: BACKEND_BYTES_MAX, pid: () => stack.backend.pid,
  metrics: () => `${stack.url}/metrics` };

interface Entrance {
  readonly name: string;
  readonly grpc: boolean;
  open(): Way;
}

const ENTRANCES: readonly Entrance[] = [
  { name: 'agent gRPC', grpc: true,
    open: () => grpcWay(toAgent, `http://${stack.addresses['OTLP gRPC']}`) },
  { name: 'agent HTTP', grpc: false,
    open: () => httpWay(toAgent, `http://${stack.addresses['OTLP HTTP']}`) },
  { name: 'backend gRPC', grpc: true,
    open: () => grpcWay(toBackend, `http://${stack.addresses['OTLP from agents']}`) },
  { name: 'backend HTTP', grpc: false, open: () => httpWay(toBackend, stack.url) },
];

type WayFacts = Pick<Way, 'bytesMax' | 'pid' | 'metrics'>;

function grpcWay(facts: WayFacts, url: string): Way {
  let session: ClientHttp2Session | undefined;
  let connections = 0;
  const open = () => {
    if (session !== undefined && !session.closed && !session.destroyed) return session;
    connections += 1;
    // In MB: Node refuses streams of a session that holds more, such as an oversized message.
    session = connect(url, { maxSessionMemory: 1000 });
    session.on('error', () => {});
    return session;
  };
  return {
    ...facts,
    send: (signal, { bytes, gzip = false }) => grpcCall(open(), METHODS[signal], bytes, gzip),
    connections: () => connections,
    close: () => session?.destroy(),
  };
}

function grpcCall(
  session: ClientHttp2Session,
  path: string,
  bytes: Uint8Array,
  gzip: boolean,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const headers: Record<string, unknown> = {};
    const chunks: Buffer[] = [];
    const stream = session.request({
      ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers',
      ...(gzip ? { 'grpc-encoding': 'gzip' } : {}),
    });
    stream.on('response', (more) => Object.assign(headers, more));
    stream.on('trailers', (more) => Object.assign(headers, more));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', (error) => (headers['grpc-status'] === undefined ? reject(error) : null));
    stream.on('close', () => {
      const details = headers['grpc-status-details-bin'];
      const code = Number(headers['grpc-status']);
      resolve({
        ok: code === 0,
        code,
        status: typeof details === 'string' ? decodeStatus(Buffer.from(details, 'base64')) : null,
        message: Buffer.concat(chunks).subarray(5),
      });
    });
    stream.end(frame(bytes, gzip));
  });
}

function httpWay(facts: WayFacts, url: string): Way {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set<number>();
  return {
    ...facts,
    send: (signal, { bytes, gzip = false, json = false }) => httpCall(`${url}/v1/${signal}`, {
      'content-type': json ? 'application/json' : 'application/x-protobuf',
      'content-length': bytes.length,
      ...(gzip ? { 'content-encoding': 'gzip' } : {}),
    }, { bytes, json, agent, ports }),
    connections: () => ports.size,
    close: () => agent.destroy(),
  };
}

interface HttpSending {
  readonly bytes: Uint8Array;
  readonly json: boolean;
  readonly agent: Agent;
  /** Local ports that were used: one for each connection. */
  readonly ports: Set<number>;
}

function httpCall(
  url: string,
  headers: OutgoingHttpHeaders,
  { bytes, json, agent, ports }: HttpSending,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sending = httpRequest(url, { method: 'POST', headers, agent }, (answer) => {
      const chunks: Buffer[] = [];
      ports.add(answer.socket.localPort!);
      answer.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject);
      answer.on('end', () => {
        const message = Buffer.concat(chunks);
        const code = answer.statusCode!;
        const status = json ? statusFromJson : decodeStatus;
        resolve({ ok: code === 200, code, message, status: code === 200 ? null : status(message) });
      });
    });
    sending.on('error', reject).end(bytes);
  });
}

let named = 0;
const newName = () => `good-${(named += 1)}`;

const nowNs = (): string => `${Date.now()}000000`;

const logsPlain = (bodies: readonly string[]) => ({ resourceLogs: [{ scopeLogs: [{
  logRecords: bodies.map((body) => ({ timeUnixNano: nowNs(), body: { stringValue: body } })),
}] }] });

const logs = (...bodies: string[]) => peerEncode(PEER_REQUESTS.logs, logsPlain(bodies));

/** What must be refused whole, with the code over gRPC and over HTTP. */
function badRequests(bytesMax: number): Array<Sent & { name: string; grpc: number; http: number }> {
  const random = createSeededRandom(7);
  const whole = logs('never stored', 'nor this');
  const invalid = { grpc: INVALID_ARGUMENT, http: 400 };
  const tooLarge = { grpc: RESOURCE_EXHAUSTED, http: 413 };
  return [
    { name: 'garbage', bytes: Buffer.alloc(100, 0xff), ...invalid },
    { name: 'random bytes', bytes: Buffer.concat([Buffer.of(0x0a, 0x7f), random.bytes(20)]),
      ...invalid },
    { name: 'truncated', bytes: whole.subarray(0, whole.length - 5), ...invalid },
    { name: 'one byte', bytes: Buffer.of(0x0a), ...invalid },
    { name: 'no gzip', bytes: Buffer.from('this is no gzip'), gzip: true, ...invalid },
    { name: 'truncated gzip', bytes: gzipSync(whole).subarray(0, 30), gzip: true, ...invalid },
    { name: 'garbage in gzip', bytes: gzipSync(Buffer.alloc(100, 0xff)), gzip: true, ...invalid },
    { name: 'oversized', bytes: Buffer.alloc(bytesMax + MIB), ...tooLarge },
    { name: 'bomb', bytes: gzipSync(Buffer.alloc(2 * bytesMax)), gzip: true, ...tooLarge },
  ];
}

/** The same for JSON, which only HTTP takes. */
function badJson(bytesMax: number): Array<Sent & { name: string; http: number }> {
  const text = JSON.stringify(logsPlain(['never stored']));
  const bad = (name: string, body: string | Buffer, http = 400, gzip = false) =>
    ({ name, bytes: Buffer.from(body), json: true, gzip, http });
  return [
    bad('JSON: garbage', 'this is no JSON'),
    bad('JSON: empty', ''),
    bad('JSON: truncated', text.slice(0, -3)),
    bad('JSON: a list', '[]'),
    bad('JSON: wrong type', '{"resourceLogs": 5}'),
    bad('JSON: wrong number', text.replace(/"timeUnixNano":"\d+"/, '"timeUnixNano":"x"')),
    bad('JSON: nested without end', `{"resourceLogs":${'['.repeat(100_000)}`),
    bad('JSON: no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22])),
    bad('JSON: garbage in gzip', gzipSync('no JSON'), 400, true),
    bad('JSON: bomb', gzipSync(' '.repeat(2 * bytesMax)), 413, true),
  ];
}

for (const entrance of ENTRANCES) {
  const { name, grpc } = entrance;
  test(`bad input: ${name} answers, counts and lives on`, async (t) => {
    const way = opened(t, entrance);
    const bad = grpc ? badRequests(way.bytesMax)
      : [...badRequests(way.bytesMax), ...badJson(way.bytesMax)];
    const pid = way.pid();
    const good: string[] = [];
    const sendGood = async () => {
      const body = newName();
      const reply = await way.send('logs', { bytes: logs(body) });
      assert.ok(reply.ok, `good after bad: ${reply.code} ${reply.status?.message}`);
      good.push(body);
    };
    await sendGood();
    const countedBefore = await badCount(way.metrics());
    for (const sent of bad) {
      const reply = await way.send('logs', sent);
      const wanted = grpc && 'grpc' in sent ? sent.grpc : sent.http;
      assert.equal(reply.code, wanted, `${sent.name}: ${reply.status?.message}`);
      assert.ok(reply.status !== null && reply.status.message.length > 5, sent.name);
      const rpc = wanted === 400 ? INVALID_ARGUMENT : RESOURCE_EXHAUSTED;
      assert.equal(reply.status.code, grpc ? wanted : rpc, sent.name);
      assert.equal(reply.status.retryAfterMs, undefined, `${sent.name} must not be sent again`);
      await sendGood();
    }
    assert.equal(await badCount(way.metrics()) - countedBefore, bad.length);
    assert.equal(way.connections(), 1, 'one connection for all');
    assert.equal(way.pid(), pid, 'the process lives on');
    await checkStored(good);
  });
}

function opened(t: TestContext, entrance: Entrance): Way {
  const way = entrance.open();
  t.after(() => way.close());
  return way;
}

async function badCount(url: string): Promise<number> {
  const { body } = await request(url);
  const lines = (await body.text()).split('\n');
  return lines.filter((line) => /^\w*otlp_bad_requests_total[{ ]/.test(line))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

async function checkStored(bodies: readonly string[]): Promise<void> {
  const list = bodies.map((body) => `'${body}'`).join(',');
  const rows = await stack.rows<{ Body: string }>(
    `SELECT Body FROM otel_logs WHERE Body IN (${list}) ORDER BY Body`);
  assert.deepEqual(rows.map(({ Body }) => Body), [...bodies].sort());
  const never = await stack.rows("SELECT 1 FROM otel_logs WHERE Body LIKE '%never%'");
  assert.deepEqual(never, []);
}

const TRACE_ID = '5b8efff798038103d269b633813fc60c';
const SHORT_TRACE_ID = '0102030405';

function span(name: string, traceId: string) {
  const startTimeUnixNano = nowNs();
  return { name, traceId, spanId: 'eee19b7ec3c1b174', startTimeUnixNano,
    endTimeUnixNano: startTimeUnixNano };
}

const spansPlain = (spans: ReadonlyArray<ReturnType<typeof span>>) =>
  ({ resourceSpans: [{ scopeSpans: [{ spans }] }] });

/** Ids are hex in OTLP's JSON, and bytes in protobuf. */
function spansBytes(spans: ReadonlyArray<ReturnType<typeof span>>): Uint8Array {
  return peerEncode(PEER_REQUESTS.traces, spansPlain(spans.map((one) => ({
    ...one,
    traceId: Buffer.from(one.traceId, 'hex') as never,
    spanId: Buffer.from(one.spanId, 'hex') as never,
  }))));
}

for (const entrance of ENTRANCES) {
  const { name, grpc } = entrance;
  test(`partial success: ${name} refuses one bad span alone`, async (t) => {
    const way = opened(t, entrance);
    for (const json of grpc ? [false] : [false, true]) {
      const [first, bad, last] = [newName(), newName(), newName()];
      const spans = [span(first, TRACE_ID), span(bad, SHORT_TRACE_ID), span(last, TRACE_ID)];
      const bytes = json ? Buffer.from(JSON.stringify(spansPlain(spans))) : spansBytes(spans);
      const reply = await way.send('traces', { bytes, json });
      assert.ok(reply.ok, reply.status?.message);
      const { partialSuccess } = (json ? JSON.parse(reply.message.toString())
        : peerDecode(PEER_RESPONSES.traces, reply.message)) as
        { partialSuccess: { rejectedSpans: string; errorMessage: string } };
      assert.equal(partialSuccess.rejectedSpans, '1');
      assert.match(partialSuccess.errorMessage, /trace id/);
      const rows = await stack.rows<{ SpanName: string }>(
        `SELECT SpanName FROM otel_traces WHERE SpanName IN ('${first}', '${bad}', '${last}')
         ORDER BY SpanName`);
      assert.deepEqual(rows.map(({ SpanName }) => SpanName), [first, last].sort());
    }
  });
}

test('partial success: what was refused is counted by agent and backend', async () => {
  const value = async (url: string, pattern: RegExp) => {
    const text = await (await request(url)).body.text();
    return Number(pattern.exec(text)?.[1]);
  };
  assert.equal(await value(`${stack.url}/metrics`,
    /^binnacle_ingest_records_total\{signal="traces",verdict="rejected"\} (\d+)$/m), 6);
  assert.equal(await value(`${stack.url}/metrics`,
    /^binnacle_ingest_records_total\{signal="traces",verdict="stored"\} (\d+)$/m), 12);
  assert.equal(await value(agentMetrics,
    /^otelcol_receiver_refused_spans_total\{[^}]*\} (\d+)$/m), 3);
});
