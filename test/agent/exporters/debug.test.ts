// The debug exporter: what each verbosity shows, sampling by the second, where it writes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDebug, debugExporter } from '../../../agent/exporters/debug.ts';
import { ACCEPTED } from '../../../proto/contract/outcome.ts';
import { Batch } from '../../../proto/contract/batch.ts';
import { createWorld } from '../../../runtime/world.ts';
import { checkConsumer } from '../../contract/check_consumer.ts';
import {
  createManualClock, createRecordingLog, makeBatch, NEVER, testContext,
} from '../../contract/fakes.ts';

function build(settings: object) {
  const clock = createManualClock();
  const log = createRecordingLog();
  const written: string[] = [];
  const outputs = {
    stdout: (text: string) => void written.push(`stdout ${text}`),
    stderr: (text: string) => void written.push(`stderr ${text}`),
  };
  const context = testContext({ log, world: { ...createWorld(), clock } });
  const exporter = createDebug(debugExporter.schema.parse(settings), context, outputs);
  const show = async (batch: Batch) =>
    assert.deepEqual(await exporter.consume(batch, NEVER), ACCEPTED);
  return { clock, log, written, exporter, show };
}

for (const verbosity of ['basic', 'normal', 'detailed']) {
  checkConsumer({
    name: `debug (${verbosity})`,
    terminal: true,
    create: (_next, context) => ({
      consumer: debugExporter.create(debugExporter.schema.parse({ verbosity }), context, _next),
    }),
  });
}

test('debug: basic is one line for each batch, in the log', async () => {
  const { log, show } = build({});
  await show(makeBatch('traces', 3));
  assert.match(log.lines[0]!.message, /^traces: 3 spans, \d+ bytes$/);
  await show(Batch.fromBytes('logs', makeBatch('logs', 1).bytes, 'agent/1/2'));
  assert.match(log.lines[1]!.message, /^logs: 1 log records, \d+ bytes, batch agent\/1\/2$/);
});

test('debug: normal is one line for each record below its resource', async () => {
  const { written, show } = build({ verbosity: 'normal', use_internal_logger: false });
  await show(makeBatch('logs', 2));
  assert.deepEqual(written[0]!.split('\n').slice(1), [
    'Resource service.name=test',
    '  INFO item-0 test.attribute=value',
    '  INFO item-1 test.attribute=value',
    '',
  ]);
  await show(makeBatch('metrics', 1));
  assert.match(written[1]!, /\n {2}item-0 gauge 1 data points\n$/);
  await show(makeBatch('traces', 1));
  assert.match(written[2]!, /\n {2}item-0 5b8efff798038103d269b633813fc60c 0{15}1 test/);
});

test('debug: detailed shows every field that is not a default', async () => {
  const { written, show } = build({ verbosity: 'detailed', use_internal_logger: false });
  await show(makeBatch('metrics', 1));
  const lines = written[0]!.split('\n').map((line) => line.trim());
  for (const line of ['attributes: service.name=test', 'name: item-0', 'unit: 1', 'value: 0',
    'timeUnixNano: 1767225600000000000', 'attributes: test.attribute=value']) {
    assert.ok(lines.includes(line), `${line} in\n${written[0]}`);
  }
});

test('debug: long and deep values are cut', async () => {
  const { written, show } = build({ verbosity: 'normal', use_internal_logger: false });
  await show(makeBatch('logs', 1, { resource: { long: 'x'.repeat(5000) } }));
  assert.match(written[0]!, /x… \(5000 characters\)\n/);
});

test('debug: the first two of a second, then every so manieth', async () => {
  const { clock, log, show } = build({ sampling_thereafter: 3 });
  for (let call = 0; call < 9; call++) await show(makeBatch('logs', 1));
  assert.equal(log.lines.length, 4, 'calls 1, 2, 5 and 8');
  await clock.advance(1000);
  await show(makeBatch('logs', 1));
  assert.equal(log.lines.length, 5);
});

test('debug: 0 thereafter shows no more', async () => {
  const { log, show } = build({ sampling_initial: 1, sampling_thereafter: 0 });
  for (let call = 0; call < 5; call++) await show(makeBatch('logs', 1));
  assert.equal(log.lines.length, 1);
});

test('debug: writes to the outputs that are named', async () => {
  const { log, written, show } = build({
    use_internal_logger: false,
    output_paths: ['stderr', 'stdout'],
  });
  await show(makeBatch('logs', 1));
  assert.deepEqual(written.map((text) => text.split(' ')[0]), ['stderr', 'stdout']);
  assert.deepEqual(log.lines, []);
});
