// What the transcoder writes is what the decoded model says: blocks made from random requests and
// rows made from the same requests decoded are put into two sets of tables of a real engine, and
// every column of every row is read back and compared. Broken records are refused alone.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Connection } from '../../../../backend/storage/clickhouse/client.ts';
import { insertTable } from '../../../../backend/storage/clickhouse/insert.ts';
import type { Table } from '../../../../backend/storage/clickhouse/transcode/table.ts';
import { limits, Transcoder } from '../../../../backend/storage/clickhouse/transcode/transcoder.ts';
import { Batch } from '../../../../proto/contract/batch.ts';
import { ACCEPTED } from '../../../../proto/contract/outcome.ts';
import { encodeRequest } from '../../../../proto/otlp/codec.ts';
import { SIGNALS } from '../../../../proto/otlp/model.ts';
import type { AnyValue, KeyValue, Signal, Span } from '../../../../proto/otlp/model.ts';
import type { TracesRequest } from '../../../../proto/otlp/model.ts';
import { DecodeError } from '../../../../proto/protobuf/error.ts';
import { generateRequest, seededRandom } from '../../../proto/generate.ts';
import { startEngine } from '../engine_fixture.ts';
import type { EngineFixture } from '../engine_fixture.ts';
import { toRows } from './rows.ts';
import { NEVER, queryText, startStorage, storageOptions } from './storage_fixture.ts';
import type { StorageFixture } from './storage_fixture.ts';

const ARRIVAL_MS = 1_760_000_000_123;
const REQUESTS = 60;

let engine: EngineFixture;
let fast: StorageFixture;
let slow: StorageFixture;
before(async () => {
  engine = await startEngine();
  fast = await startStorage(engine.url, { database: 'fast' });
  slow = await startStorage(engine.url, { database: 'slow' });
});
after(async () => {
  await fast.stop();
  await slow.stop();
  await engine.stop();
});

for (const signal of SIGNALS) {
  test(`transcode: ${signal} are stored as the decoded model says`, async () => {
    const random = seededRandom(20);
    const batches = Array.from({ length: REQUESTS }, () =>
      Batch.fromBytes(signal, encodeRequest(signal, generateRequest(signal, random))));
    const transcoder = new Transcoder(signal);
    const wanted = new Map<string, string[]>();
    for (const batch of batches) {
      const { stored, next } = transcoder.append(batch, ARRIVAL_MS);
      const rows = toRows(signal, batch.request, BigInt(ARRIVAL_MS) * 1_000_000n);
      const storable = rows.filter((row) => row !== null);
      assert.equal(rows.length, batch.itemCount);
      assert.equal(stored, storable.length);
      assert.equal(next, null);
      for (const { table, line } of storable) {
        wanted.set(table, [...(wanted.get(table) ?? []), line]);
      }
    }
    for (const table of transcoder.tables) {
      assert.ok(table.rows > 5, `${table.name} has ${table.rows} rows to compare`);
      await compare(table, wanted.get(table.name)!);
    }
  });
}

async function compare(table: Table, lines: readonly string[]): Promise<void> {
  const connection = new Connection(storageOptions(engine.url, { database: 'fast' }));
  await insertTable(connection, table, crypto.randomUUID(), NEVER);
  await connection.close();
  const reference = new Connection(storageOptions(engine.url, { database: 'slow' }));
  await reference.client().command({
    query: [`INSERT INTO ${table.name} SETTINGS async_insert = 0 FORMAT JSONEachRow`, ...lines]
      .join('\n'),
    clickhouse_settings: { session_timezone: 'UTC' },
  });
  await reference.close();
  const columns = table.columnNames().map((name) => `\`${name}\``).join(', ');
  const read = async ({ storage }: StorageFixture) => {
    const text = await queryText(storage, `SELECT ${columns} FROM ${table.name}`, 'TSV');
    return text.split('\n').sort();
  };
  const found = await read(fast);
  assert.equal(found.length, lines.length + 1);
  assert.deepEqual(found, await read(slow));
}

