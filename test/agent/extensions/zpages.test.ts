// The pages of a running agent, their JSON, who may ask, and the live view of each place, with its
// filter and its bounds.

import assert from 'node:assert/strict';
import { request } from 'node:http';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Status } from '../../../agent/extensions/zpages/pages.ts';
import { partsAt } from '../../../agent/extensions/zpages/tap.ts';
import { zpagesExtension } from '../../../agent/extensions/zpages/extension.ts';
import { startAgent } from '../../../agent/main.ts';
import { ask } from '../../../agent/watching/ask.ts';
import { eventsOf } from '../../../agent/watching/tap.ts';
import type { Running } from '../../../runtime/lifecycle.ts';
import { batchOfKeys, NEVER, temporaryFolder } from '../../contract/fakes.ts';
import { withoutLeaks } from '../../contract/leaks.ts';

const CONFIG = `
receivers: { otlp: { protocols: { http: { endpoint: "127.0.0.1:0" } } } }
processors:
  attributes: { actions: [{ key: seen, value: "yes", action: insert }] }
connectors: { forward: }
exporters:
  debug: { output_paths: [stdout], use_internal_logger: false, sampling_initial: 0,
    sampling_thereafter: 0 }
extensions: { zpages: { endpoint: "127.0.0.1:0" } }
service:
  extensions: [zpages]
  telemetry: { logs: { level: error }, metrics: { address: "" } }
  pipelines:
    logs/in: { receivers: [otlp], exporters: [forward] }
    logs: { receivers: [forward], processors: [attributes], exporters: [debug] }
    traces: { receivers: [otlp], exporters: [debug] }
`;

async function withAgent(body: (agent: Running, url: string) => Promise<void>): Promise<void> {
  await withoutLeaks(async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'agent.yaml');
    writeFileSync(file, CONFIG);
    const env = { BINNACLE_DATA_DIR: folder };
    const agent = await startAgent({ files: [file], env, version: '1.2.3' });
    try {
      await body(agent, `http://${agent.addresses['zpages']}`);
    } finally {
      await agent.stop(NEVER);
    }
  });
}

const CLOSE = { headers: { connection: 'close' } };
const get = async (url: string) => {
  const answer = await fetch(url, CLOSE);
  return { status: answer.status, body: await answer.text() };
};

async function send(agent: Running, signal: 'logs' | 'traces', keys: readonly string[]) {
  const answer = await fetch(`http://${agent.addresses['OTLP HTTP']}/v1/${signal}`, {
    method: 'POST', body: batchOfKeys(signal, keys).bytes as Uint8Array<ArrayBuffer>,
    headers: { 'content-type': 'application/x-protobuf', connection: 'close' },
  });
  assert.equal(answer.status, 200, await answer.text());
}

test('zpages: pages and their JSON', () => withAgent(async (agent, url) => {
  await send(agent, 'logs', ['a', 'b']);
  for (const path of ['/', '/debug/servicez', '/debug/pipelinez', '/debug/extensionz']) {
    const { status, body } = await get(url + path);
    assert.equal(status, 200);
    assert.match(body, /<table>/);
  }
  assert.match((await get(`${url}/debug/pipelinez`)).body, /logs\/in.*forward.*attributes/s);
  assert.match((await get(`${url}/debug/extensionz`)).body, /zpages.*127\.0\.0\.1/s);
  const status = JSON.parse((await get(`${url}/debug/status`)).body) as Status;
  assert.equal(status.ready, true);
  assert.deepEqual(status.view.parts.map(({ key }) => key).sort(), ['connector forward',
    'exporter debug', 'extension zpages', 'processor attributes logs', 'receiver otlp']);
  assert.equal((await get(`${url}/debug/nothing`)).status, 404);
}));

test('zpages: only names of this host', () => withAgent(async (_agent, url) => {
  const statusFor = (host: string) => new Promise<number>((resolve, reject) => {
    request(`${url}/debug/status`, { headers: { host, connection: 'close' } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode!);
    }).on('error', reject).end();
  });
  assert.equal(await statusFor('evil.example'), 421);
  for (const host of ['localhost:1', '127.0.0.1', '[::1]:80']) {
    assert.equal(await statusFor(host), 200, host);
  }
}));

