// What the backend's way in costs: from a request on the wire to the body of an insert (B1), and
// beside what the engine spends on the same rows (B2). Processor time of whole processes.
//
//   npm run bench -- ingest [--spans N] [--rounds N] [--senders N]
//
// B1: gRPC, transcoder, HTTP body, in a process of their own (ingest_process.ts), in requests of
// 1,000 spans with ids of batches; the store is an HTTP server that reads and answers. Beside it
// grpc-js alone, which takes the same bytes and answers. Then the same with awkward requests.
//
// B2: the same process in front of an engine with our tables, where merges stand still. Beside it
// the engine alone: INSERT … FROM INFILE … FORMAT Native of as many rows in blocks of the same
// size, in a process without HTTP. What it takes to merge the rows that came through us is a figure
// of its own.
//
// Every variant is a fresh process in each round, warmed up first. Linux only.

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from '../../backend/storage/clickhouse/client.ts';
import { insertSettings, quotedColumns } from '../../backend/storage/clickhouse/insert.ts';
import { rowNames } from '../../backend/storage/clickhouse/transcode/names.ts';
import { Transcoder } from '../../backend/storage/clickhouse/transcode/transcoder.ts';
import { createEngine } from '../../backend/storage/engine/supervisor.ts';
import { Batch } from '../../proto/contract/batch.ts';
import { createOtlpGrpcClient } from '../../proto/grpc/client.ts';
import { parseEndpoint } from '../../runtime/net.ts';
import { NEVER, startStorage, storageOptions }
  from '../backend/storage/clickhouse/storage_fixture.ts';
import { AWKWARD } from './awkward.ts';
import { atMost, cpuUsOf, inTurns, median, options, ratioAtMost, report, type Figure }
  from './figures.ts';
import { sleep, startProcess, world } from './processes.ts';
import { createSpanRequests } from './span_requests.ts';

const { spans, rounds, senders } = options({ spans: 300_000, rounds: 3, senders: 48 });
const SPANS_PER_REQUEST = 1000;
const WARM_SHARE = 1 / 2;
/** How long the store that keeps nothing takes for an insert. */
const COMMIT_MS = 100;
const AWKWARD_BYTES = 20e6;
const AWKWARD_REQUESTS_MAX = 2000;
const TABLES = ['otel_traces', 'otel_traces_trace_id_ts', 'binnacle_batches'];
const PROCESS = new URL('ingest_process.ts', import.meta.url).pathname;

/** What is sent: the bytes of a number, from 0 on. */
interface Load {
  readonly requests: number;
  readonly spans: number;
  readonly bytesOf: (number: number) => Uint8Array;
}

const requestOf = createSpanRequests(SPANS_PER_REQUEST);
const ordinary: Load = {
  requests: Math.ceil(spans / SPANS_PER_REQUEST),
  spans: Math.ceil(spans / SPANS_PER_REQUEST) * SPANS_PER_REQUEST,
  bytesOf: requestOf,
};