test('transcode: every kind of value, and the name of the service', async () => {
  const value = (key: string, content: AnyValue): KeyValue => ({ key, value: content });
  const attributes: KeyValue[] = [
    value('string', { type: 'string', value: 'a "b"\n' }),
    value('bool', { type: 'bool', value: true }),
    value('int', { type: 'int', value: -9_223_372_036_854_775_808n }),
    value('double', { type: 'double', value: 1 }),
    value('small', { type: 'double', value: 1e-7 }),
    value('bytes', { type: 'bytes', value: Uint8Array.of(0, 255) }),
    value('array', { type: 'array', value: [{ type: 'string', value: 'a "b"\u0001' }] }),
    value('map', { type: 'kvlist', value: [value('k', { type: 'double', value: NaN })] }),
    value('empty', { type: 'empty', value: null }),
    value('service.name', { type: 'string', value: 'shop' }),
    value('service.name', { type: 'string', value: 'second' }),
  ];
  const request = oneSpan({ kind: 3, status: { code: 2, message: 'no' } }, attributes);
  const { writer } = fast.storage;
  assert.deepEqual(await writer.consume(Batch.fromRequest('traces', request), NEVER), ACCEPTED);
  const found = await fast.rows(`SELECT ServiceName, SpanKind, StatusCode, StatusMessage, TraceId,
    mapValues(ResourceAttributes) AS attributes, Duration FROM otel_traces
    WHERE ResourceAttributes['service.name'] = 'shop'`);
  assert.deepEqual(found, [{
    ServiceName: 'shop',
    SpanKind: 'Client',
    StatusCode: 'Error',
    StatusMessage: 'no',
    TraceId: '0102030405060708090a0b0c0d0e0fff',
    attributes: ['a "b"\n', 'true', '-9223372036854775808', '1', '1e-7', 'AP8=',
      '["a \\"b\\"\\u0001"]', '{"k":"NaN"}', '', 'shop', 'second'],
    Duration: 5,
  }]);
  const traces = await fast.rows(`SELECT min(Start) AS start, max(End) AS end
    FROM otel_traces_trace_id_ts WHERE TraceId = '0102030405060708090a0b0c0d0e0fff'`);
  assert.deepEqual(traces, [{ start: '2025-10-09 08:53:20', end: '2025-10-09 08:53:20' }]);
});

test('transcode: a record that cannot be stored is refused alone, with a reason', () => {
  const check = (broken: Partial<Span>, reason: RegExp) => {
    const { resourceSpans: [group] } = oneSpan({});
    const good = group!.scopeSpans[0]!.spans[0]!;
    const spans = [good, { ...good, ...broken }, good, { ...good, ...broken }, good];
    const scopeSpans = [{ ...group!.scopeSpans[0]!, spans }];
    const request = { resourceSpans: [{ ...group!, scopeSpans }] };
    const transcoder = new Transcoder('traces');
    const { stored, reason: found } = transcoder.append(Batch.fromRequest('traces', request), 0);
    assert.equal(stored, 3);
    assert.match(found, reason);
    // The columns are those of the good ones alone.
    const expected = new Transcoder('traces');
    for (let index = 0; index < 3; index++) {
      expected.append(Batch.fromRequest('traces', oneSpan({})), 0);
    }
    assert.deepEqual(blockOf(transcoder), blockOf(expected));
  };
  check({ traceId: '' }, /trace id has 0 bytes, not 16/);
  check({ traceId: '0'.repeat(32) }, /trace id is all zeros/);
  check({ spanId: 'abcd' }, /span id has 2 bytes, not 8/);
  check({ parentSpanId: 'abcd' }, /parent span id has 2 bytes/);
  check({ startTimeUnixNano: 2n ** 63n }, /later than the year 2105/);
});

test('transcode: broken bytes inside a record cost that record only', () => {
  const batch = Batch.fromRequest('traces', oneSpan({ name: 'MARK' }));
  const one = batch.bytes;
  // The name's length is made longer than the span: the span's own length stays right.
  const broken = Buffer.from(one);
  broken[broken.indexOf('MARK') - 1] = 0x7f;
  const mixed = Batch.fromBytes('traces', Buffer.concat([one, broken, one]));
  const transcoder = new Transcoder('traces');
  const { stored, reason } = transcoder.append(mixed, 0);
  assert.equal(stored, 2);
  assert.match(reason, /length is past the end/);
});

test('transcode: whatever the bytes are, nothing is thrown and rows are whole', () => {
  const random = seededRandom(7);
  let compared = 0;
  for (const signal of SIGNALS) {
    const transcoder = new Transcoder(signal);
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.from(encodeRequest(signal, generateRequest(signal, random)));
      for (let flips = 0; flips < 3; flips++) {
        bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
      }
      const size = Math.ceil(random() * 1.5 * bytes.length);
      const batch = batchOrNull(signal, bytes.subarray(0, size));
      if (batch === null) continue;
      const before = transcoder.rowCount();
      const { stored } = transcoder.append(batch, 0);
      assert.equal(transcoder.rowCount(), before + stored);
      assert.ok(stored <= batch.itemCount);
      compared++;
    }
    for (const table of transcoder.tables) checkShape(table);
  }
  assert.ok(compared > 100);
});