/** Listens at a place, lets `act` happen, and returns the first `count` events. */
async function events(url: string, query: string, count: number, act: () => Promise<void>) {
  const abort = new AbortController();
  const answer = await ask(url, `/debug/tap?${query}`, abort.signal);
  await act();
  const seen: { name: string; data: string }[] = [];
  for await (const event of eventsOf(answer.body!)) {
    seen.push(event);
    if (seen.length === count) break;
  }
  abort.abort();
  return seen;
}

test('zpages: a live view of each place', () => withAgent(async (agent, url) => {
  const act = async () => {
    await send(agent, 'traces', ['span']);
    await send(agent, 'logs', ['first', 'second']);
  };
  const check = async (at: string, want: Record<string, unknown>[]) => {
    const seen = await events(url, `at=${at}`, want.length, act);
    seen.forEach(({ data }, index) => {
      const record = JSON.parse(data) as Record<string, unknown>;
      for (const [key, value] of Object.entries(want[index]!)) {
        assert.deepEqual(record[key], value, `${at} ${key}`);
      }
    });
  };
  await check('', [{ at: 'receiver otlp', signal: 'traces', name: 'span' }, { body: 'first' }]);
  await check('logs', [{ at: 'processor attributes logs', body: 'first',
    resource: { 'service.name': 'test' } }, { body: 'second' }]);
  await check('logs/in', [{ at: 'receiver otlp', body: 'first' }, { body: 'second' }]);
  await check('forward', [{ at: 'connector forward', body: 'first' }]);
  await check('exporter:debug', [{ signal: 'traces' }, { signal: 'logs' }]);
  await check('attributes@logs', [{ body: 'first' }]);
  const filtered = await events(url, 'filter=SECOND', 1, act);
  assert.equal((JSON.parse(filtered[0]!.data) as { body: string }).body, 'second');
  const sampled = await events(url, 'rate=1&at=logs', 2, act);
  assert.deepEqual(sampled[1], { name: 'left_out', data: '1' });
  await assert.rejects(ask(url, '/debug/tap?at=nothing'),
    /there is no "nothing"; there are .*processor:attributes@logs/);
}));

test('zpages: a listener who leaves costs nothing more', () => withAgent(async (agent, url) => {
  for (let round = 0; round < 20; round++) {
    await events(url, '', 1, () => send(agent, 'logs', ['a']));
  }
  assert.equal((await get(`${url}/debug/status`)).status, 200);
}));

test('zpages: other hosts only when that is said', () => {
  const { schema } = zpagesExtension;
  assert.equal(schema.safeParse({ endpoint: '0.0.0.0:55679' }).success, false);
  assert.equal(schema.safeParse({ endpoint: '0.0.0.0:1', allow_remote: true }).success, true);
  assert.equal(schema.safeParse({ tls: { cert_file: 'x' } }).success, false);
});

test('zpages: parts by the text that names them', () => {
  const part = (key: string) => {
    const [kind = '', id = '', pipeline] = key.split(' ');
    return { key, kind: kind as 'receiver', id, type: id, calls: 0, addresses: {},
      ...(pipeline === undefined ? {} : { pipeline }) };
  };
  const view = {
    parts: ['receiver otlp', 'exporter otlp', 'processor batch logs', 'processor batch traces',
      'extension zpages'].map(part),
    pipelines: [{ id: 'metrics', signal: 'metrics' as const, receivers: ['otlp'], processors: [],
      exporters: ['otlp'] }],
  };
  const check = (at: string, ...want: string[]) =>
    assert.deepEqual(partsAt(at, view).map(({ key }) => key), want, at);
  check('', 'receiver otlp');
  check('otlp', 'receiver otlp', 'exporter otlp');
  check('exporter:otlp', 'exporter otlp');
  check('batch', 'processor batch logs', 'processor batch traces');
  check('processor:batch@traces', 'processor batch traces');
  check('metrics', 'receiver otlp');
  check('zpages');
  check('nothing');
});