async function measureBody(): Promise<void> {
  const sink = createServer((request, response) => {
    request.resume().once('end', () => setTimeout(() => response.end(), COMMIT_MS));
  });
  await once(sink.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(sink.address() as AddressInfo).port}`;
  const compare = async (load: Load, count: number) => inTurns(count, {
    ingest: () => send(['ingest', url], load),
    grpc: () => send(['grpc'], load),
  });
  const us = await compare(ordinary, rounds);
  report({
    id: 'B1', name: 'ingest, gRPC to the body of an insert', unit: 'µs/span',
    value: median(us.ingest), rounds: us.ingest, goal: atMost(1.5),
    yardstick: { name: 'grpc-js alone', value: median(us.grpc) },
  });
  for (const [name, { bytes, spansPerRequest }] of Object.entries(AWKWARD)) {
    const requests = Math.min(AWKWARD_REQUESTS_MAX, Math.ceil(AWKWARD_BYTES / bytes.length));
    const all = { requests, spans: requests * spansPerRequest, bytesOf: () => bytes };
    const awkward = await compare(all, 1);
    report({
      name: `ingest of ${name}`, unit: 'µs/request',
      value: awkward.ingest[0]! * spansPerRequest,
      yardstick: { name: 'grpc-js alone', value: awkward.grpc[0]! * spansPerRequest },
    });
  }
  sink.close();
}

/** Sends all to a fresh process; answers its processor time in microseconds a span. */
async function send(args: readonly string[], load: Load, onBegin = () => {}): Promise<number> {
  const process = await startProcess(PROCESS, args, ['--import', 'tsx']);
  const client = createOtlpGrpcClient({
    endpoint: parseEndpoint(process.address)!, clock: world.clock, tls: null, compression: 'none',
    timeoutMs: 60_000,
  });
  const epoch = `${crypto.randomUUID()}/${crypto.randomUUID()}`;
  let number = 0;
  const sendUntil = (last: number) => Promise.all(Array.from({ length: senders }, async () => {
    while (number < last) {
      const id = `${epoch}/${number + 1}`;
      const batch = Batch.fromBytes('traces', load.bytesOf(number++), id);
      const outcome = await client.send(batch, 0, NEVER);
      if (outcome.status !== 'accepted') throw new Error(JSON.stringify(outcome));
    }
  }));
  const warm = Math.ceil(load.requests * WARM_SHARE);
  await sendUntil(warm);
  onBegin();
  const before = cpuUsOf(process.pid);
  await sendUntil(warm + load.requests);
  const us = (cpuUsOf(process.pid) - before) / load.spans;
  await client.close();
  await process.stop();
  return us;
}

/** Microseconds a span. */
interface Spent {
  readonly ownUs: number;
  readonly insertUs: number;
  readonly mergeUs: number;
  readonly rowsPerInsert: number;
}

async function measureEngine(): Promise<void> {
  const path = mkdtempSync(join(tmpdir(), 'binnacle-bench-'));
  let { rowsPerInsert } = await throughUs(path);
  const ours: Spent[] = [];
  const { alone } = await inTurns(rounds, {
    ours: async () => {
      ours.push(await throughUs(path));
      return rowsPerInsert = ours.at(-1)!.rowsPerInsert;
    },
    alone: () => fromFiles(path, rowsPerInsert),
  });
  console.log(`  ${rowsPerInsert} rows an insert`);
  reportEngine(ours, median(alone));
  rmSync(path, { recursive: true, force: true });
}

function reportEngine(ours: readonly Spent[], aloneUs: number): void {
  const say = (name: string, of: (one: Spent) => number, more: Partial<Figure>) => report({
    name: `ingest, ${name}`, unit: 'µs/span', value: median(ours.map(of)), rounds: ours.map(of),
    ...more,
  });
  const yardstick = { name: 'the engine alone, from a file', value: aloneUs };
  say('ours beside the engine', ({ ownUs }) => ownUs,
    { id: 'B2', yardstick, goal: ratioAtMost(1) });
  say('ours and the engine together', ({ ownUs, insertUs }) => ownUs + insertUs,
    { id: 'B2', yardstick, goal: atMost(3.2) });
  say('the engine', ({ insertUs }) => insertUs, { yardstick });
  say('the engine merging these rows', ({ mergeUs }) => mergeUs, {});
}

async function throughUs(path: string): Promise<Spent> {
  const engine = createEngine({ path });
  const { url } = await engine.start();
  const fixture = await startStorage(url);
  const connection = new Connection(storageOptions(url, {}));
  const store = new Store(connection);
  const engineUs = () => cpuUsOf(engine.pid!);
  await store.begin();
  let before = 0;
  const ownUs = await send(['ingest', url], ordinary, () => {
    before = engineUs();
  });
  const insertUs = (engineUs() - before) / ordinary.spans;
  const rows = await store.ask('SELECT count() FROM otel_traces');
  const inserts = await store.ask(`SELECT count() FROM system.parts
    WHERE active AND database = currentDatabase() AND table = 'otel_traces'`);
  before = engineUs();
  await store.merge();
  const mergeUs = (engineUs() - before) / rows;
  await connection.close();
  await fixture.stop();
  await engine.stop(AbortSignal.timeout(10_000));
  return { ownUs, insertUs, mergeUs, rowsPerInsert: Math.round(rows / inserts) };
}

/** The engine alone in the same folder: microseconds a span. */
async function fromFiles(folder: string, rows: number): Promise<number> {
  const { table, files } = writeBlocks(folder, rows);
  const columns = quotedColumns(table);
  const alone = await startProcess(PROCESS, ['engine', folder], ['--import', 'tsx']);
  const insert = (file: string) => alone.ask(`INSERT INTO ${table.name} (${columns})
    FROM INFILE '${file}' COMPRESSION 'none' SETTINGS ${settingsOf(crypto.randomUUID())}
    FORMAT Native`);
  await alone.ask('SYSTEM STOP MERGES');
  for (const name of TABLES) await alone.ask(`TRUNCATE TABLE ${name}`);
  await insert(files[0]!);
  const before = cpuUsOf(alone.pid);
  for (const file of files) await insert(file);
  const us = (cpuUsOf(alone.pid) - before) / (files.length * table.rows);
  for (const file of files) rmSync(file);
  await alone.stop();
  return us;
}

/** Those of an insert, without what only HTTP knows. */
function settingsOf(token: string): string {
  const { wait_end_of_query: _, ...settings } = insertSettings(token);
  return Object.entries(settings).map(([name, value]) => `${name} = '${value}'`).join(', ');
}

/** The tables of an engine. */
class Store {
  private readonly connection: Connection;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** Empties the tables; no part is merged from here on. */
  async begin(): Promise<void> {
    await this.run('SYSTEM STOP MERGES');
    for (const table of TABLES) await this.run(`TRUNCATE TABLE ${table}`);
  }

  /** Lets parts be merged, and waits until no merge has run for a second. */
  async merge(): Promise<void> {
    await this.run('SYSTEM START MERGES');
    for (let calm = 0; calm < 5; await sleep(200)) {
      calm = await this.ask('SELECT count() FROM system.merges') === 0 ? calm + 1 : 0;
    }
  }

  async ask(query: string): Promise<number> {
    return Number((await this.connection.readLines(query, {}))[0]);
  }

  private async run(query: string): Promise<void> {
    const { stream } = await this.connection.exec({ query });
    for await (const chunk of stream) void chunk;
  }
}

/** Blocks of so many rows in files, for about as many spans as are sent. */
function writeBlocks(folder: string, rows: number) {
  const transcoder = new Transcoder('traces');
  const [table] = transcoder.tables;
  const files: string[] = [];
  for (let number = 0; files.length * rows < spans; transcoder.reset()) {
    for (; table!.rows < rows; number++) {
      const names = rowNames(`${crypto.randomUUID()}/${crypto.randomUUID()}/1`, 0);
      transcoder.append(Batch.fromBytes('traces', requestOf(number)), 0, undefined, names);
    }
    const file = join(folder, `${files.length}.native`);
    writeFileSync(file, Buffer.concat(table!.chunks()));
    files.push(file);
  }
  for (; table!.rows < rows;) transcoder.append(Batch.fromBytes('traces', requestOf(0)), 0);
  return { table: table!, files };
}

await measureBody();
await measureEngine();
process.exit(0);
