// The logs API on a real engine: what apps post comes back as they wrote it; pages hold every
// record once while others come in, however many have the same time; ids lead to their record after
// merges; what was deleted is in no answer; counts, facets and searches are those of the rows.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import type { LogEntry } from '../../../backend/logs/entry.ts';
import { startEngine, type EngineFixture } from '../storage/engine_fixture.ts';
import { startStorage, type StorageFixture } from '../storage/clickhouse/storage_fixture.ts';
import { problemIn, startApi, type ApiFixture } from './api_fixture.ts';

let engine: EngineFixture;
let store: StorageFixture;
let api: ApiFixture;

before(async () => {
  engine = await startEngine();
  store = await startStorage(engine.url, { database: 'api_logs' });
  api = await startApi(store.storage);
});

after(async () => {
  await api?.stop();
  await store?.stop();
  await engine?.stop();
});

interface Posted {
  readonly status: string;
  readonly message: string;
  readonly id: string;
  readonly ids: readonly string[];
}

interface Listed {
  readonly items: readonly LogEntry[];
  readonly next: string | null;
  readonly data?: readonly LogEntry[];
}

async function post(body: unknown, type = 'application/json'): Promise<Posted> {
  const answer = await api.get('/api/logs', { method: 'POST', headers: { 'content-type': type },
    body: typeof body === 'string' ? body : JSON.stringify(body) });
  assert.equal(answer.status, 201, answer.text);
  return JSON.parse(answer.text) as Posted;
}

async function get<T>(path: string): Promise<T> {
  const answer = await api.get(path);
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text) as T;
}

async function refused(path: string, status: number, message: RegExp, method = 'GET',
  body?: unknown) {
  const posted = body === undefined ? {} : { headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body) };
  const problem = problemIn(await api.get(path, { method: method as 'GET', ...posted }));
  assert.equal(problem.status, status, problem.message);
  assert.match(problem.message, message);
  return problem;
}

const at = (ms: number): string => new Date(Date.UTC(2026, 0, 2, 10) + ms).toISOString();
const DAY = 'from=2026-01-02&to=2026-01-03';

test('logs: a record comes back as it was posted', async () => {
  const { id, status, message } = await post({
    timestamp: '2026-01-01T10:00:00.123456789Z', level: 'CRITICAL', service: 'billing',
    message: 'card refused', context: { order: 17, user: { vip: true }, parts: [1, 'a'] },
    trace_id: '0af76519-16cd-43dd-8448-eb211c80319c', span_id: 'b7ad6b7169203331',
    user_id: 'u-1', request_id: 'r-1', correlation_id: 'c-1', tags: ['pay', 'eu'],
  });
  assert.deepEqual([status, message], ['success', 'Event logged successfully.']);
  const { context, ...entry } = await get<LogEntry>(`/api/logs/${id}`);
  const { 'log.record.uid': uid, ...own } = context;
  assert.match(uid!, /^[0-9a-f-]{36}$/);
  assert.deepEqual(own, { order: '17', 'user.vip': 'true', parts: '[1,"a"]', 'user.id': 'u-1',
    request_id: 'r-1', correlation_id: 'c-1', tags: '["pay","eu"]' });
  assert.deepEqual(entry, {
    id, timestamp: '2026-01-01T10:00:00.123456789Z', level: 'fatal', severity_number: 21,
    severity_text: 'CRITICAL', service: 'billing', message: 'card refused', event_type: null,
    resource: { 'service.name': 'billing' }, scope: null,
    trace_id: '0af7651916cd43dd8448eb211c80319c', span_id: 'b7ad6b7169203331', user_id: 'u-1',
    request_id: 'r-1', correlation_id: 'c-1', tags: ['pay', 'eu'],
  });
});

test('logs: events with details, arrays and lines', async () => {
  const details = { key1: 'value1', nested: { count: 3, ok: false }, none: null };
  const { id } = await post({ event_type: 'user_login', details });
  const found = await get<Listed>('/api/logs?event_type=user_login');
  assert.equal(found.items.length, 1);
  assert.deepEqual(found.data, found.items);
  assert.equal(found.items[0]!.id, id);
  assert.deepEqual(found.items[0]!.details, details);
  assert.equal(found.items[0]!.context['nested.count'], '3');
  const two = await post([{ event_type: 'a', details: {} }, { event_type: 'a', details: {} }]);
  assert.equal(new Set(two.ids).size, 2);
  assert.match(two.message, /^2 events/);
  const lines = await post('{"event_type":"b","details":{"n":1}}\n\n'
    + '{"event_type":"b","details":"x"}\n', 'application/x-ndjson');
  assert.equal(lines.ids.length, 2);
  assert.equal((await get<Listed>('/api/logs?q=event:b%20n:1')).items.length, 1);
});

