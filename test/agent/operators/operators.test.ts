// Proves what operators make of a line: parsers, times, severities, moving of values, on_error; and
// the sentences for what is not supported. Lines go through a receiver, so the records checked
// are those that travel. Times are checked against a clock that stands at 2026-01-01.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { follow } from '../receivers/file_log/following.ts';
import { problem, run, type Plain } from './running.ts';

/** What `json_parser` has to make of a line, by JSON.parse alone. */
const expected = (line: string): [string, unknown] =>
  [line, Object.fromEntries(Object.entries(JSON.parse(line) as object))];

const seen = ({ body, attributes }: Plain): [unknown, unknown] => [body, attributes];

test('json_parser: attributes are what JSON.parse says, for any keys and values', async () => {
  const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 140 }),
    fc.string({ unit: 'grapheme-ascii', minLength: 100, maxLength: 140 }));
  const leaf = fc.oneof(text, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer(),
    fc.boolean(), fc.constant(null));
  const value = fc.oneof({ weight: 4, arbitrary: leaf }, fc.array(leaf, { maxLength: 4 }),
    fc.dictionary(text, leaf, { maxKeys: 3 }));
  const objects = fc.array(fc.dictionary(text, value, { maxKeys: 8, noNullPrototype: true }),
    { minLength: 200, maxLength: 200 });
  await fc.assert(fc.asyncProperty(objects, async (made) => {
    // A minus of zero is lost by JSON.stringify already.
    const lines = made.map((one) => JSON.stringify(one));
    const records = await run(lines, [{ type: 'json_parser' }]);
    assert.deepEqual(records.map(seen), lines.map(expected));
  }), { numRuns: 20, seed: 4 });
});

test('json_parser: keys and texts on both sides of a length of one byte', async () => {
  const lines: string[] = [];
  for (let key = 0; key < 130; key += key < 4 || key > 100 ? 1 : 12) {
    for (const end of ['', 'é', '\ud83d\ude00']) {
      for (let length = 112 - key; length < 132 - key; length++) {
        const value = 'v'.repeat(Math.max(0, length)) + end;
        lines.push(JSON.stringify({ ['k'.repeat(key)]: value, [`${end}${key}`]: length / 3 }));
      }
    }
  }
  const records = await run(lines, [{ type: 'json_parser' }]);
  assert.deepEqual(records.map(seen), lines.map(expected));
});

const LOGHUB = join(import.meta.dirname, '../../../../shared/data/loghub');

