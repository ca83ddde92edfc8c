// The processes of ingest.ts whose processor time is measured; the first argument is which one:
//
//   ingest URL   what the backend does for a request of spans: gRPC, transcoder, inserts into the
//                ClickHouse at URL; without the API and what looks after the tables
//   engine PATH  the embedded engine on a data folder; runs each statement that it is sent by IPC
//   grpc         grpc-js alone: takes the same bytes and answers

import { Server, ServerCredentials } from '@grpc/grpc-js';
import { createIntake } from '../../backend/intake/intake.ts';
import { allowGrowth } from '../../runtime/heap.ts';
import { Connection } from '../../backend/storage/clickhouse/client.ts';
import { createWriter } from '../../backend/storage/clickhouse/writer.ts';
import { loadNative, openFolder } from '../../backend/storage/engine/native.ts';
import { prepareFolder } from '../../backend/storage/engine/settings.ts';
import { METHODS } from '../../proto/grpc/methods.ts';
import { createOtlpGrpcServer } from '../../proto/grpc/server.ts';
import { createCounters } from '../../runtime/counters.ts';
import { SILENT_LOG } from '../../runtime/log.ts';
import { createWorld } from '../../runtime/world.ts';

const [kind, place = ''] = process.argv.slice(2);
const MIB = 1024 * 1024;
if (kind === 'engine') engineAlone(place);
const port = kind === 'grpc' ? await grpcAlone() : kind === 'ingest' ? await ingest(place) : 0;
process.send?.({ event: 'ready', addresses: { 'OTLP gRPC': `127.0.0.1:${port}` } });
process.once('SIGTERM', () => process.exit());

async function ingest(url: string): Promise<number> {
  allowGrowth();
  const world = createWorld();
  const counters = createCounters();
  const database = 'default';
  const user = { username: 'default', password: '' };
  const connection = new Connection({ url: () => url, ...user, database });
  const writer = createWriter({
    world, counters, connection, log: SILENT_LOG,
    // The defaults of a backend's configuration.
    flush: { intervalMs: 100, rows: 100_000, bytes: 64 * MIB, waitingBytesMax: 256 * MIB },
  });
  const intake = createIntake({ counters, writer });
  const server = createOtlpGrpcServer({
    endpoint: { host: '127.0.0.1', port: 0 }, setting: 'ingest', world, consumer: intake,
    messageBytesMax: 64 * MIB, inFlightBytesMax: 256 * MIB,
  });
  await intake.start();
  await server.start();
  return server.endpoint().port;
}

function engineAlone(path: string): void {
  const native = loadNative();
  const connection = openFolder(native, prepareFolder(path, 2048 * MIB));
  process.on('message', (sql: string) => {
    void native.QueryAsyncConnection(connection, sql, 'Null').then(() => process.send?.('done'));
  });
}

function grpcAlone(): Promise<number> {
  const asIs = (bytes: Buffer): Buffer => bytes;
  const server = new Server({ 'grpc.max_receive_message_length': -1 });
  const nothing = Buffer.alloc(0);
  server.register(METHODS.traces, (_call: unknown, answer: (error: null, bytes: Buffer) => void) =>
    answer(null, nothing), asIs, asIs, 'unary');
  return new Promise((resolve) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_, bound) =>
      resolve(bound));
  });
}