test('logs: what is no record is refused, and nothing of its request is stored', async () => {
  const refuse = (body: unknown, message: RegExp) =>
    refused('/api/logs', 400, message, 'POST', body);
  await refuse({ level: 'info', service: 'x' }, /the record has no timestamp, message/);
  await refuse([{ event_type: 'bad', details: {} }, { event_type: 'bad' }],
    /record 1 has no details/);
  await refuse([], /there is no record/);
  await refuse([7], /record 0 is no object/);
  await refuse({ timestamp: 'soon', level: 'info', service: 'x', message: 'm' }, /is no time/);
  await refuse({ timestamp: 1, level: 5, service: 'x', message: 'm' }, /level must be text/);
  const lines = await api.get('/api/logs', { method: 'POST', body: '{}\n{',
    headers: { 'content-type': 'application/x-ndjson' } });
  assert.match(problemIn(lines).message, /line 2 is not JSON/);
  assert.equal((await get<Listed>('/api/logs?event_type=bad')).items.length, 0);
});

/** All pages, with something posted between them. */
async function pages(path: string, between: () => Promise<unknown> = async () => {}) {
  const seen: LogEntry[] = [];
  let next: string | null = '';
  while (next !== null) {
    const cursor: string = next === '' ? '' : `&cursor=${next}`;
    const page: Listed = await get<Listed>(`${path}${cursor}`);
    seen.push(...page.items);
    next = page.next;
    await between();
  }
  return seen;
}

test('logs: pages hold every record once, however many have one time', async () => {
  // Three times for 60 records, some of them equal in every respect.
  const rows = Array.from({ length: 60 }, (_, index) =>
    `(toDateTime64('2026-01-02 10:00:00', 9, 'UTC') + ${index % 3}, 'pages',
    'line ${index % 20}', 9, 'INFO')`);
  await store.rows(`INSERT INTO otel_logs
    (Timestamp, ServiceName, Body, SeverityNumber, SeverityText) VALUES ${rows.join(', ')}`);
  const newer = () => post({ timestamp: at(60_000), level: 'info', service: 'pages',
    message: 'newer' });
  for (const limit of [1, 7, 20, 59, 60, 61]) {
    const seen = await pages(`/api/logs?service=pages&q=line&${DAY}&limit=${limit}`, newer);
    assert.equal(seen.length, 60, `${limit}`);
    const counts = new Map<string, number>();
    for (const { timestamp, message } of seen) {
      counts.set(`${timestamp} ${message}`, (counts.get(`${timestamp} ${message}`) ?? 0) + 1);
    }
    assert.deepEqual([...new Set(counts.values())], [60 / counts.size]);
    const times = seen.map(({ timestamp }) => timestamp);
    assert.deepEqual(times, [...times].sort().reverse());
  }
});

test('logs: an id leads to its record, also after merges', async () => {
  const records = Array.from({ length: 30 }, (_, index) => ({ timestamp: at(index * 10_000_000),
    level: 'info', service: `s${index % 3}`, message: `record ${index}` }));
  const { ids } = await post(records);
  const check = async () => {
    for (const [index, id] of ids.entries()) {
      assert.equal((await get<LogEntry>(`/api/logs/${id}`)).message, `record ${index}`);
    }
    const listed = await pages('/api/logs?q="record"&limit=7&from=2026-01-02&to=2026-01-20');
    assert.deepEqual(listed.map(({ id }) => id).sort(), [...ids].sort());
  };
  await check();
  await store.rows('OPTIMIZE TABLE otel_logs FINAL');
  await check();
  await refused('/api/logs/nonsense', 404, /not the id/);
  await refused(`/api/logs/${ids[0]!.slice(0, -6)}`, 404, /no such log record|not the id/);
});

