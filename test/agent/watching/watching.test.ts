// What `binnacle agent tap` and `binnacle agent top` print, and what they say where no agent is.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Status } from '../../../agent/extensions/zpages/pages.ts';
import { shownRecords } from '../../../agent/extensions/zpages/show.ts';
import { ask } from '../../../agent/watching/ask.ts';
import { textOf } from '../../../agent/watching/tap.ts';
import { topText } from '../../../agent/watching/top.ts';
import { makeBatch } from '../../contract/fakes.ts';

test('agent tap: a line for each record', () => {
  const lines = (signal: 'logs' | 'traces' | 'metrics') =>
    [...shownRecords(makeBatch(signal, 1))].map((record) =>
      textOf(JSON.stringify({ at: 'x', ...record })));
  assert.match(lines('logs')[0]!, /^00:00:00\.000 \[x\] test .*item-0/);
  assert.match(lines('traces')[0]!, /\[x\] test item-0 .* ms /);
  assert.match(lines('metrics')[0]!, /\[x\] test item-0 \S+/);
  assert.equal(textOf('{"cut'), '{"cut');
  assert.doesNotMatch(textOf(JSON.stringify({ signal: 'logs', body: '\x1b[2J' })), /\x1b/);
});

test('agent top: rates between two looks', () => {
  const look = (atMs: number, count: number): Status => ({
    atMs, ready: true,
    view: {
      parts: [
        { key: 'exporter otlp', kind: 'exporter', id: 'otlp', type: 'otlp', calls: 3,
          addresses: {}, problem: { level: 'warn', message: 'retrying', atMs: 0 } },
        { key: 'receiver otlp', kind: 'receiver', id: 'otlp', type: 'otlp', calls: 0,
          addresses: {} },
      ],
      pipelines: [],
    },
    series: [
      ['otelcol_receiver_accepted_spans_total', { receiver: 'otlp' }, count],
      ['otelcol_exporter_sent_spans_total', { exporter: 'otlp' }, count / 2],
      ['binnacle_queue_bytes', { exporter: 'otlp' }, 2048],
      ['binnacle_queue_bytes_max', { exporter: 'otlp' }, 1024 ** 3],
      ['otelcol_exporter_queue_size', { exporter: 'otlp' }, 7],
      ['otelcol_process_cpu_seconds_total', {}, count / 1000],
      ['otelcol_process_uptime_seconds_total', {}, 3720],
      ['binnacle_agent_info', { version: '1.2.3' }, 1],
    ].map(([name, labels, value]) => ({ name, labels, value, help: '', type: 'counter' })) as
      unknown as Status['series'],
  });
  const text = topText(look(0, 0), look(2000, 100));
  assert.match(text, /^binnacle agent 1\.2\.3 {3}up 1h2m {3}CPU 5\.0 %/);
  assert.match(text, /^receiver otlp +50 +0 +0$/m);
  assert.match(text, /^exporter otlp +0 +25 +0 +0 +3 +7 batches, 2\.0 KiB of 1\.0 GiB$/m);
  assert.match(text, /00:00:00 exporter otlp: warn: retrying/);
});

test('agent tap and top: no agent', () => assert.rejects(ask('http://127.0.0.1:1', '/debug/status'),
  /cannot ask the agent at http:\/\/127\.0\.0\.1:1/));