test('json_parser: real lines inside of JSON come out as they went in',
  { skip: existsSync(LOGHUB) ? false : 'needs ../shared/data/loghub' }, async () => {
    const files = readdirSync(LOGHUB, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.log'));
    assert.notEqual(files.length, 0);
    for (const name of files) {
      const texts = readFileSync(join(LOGHUB, name), 'utf8').split('\n').slice(0, 300);
      const lines = texts.map((text, line) => JSON.stringify({
        text, line, words: text.split(' ').slice(0, 20), first: { [text.slice(0, 30)]: line / 7 },
      }));
      const records = await run(lines, [{ type: 'json_parser' }]);
      assert.deepEqual(records.map(seen), lines.map(expected), name);
    }
  });

test('json_parser: an object becomes attributes; values keep their kind', async () => {
  const [record] = await run(
    '{"s":"x","n":1.5,"i":7,"b":true,"z":null,"l":[1,"a"],"m":{"k":"v"},"__proto__":{"p":1}}',
    [{ type: 'json_parser' }]);
  assert.deepEqual(JSON.stringify(record!.attributes),
    '{"s":"x","n":1.5,"i":7,"b":true,"z":null,"l":[1,"a"],"m":{"k":"v"},"__proto__":{"p":1}}');
  assert.match(String(record!.body), /^\{"s"/);
  assert.equal(({} as Record<string, unknown>)['p'], undefined);
  const [whole] = await run('{"i":7,"d":0.5,"big":12345678901234567890}',
    [{ type: 'json_parser', parse_ints: true, parse_to: 'body' }]);
  assert.deepEqual(whole!.body, { i: 7n, d: 0.5, big: 12345678901234567000 });
});

test('json_parser: body, timestamp and severity blocks, nested fields', async () => {
  const line = '{"log":"hello","at":"2022-01-02T14:24:56.123123123Z","lvl":"WARNING","a":{"b":1}}';
  const [record] = await run(line, [{
    type: 'json_parser',
    parse_to: 'attributes.json',
    body: 'attributes.json.log',
    timestamp: { parse_from: 'attributes.json.at', layout: '%Y-%m-%dT%H:%M:%S.%LZ' },
    severity: { parse_from: 'attributes["json"].lvl' },
  }, { type: 'remove', field: 'attributes.json.at' }]);
  assert.deepEqual(record, {
    body: 'hello',
    attributes: { json: { log: 'hello', lvl: 'WARNING', a: { b: 1 } } },
    resource: {},
    time: '2022-01-02T14:24:56.123123123',
    severity: '13 WARNING',
  });
});

test('operators: on_error sends or drops, counted; nothing of the text is logged', async () => {
  const lines = ['{"a":1}', 'no json', '[1]', `${'{"a":'.repeat(40)}1${'}'.repeat(40)}`];
  const sent = await run(lines, [{ type: 'json_parser' }]);
  assert.deepEqual(sent.map(({ body }) => body), lines);
  assert.deepEqual(sent.map(({ attributes }) => attributes), [{ a: 1 }, {}, {}, {}]);
  const dropping = { type: 'json_parser', id: 'j', on_error: 'drop' };
  const following = await follow({ operators: [dropping] });
  following.write('a.log', 'secret\n{"a":1}\nsecret\n');
  await following.poll();
  assert.deepEqual(following.bodies(), ['{"a":1}']);
  assert.equal(following.counters.total('binnacle_operator_dropped_records_total'), 2);
  const errors = 'binnacle_operator_errors_total';
  assert.equal(following.counters.total(errors, { operator: 'j' }), 2);
  const warnings = following.log.lines.filter(({ level }) => level === 'warn');
  assert.deepEqual(warnings.map(({ message }) => message),
    ['cannot apply operator j: the text is not JSON']);
  await following.stop();
  const quiet = await follow({ operators: [{ type: 'json_parser', on_error: 'drop_quiet' }] });
  quiet.write('a.log', 'x\n');
  await quiet.poll();
  assert.deepEqual(quiet.log.lines.filter(({ level }) => level === 'warn'), []);
  assert.deepEqual(quiet.bodies(), []);
  await quiet.stop();
});

test('regex_parser: named groups as Go writes them', async () => {
  const regex = '^(?P<host>\\S+) \\[(?P<at>[^\\]]+)\\] (?P<status>\\d{3})(?: (?P<rest>.*))?$';
  const [record, short] = await run(
    ['h1 [02/Jan/2026:15:04:05 +0100] 503 a\rb', 'h2 [01/Jan/2026:00:00:00 +0000] 200'], [{
      type: 'regex_parser',
      regex,
      timestamp: { parse_from: 'attributes.at', layout: '%d/%b/%Y:%H:%M:%S %z' },
      severity: {
        parse_from: 'attributes.status', mapping: { error: '5xx', info: ['2xx', '3xx'] },
      },
    }]);
  assert.deepEqual(record!.attributes,
    { host: 'h1', at: '02/Jan/2026:15:04:05 +0100', status: '503', rest: 'a\rb' });
  assert.equal(record!.time, '2026-01-02T14:04:05.000000000');
  assert.equal(record!.severity, '17 503');
  assert.equal(short!.attributes['rest'], '');
  assert.equal(short!.severity, '9 200');
  const long = 'x'.repeat(70_000);
  const [unparsed] = await run(long, [{ type: 'regex_parser', regex: '(?P<a>x+)' }]);
  assert.deepEqual(unparsed!.attributes, {}, 'a long text is not scanned');
});

const TIMES: readonly [string, string, object][] = [
  ['2026-01-02 03:04:05', '2026-01-02T03:04:05.000000000', { layout: '%Y-%m-%d %H:%M:%S' }],
  ['2026-01-02 03:04:05,678', '2026-01-02T03:04:05.678000000', { layout: '%F %T' }],
  ['2026-01-02 03:04:05,678', '2026-01-02T03:04:05.678000000', { layout: '%F %T,%f' }],
  ['26/1/2 3:04:05 PM', '2026-01-02T15:04:05.000000000', { layout: '%y/%q/%g %I:%M:%S %p' }],
  ['12:04 am Jan  2 2026', '2026-01-02T00:04:00.000000000', { layout: '%I:%M %P %b %e %Y' }],
  ['2026-01-02T03:04:05+05:30', '2026-01-01T21:34:05.000000000',
    { layout: '%Y-%m-%dT%H:%M:%S%j' }],
  ['2026-01-02T03:04:05.25Z', '2026-01-02T03:04:05.250000000',
    { layout_type: 'gotime', layout: '2006-01-02T15:04:05.999Z07:00' }],
  ['Fri, 02 Jan 2026 03:04:05 EST', '2026-01-02T08:04:05.000000000',
    { layout_type: 'gotime', layout: 'Mon, 02 Jan 2006 15:04:05 MST' }],
  ['2026-07-02 03:04:05', '2026-07-02T01:04:05.000000000',
    { layout: '%Y-%m-%d %H:%M:%S', location: 'Europe/Berlin' }],
  ['2026-01-02 03:04:05', '2026-01-02T02:04:05.000000000',
    { layout: '%Y-%m-%d %H:%M:%S', location: 'Europe/Berlin' }],
  ['2026-01-02 03:04:05 XYZ', '2026-01-01T18:04:05.000000000',
    { layout: '%F %T %Z', time_zone_locations: { XYZ: 'Asia/Tokyo' } }],
  // Without a year: this one, or the last if that would be far ahead.
  ['Jan  5 10:00:00', '2026-01-05T10:00:00.000000000', { layout: '%b %e %H:%M:%S' }],
  ['Jun 14 15:16:01', '2025-06-14T15:16:01.000000000', { layout: '%b %d %H:%M:%S' }],
  ['Feb 29 00:00:00', '2024-02-29T00:00:00.000000000', { layout: '%b %d %H:%M:%S' }],
  ['1136214245', '2006-01-02T15:04:05.000000000', { layout_type: 'epoch', layout: 's' }],
  ['1136214245123', '2006-01-02T15:04:05.123000000', { layout_type: 'epoch', layout: 'ms' }],
  ['1136214245123456789', '2006-01-02T15:04:05.123456789', { layout_type: 'epoch', layout: 'ns' }],
  ['1136214245.123456789', '2006-01-02T15:04:05.123456789',
    { layout_type: 'epoch', layout: 's.ns' }],
  ['2026-02-30 00:00:00', '', { layout: '%F %T' }],
  ['2026-13-01 00:00:00', '', { layout: '%F %T' }],
  ['yesterday', '', { layout: '%F' }],
  ['1969-01-01', '', { layout: '%F' }],
  ['Thu Jan  1 00:00:00 QQQ 2026', '', { layout: '%a %b %e %T %Z %Y' }],
];

test('time_parser: layouts', async () => {
  for (const [text, time, config] of TIMES) {
    const [record] = await run(text, [
      { type: 'time_parser', parse_from: 'body', location: 'UTC', ...config },
    ]);
    assert.equal(record!.time, time, `${text} ${JSON.stringify(config)}`);
  }
});

test('time_parser: numbers of JSON', async () => {
  const [record] = await run('{"t": 1136214245.5}', [{ type: 'json_parser' },
    { type: 'time_parser', parse_from: 'attributes.t', layout_type: 'epoch', layout: 's.ms' }]);
  assert.equal(record!.time, '2006-01-02T15:04:05.500000000');
});

test('severity_parser: presets, mapping, overwrite_text', async () => {
  const severity = async (text: string, config: object = {}) =>
    (await run(text, [{ type: 'severity_parser', parse_from: 'body', ...config }]))[0]!.severity;
  assert.equal(await severity('Info'), '9 Info');
  assert.equal(await severity('err'), '17 err');
  assert.equal(await severity('fatal3'), '23 fatal3');
  assert.equal(await severity('12'), '12 12');
  assert.equal(await severity('verbose'), '0 verbose');
  assert.equal(await severity('err', { preset: 'otel' }), '0 err');
  assert.equal(await severity('warn', { preset: 'none' }), '0 warn');
  const mapping = { fatal: ['boom', 9], warn2: { min: 300, max: 305 }, 5: 'dbg' };
  assert.equal(await severity('BOOM', { mapping }), '21 BOOM');
  assert.equal(await severity('9', { mapping }), '21 9');
  assert.equal(await severity('303', { mapping, overwrite_text: true }), '14 WARN2');
  assert.equal(await severity('dbg', { mapping, overwrite_text: true }), '5 DEBUG');
});

test('add, copy, move, remove', async () => {
  const [record] = await run('{"a":{"b":1},"host":"h","msg":"m"}', [
    { type: 'json_parser' },
    { type: 'add', field: 'attributes.env', value: 'prod' },
    { type: 'add', field: 'resource["k8s.labels"]', value: { n: 1, list: [true] } },
    { type: 'copy', from: 'attributes.a', to: 'attributes.c' },
    { type: 'add', field: 'attributes.c.b', value: 2 },
    { type: 'move', from: 'attributes.host', to: 'resource["host.name"]' },
    { type: 'move', from: 'attributes.msg', to: 'body' },
    { type: 'remove', field: 'attributes.nothing', on_error: 'send_quiet' },
  ]);
  assert.deepEqual(record, {
    body: 'm',
    attributes: { a: { b: 1 }, env: 'prod', c: { b: 2n } },
    resource: { 'k8s.labels': { n: 1n, list: [true] }, 'host.name': 'h' },
    time: '',
    severity: '0 ',
  });
});

test('operators: records are grouped by the resource they were given', async () => {
  const following = await follow({ operators: [
    { type: 'json_parser' }, { type: 'move', from: 'attributes.h', to: 'resource.h' },
  ] });
  following.write('a.log', '{"h":"x"}\n{"h":"y"}\n{"h":"x"}\n');
  await following.poll();
  const { batch } = following.sink.deliveries[0]!;
  assert.ok(batch.is('logs'));
  assert.deepEqual(batch.request.resourceLogs.map(({ resource, scopeLogs }) =>
    [resource!.attributes[0]!.value.value, scopeLogs[0]!.logRecords.length]), [['x', 2], ['y', 1]]);
  await following.stop();
});

test('operators: what is wrong or not supported is said by name', () => {
  const time = { type: 'time_parser', parse_from: 'body' };
  assert.equal(problem({ ...time, layout: '%Y' }), 'fine');
  assert.match(problem({ type: 'file_input' }), /^type: unknown operator: use the receiver file/);
  assert.match(problem({ type: 'json_parsr' }), /did you mean "json_parser"/);
  assert.match(problem({ type: 'json_parser', if: 'bodi' }), /^if: .*character 1: .*"body"/);
  assert.match(problem({ type: 'json_parser', output: 'x' }), /^output: names no operator/);
  assert.match(problem({ type: 'json_parser', parse_form: 'body' }), /did you mean "parse_from"/);
  assert.match(problem({ type: 'json_parser', parse_from: '$body' }), /^parse_from: is not a f/);
  assert.match(problem({ type: 'json_parser', on_error: 'explode' }), /^on_error/);
  assert.match(problem({ type: 'regex_parser', regex: 'a' }), /^regex: has no named group/);
  assert.match(problem({ type: 'regex_parser', regex: '(?P<a>' }), /^regex: is not a regular/);
  assert.match(problem({ type: 'regex_parser' }), /^regex: is missing/);
  assert.match(problem({ ...time, layout: '%Q' }), /^layout: is not a layout/);
  assert.match(problem({ ...time, layout: 'x', layout_type: 'epoch' }), /^layout: .*known: s, ms/);
  assert.match(problem({ ...time, layout: '%Y', location: 'Mars' }), /^location: is not a time/);
  assert.match(problem({ type: 'severity_parser', parse_from: 'body', mapping: { loud: 'x' } }),
    /^mapping.loud: is not a severity/);
  assert.match(problem({ type: 'add', field: 'body', value: 'EXPR(1 +)' }), /^value: .*ter 4/);
});

test('operators: what no reader would take is dropped alone', async () => {
  const deep = `{"a":${'{"a":'.repeat(22)}1${'}'.repeat(23)}`;
  const field = `attributes${'.x'.repeat(12)}`;
  const records = await run([deep, '{"a":1}'], [{ type: 'json_parser', parse_to: field }]);
  assert.deepEqual(records.map(({ body }) => body), ['{"a":1}']);
});