test('logs: what was deleted is in no answer, and its deletion is on record', async () => {
  const record = { timestamp: at(1000), level: 'error', service: 'gone', message: 'secret word' };
  const { ids } = await post([record, { ...record, message: 'other word' }]);
  const remove = async (id: string) =>
    (await api.get(`/api/logs/${id}?reason=GDPR`, { method: 'DELETE' })).status;
  assert.equal(await remove(ids[0]!), 200);
  assert.equal(await remove(ids[0]!), 404);
  await refused(`/api/logs/${ids[0]}`, 404, /no such log record/);
  const list = await get<Listed>(`/api/logs?service=gone&${DAY}`);
  assert.deepEqual(list.items.map(({ message }) => message), ['other word']);
  const stats = await get<{ total: number }>(`/api/logs/stats?service=gone&${DAY}`);
  assert.equal(stats.total, 1);
  const histogram = await get<{ items: { count: number }[] }>(
    `/api/logs/histogram?service=gone&${DAY}&step=1d`);
  assert.deepEqual(histogram.items.map(({ count }) => count), [1]);
  const around = await get<{ before: LogEntry[] }>(`/api/logs/${ids[1]}/context?after=0`);
  assert.deepEqual(around.before, []);
  const found = await get<Listed>(`/api/search?q=secret&${DAY}`);
  assert.deepEqual(found.items, []);
  const [row] = await store.rows<Record<string, string>>(
    'SELECT Reason, DeletedBy, Address, ServiceName FROM binnacle_deleted_logs');
  assert.deepEqual(row, { Reason: 'GDPR', DeletedBy: 'anonymous', Address: '127.0.0.1',
    ServiceName: 'gone' });
  assert.equal((await store.rows("SELECT 1 FROM otel_logs WHERE Body = 'secret word'")).length, 1);
  // Another backend's answers are without it, too.
  const other = await startApi(store.storage);
  assert.equal((await other.get(`/api/logs/${ids[0]}`)).status, 404);
  await other.stop();
});