test('transcode: columns that would grow too large are made in pieces', () => {
  const count = 3000;
  const large = 'x'.repeat(100_000);
  const { resourceSpans: [group] } = oneSpan({}, [
    { key: 'large', value: { type: 'string', value: large } },
  ]);
  const [scope] = group!.scopeSpans;
  const spans = Array.from({ length: count }, () => scope!.spans[0]!);
  const batch = Batch.fromRequest('traces', {
    resourceSpans: [{ ...group!, scopeSpans: [{ ...scope!, spans }] }],
  });
  const transcoder = new Transcoder('traces');
  const pieces: number[] = [];
  for (let next: number | null = 0; next !== null; ) {
    const appended = transcoder.append(batch, 0, { first: next, end: Infinity });
    assert.ok(transcoder.byteCount() < limits.repeatedBytesMax * 1.1);
    pieces.push(appended.stored);
    next = appended.next;
    transcoder.reset();
  }
  assert.equal(pieces.reduce((sum, piece) => sum + piece, 0), count);
  assert.equal(pieces.length, Math.ceil(count * large.length / limits.repeatedBytesMax));
});

function oneSpan(changes: Partial<Span>, attributes: readonly KeyValue[] = []): TracesRequest {
  const start = 1_760_000_000_000_000_000n;
  const span: Span = {
    traceId: '0102030405060708090a0b0c0d0e0fff',
    spanId: '01020304050607ff',
    traceState: '',
    parentSpanId: '',
    flags: 0,
    name: 'name',
    kind: 1,
    startTimeUnixNano: start,
    endTimeUnixNano: start + 5n,
    attributes: [],
    droppedAttributesCount: 0,
    events: [],
    droppedEventsCount: 0,
    links: [],
    droppedLinksCount: 0,
    status: undefined,
    ...changes,
  };
  const resource = { attributes, droppedAttributesCount: 0, entityRefs: [] };
  const scopeSpans = [{ scope: undefined, spans: [span], schemaUrl: '' }];
  return { resourceSpans: [{ resource, scopeSpans, schemaUrl: '' }] };
}

const blockOf = ({ tables: [table] }: Transcoder): Buffer => Buffer.concat(table!.chunks());

function batchOrNull(signal: Signal, bytes: Uint8Array): Batch | null {
  try {
    return Batch.fromBytes(signal, bytes);
  } catch (error) {
    assert.ok(error instanceof DecodeError);
    return null;
  }
}

/** Reads a block as far as its structure goes: each column must have exactly the block's rows. */
function checkShape(table: Table): void {
  const bytes = Buffer.concat(table.chunks());
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      assert.ok(at < bytes.length, `${table.name} ends too early`);
      const byte = bytes[at++]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  const string = () => {
    const size = varint();
    at += size;
    return bytes.toString('utf8', at - size, at);
  };
  const values = (type: string, count: number): void => {
    const inner = /^(Array|Map)\((.*)\)$/.exec(type);
    if (type === LOW) {
      if (count === 0) return;
      const texts = Number(bytes.readBigUInt64LE(at + 8));
      at += 16;
      values('String', texts);
      assert.equal(Number(bytes.readBigUInt64LE(at)), count);
      at += 8;
      for (let index = 0; index < count; index++, at += 4) {
        assert.ok(bytes.readUInt32LE(at) < texts);
      }
    } else if (inner !== null) {
      const elements = count === 0 ? 0 : Number(bytes.readBigUInt64LE(at + (count - 1) * 8));
      at += count * 8;
      const parts = inner[1] === 'Map' ? inner[2]!.split(', ') : [inner[2]!];
      for (const part of parts) values(part, elements);
    } else if (type === 'String') for (let index = 0; index < count; index++) string();
    else at += count * (WIDTHS[type] ?? 8);
  };
  const columns = varint();
  assert.equal(varint(), table.rows);
  for (let index = 0; index < columns; index++) {
    string();
    const type = string();
    for (const _ of type.matchAll(/LowCardinality/g)) {
      assert.equal(bytes.readBigUInt64LE(at), 1n);
      at += 8;
    }
    values(type, table.rows);
  }
  assert.equal(at, bytes.length, table.name);
}

const LOW = 'LowCardinality(String)';
const WIDTHS: Record<string, number> = { UInt8: 1, Bool: 1, UInt32: 4, Int32: 4 };
