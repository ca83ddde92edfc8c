// Pipelines run over records from a file: what comes out, with time that is virtual and chance that
// has a seed; what is told of bad input; the command with its exit codes and its differences.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { differences } from '../../../agent/trial/compare.ts';
import { runTrial } from '../../../agent/trial/trial.ts';
import { requestToJson } from '../../../proto/otlp/json.ts';
import { makeBatch, temporaryFolder } from '../../contract/fakes.ts';

const CONFIG = `
receivers:
  otlp: { protocols: { grpc: } }
  file_log: { include: [/var/log/*.log] }
processors:
  batch: { timeout: 10s }
  attributes: { actions: [{ key: seen, value: "yes", action: insert }] }
  probabilistic_sampler: { sampling_percentage: 50 }
connectors: { forward: }
exporters:
  otlp: { endpoint: "localhost:4317" }
  debug:
extensions: { health_check: }
service:
  extensions: [health_check]
  pipelines:
    logs: { receivers: [otlp, file_log], processors: [batch], exporters: [forward] }
    logs/2: { receivers: [forward], processors: [attributes], exporters: [otlp] }
    traces: { receivers: [otlp], processors: [probabilistic_sampler], exporters: [debug] }
`;

const line = (signal: 'logs' | 'traces', count: number, more: object = {}, first = 0) => {
  const { request } = makeBatch(signal, count, { first });
  return JSON.stringify({ ...JSON.parse(requestToJson(signal, request)) as object, ...more });
};

async function run(input: readonly string[], forMs = 60_000) {
  const file = join(temporaryFolder(), 'agent.yaml');
  writeFileSync(file, CONFIG);
  return runTrial({ files: [file], env: {}, input, forMs });
}

const bodies = (text: string) => [...text.matchAll(/item-(\d+)/g)].map((match) => match[1]);

test('trial: what comes out of each exporter, through connectors and what waits', async () => {
  const { output, refused } = await run([
    line('logs', 1), line('logs', 1, { receiver: 'file_log' }, 1),
    line('logs', 1, { after: '11s' }, 2),
  ]);
  assert.deepEqual(refused, []);
  assert.deepEqual(output.map(bodies), [['0', '1'], ['2']], 'the batch waited 10 virtual seconds');
  assert.match(output[0]!, /^\{"exporter":"otlp","resourceLogs":.*"seen"/);
});

test('trial: what is held at the end is handed on', async () => {
  const { output } = await run([line('logs', 2)], 0);
  assert.deepEqual(output.map(bodies), [['0', '1']]);
});

test('trial: chance is the same each time', async () => {
  const input = [line('traces', 50)];
  const first = await run(input);
  assert.deepEqual((await run(input)).output, first.output);
});

test('trial: input that cannot be used is told by its line', async () => {
  const check = (input: string, want: RegExp) =>
    assert.rejects(run([line('logs', 1), input]), want);
  await check('no JSON', /cannot use line 2 of the input/);
  await check('{}', /line 2 of the input: it has none of resourceSpans/);
  await check(line('logs', 1, { after: 'soon' }), /after is not a time span/);
  await check(line('logs', 1, { receiver: 'nobody' }), /there is no receiver nobody/);
  await check('{"resourceLogs":[{"scopeLogs":5}]}', /line 2/);
});

test('trial: differences are told by line, whatever the order of keys', () => {
  assert.deepEqual(differences(['{"a":1,"b":2}'], ['{"b":2,"a":1}']), []);
  const told = differences(['{"a":1}', '{"b":1}'], ['{"a":2}']).join('\n');
  assert.match(told, /line 1 differs:\n.*\{\n {2}- {3}"a": 1\n {2}\+ {3}"a": 2/);
  assert.match(told, /line 2 is missing/);
  assert.match(differences([], ['{}']).join(), /line 1 was not expected/);
});

test('binnacle agent test: writes and compares', { timeout: 120_000 }, () => {
  const root = new URL('../../..', import.meta.url).pathname;
  const folder = temporaryFolder();
  const at = (name: string) => join(folder, name);
  writeFileSync(at('agent.yaml'), CONFIG);
  writeFileSync(at('in.jsonl'), `${line('logs', 2)}\n`);
  const command = (...more: string[]) => spawnSync(process.execPath, ['--import', 'tsx',
    `${root}binnacle.ts`, 'agent', 'test', '--config', at('agent.yaml'), '--input', at('in.jsonl'),
    ...more], { cwd: root, encoding: 'utf8' });
  const written = command('--expect', at('out.jsonl'), '--update');
  assert.equal(written.status, 0, written.stderr);
  const same = command('--expect', at('out.jsonl'));
  assert.deepEqual([same.status, same.stdout], [0, 'as expected: 1 lines\n'], same.stderr);
  writeFileSync(at('out.jsonl'), readFileSync(at('out.jsonl'), 'utf8').replace('yes', 'no'));
  const other = command('--expect', at('out.jsonl'));
  assert.equal(other.status, 1);
  assert.match(other.stdout, /- .*"no"\n.*\+ .*"yes"/);
});