test('logs: the lines around one, of its stream, in the order of the file', async (context) => {
  const folder = new URL('../../../../shared/data/loghub/', import.meta.url);
  const text = await readFile(new URL('OpenSSH_2k.log', folder), 'utf8').catch(() => null);
  if (text === null) return context.skip('no ../shared/data/loghub here');
  const lines = text.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  // To the second, as syslog has it: many lines have one time.
  const values = lines.slice(0, 500).map((line, index) =>
    `(${Math.floor(index / 25)}, ${JSON.stringify(line.replaceAll("'", ' '))})`.replace(/"/g, "'"));
  await store.rows(`INSERT INTO otel_logs (Timestamp, ServiceName, Body, LogAttributes,
    ResourceAttributes) SELECT toDateTime64('2026-01-05 10:00:00', 9, 'UTC') + number, 'sshd', line,
    map('log.file.name', 'auth.log'), map('host.name', 'LabSZ')
    FROM values('number UInt32, line String', ${values.join(', ')})`);
  await store.rows(`INSERT INTO otel_logs (Timestamp, ServiceName, Body, ResourceAttributes)
    SELECT toDateTime64('2026-01-05 10:00:05', 9, 'UTC'), 'sshd', 'another host',
    map('host.name', 'other') FROM numbers(50)`);
  const [middle] = (await get<Listed>('/api/logs?service=sshd&host=LabSZ&q="Invalid user admin"'
    + '&from=2026-01-05&to=2026-01-06&limit=1')).items;
  const { before, log, after: behind, stream } = await get<{ before: LogEntry[]; log: LogEntry;
    after: LogEntry[]; stream: object }>(`/api/logs/${middle!.id}/context?before=40&after=60`);
  assert.deepEqual(stream, { service: 'sshd', 'host.name': 'LabSZ', 'log.file.name': 'auth.log' });
  const found = [...before, log, ...behind].map(({ message }) => message);
  assert.equal(log.message, middle!.message);
  const clean = lines.map((line) => line.replaceAll("'", ' ').replaceAll('"', "'"));
  const first = clean.findIndex((_, index) =>
    found.every((one, offset) => clean[index + offset] === one));
  assert.ok(first >= 0, found.slice(0, 3).join('\n'));
  await refused(`/api/logs/${middle!.id}/context?before=501`, 400, /before must be from 0 to 500/);
});

test('logs: counts are those of the rows, from the rollup and from the records', async () => {
  await store.rows(`INSERT INTO otel_logs (Timestamp, ServiceName, SeverityNumber, SeverityText,
    Body, LogAttributes) SELECT toDateTime64('2026-01-10 10:00:00', 9, 'UTC') + number,
    if(number % 3 = 0, 'a', 'b'), if(number % 10 = 0, 17, if(number % 10 = 1, 0, 9)),
    if(number % 10 = 1, 'warning', ''), concat('line ', toString(number)),
    map('http.status', toString(200 + 300 * (number % 4 = 0))) FROM numbers(3600)`);
  const hour = 'from=2026-01-10T10:00:00Z&to=2026-01-10T11:00:00Z';
  const stats = await get<Record<string, unknown>>(`/api/logs/stats?${hour}`);
  assert.deepEqual([stats.total, stats.errors, stats.error_rate, stats.rate, stats.levels],
    [3600, 360, 0.1, 1, { error: 360, warn: 360, info: 2880 }]);
  assert.deepEqual((stats.services as { service: string; count: number }[]).map(
    ({ service, count }) => [service, count]), [['b', 2400], ['a', 1200]]);
  const by = async (query: string) => (await get<{ step: number; items: { count: number;
    levels: object }[] }>(`/api/logs/histogram?${hour}&${query}`));
  const minutes = await by('');
  assert.deepEqual([minutes.step, minutes.items.length], [60, 60]);
  assert.deepEqual(minutes.items[7]!.levels, { error: 6, warn: 6, info: 48 });
  assert.deepEqual((await by('step=10m&q=level:error service:a')).items.map(({ count }) => count),
    Array.from({ length: 6 }, () => 20));
  assert.deepEqual((await by('step=30m&q=http.status:>=500')).items.map(({ count }) => count),
    [450, 450]);
  assert.equal((await by('step=2s')).items.length, 1800);
  await refused(`/api/logs/histogram?${hour}&step=1s`, 400, /more than 2000 steps/);
  const facets = await get<{ records: number; sampled: boolean; items: object[] }>(
    `/api/logs/facets?${hour}&fields=service,level,http.status&limit=2`);
  assert.deepEqual(facets.items, [
    { field: 'service', values: [{ value: 'b', count: 2400 }, { value: 'a', count: 1200 }] },
    { field: 'level', values: [{ value: 'info', count: 2880 }, { value: 'error', count: 360 }] },
    { field: 'http.status', values: [{ value: '200', count: 2700 }, { value: '500', count: 900 }] },
  ]);
  assert.deepEqual([facets.records, facets.sampled], [3600, false]);
  const analytics = await get<Record<string, { value: number; previous: number }>>(
    '/api/analytics?from=2026-01-10T10:30:00Z&to=2026-01-10T11:00:00Z');
  assert.deepEqual(analytics.volume, { value: 1800, previous: 1800, change: 0 });
  assert.equal(analytics.error_rate!.value, 0.1);
  assert.deepEqual((analytics.top_errors as unknown as { message: string; count: number }[])
    .map(({ message, count }) => [message, count]), [['line #', 120], ['line #', 60]]);
});

test('search: log records and spans together, page by page', async () => {
  await store.rows(`INSERT INTO otel_traces
    (Timestamp, ServiceName, SpanName, Duration, TraceId, SpanId)
    SELECT toDateTime64('2026-01-12 10:00:00', 9, 'UTC') + number * 2, 'both', 'GET /needle',
    number * 1000000, leftPad(hex(number), 32, '0'), leftPad(hex(number), 16, '0')
    FROM numbers(20)`);
  await store.rows(`INSERT INTO otel_logs (Timestamp, ServiceName, Body)
    SELECT toDateTime64('2026-01-12 10:00:00', 9, 'UTC') + number, 'both',
    concat('needle ', toString(number)) FROM numbers(20)`);
  const period = 'from=2026-01-12&to=2026-01-13';
  for (const limit of [1, 7, 40]) {
    const seen = await pages(`/api/search?q=needle&${period}&limit=${limit}`) as unknown as
      { signal: string; timestamp: string }[];
    assert.equal(seen.length, 40);
    assert.equal(seen.filter(({ signal }) => signal === 'logs').length, 20);
    const times = seen.map(({ timestamp }) => timestamp);
    assert.deepEqual(times, [...times].sort().reverse());
  }
  const slow = await get<Listed & { signals: string[] }>(
    `/api/search?q=needle duration:>=15ms&${period}`);
  assert.deepEqual([slow.items.length, slow.signals], [5, ['traces']]);
});

test('logs: what cannot be asked is refused with place and advice', async () => {
  const problem = await refused('/api/logs?q=a%20level:eror', 400, /no level 'eror'/) as
    { code: string; hint?: string; position?: number };
  assert.deepEqual([problem.code, problem.position], ['INVALID_SEARCH', 2]);
  assert.match(problem.hint!, /level:error/);
  await refused('/api/search?q=(', 400, /missing at the end|has no \)/);
  await refused('/api/logs?limit=0', 400, /limit must be/);
  await refused('/api/logs?cursor=abc', 400, /cursor must be/);
  await refused('/api/logs?from=now&start_time=now', 400, /another name for from/);
  await refused('/api/logs?nonsense=1', 400, /may not have 'nonsense'/);
  await refused('/api/logs/facets?fields=body', 400, /fields is a list/);
  const headers = { 'sec-fetch-site': 'cross-site' };
  for (const path of ['/api/logs', '/api/logs/stats', '/api/search', '/api/analytics']) {
    assert.equal((await api.get(path, { headers })).status, 403, path);
  }
});
