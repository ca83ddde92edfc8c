// Proves what parsers besides json_parser and regex_parser make of a text, and what they say of
// one that they cannot parse. Texts go through a receiver, so the records checked are those that
// travel.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { follow, recordsOf } from '../../receivers/file_log/following.ts';
import { problem, run } from '../running.ts';

const attributes = async (line: string, operator: object): Promise<unknown> =>
  (await run(line, [operator]))[0]!.attributes;

/** The warning about the first line that an operator failed on. */
async function fault(line: string, operator: object): Promise<string> {
  const following = await follow({ operators: [operator] });
  following.write('a.log', `${line}\n`);
  await following.poll();
  await following.stop();
  const warning = following.log.lines.find(({ level }) => level === 'warn');
  return warning?.message.replace(/^cannot apply operator \w+: /, '') ?? 'fine';
}

test('key_value_parser: pairs, quotes, delimiters', async () => {
  const type = 'key_value_parser';
  const check = async (line: string, want: object, config: object = {}) =>
    assert.deepEqual(await attributes(line, { type, ...config }), want, line);
  await check('level=info msg="a b=c" n=1', { level: 'info', msg: 'a b=c', n: '1' });
  await check(" a='x y'\tb=  c=1 ", { a: 'x y', b: '', c: '1' });
  await check('a="x \\" y" b=2', { a: 'x \\" y', b: '2' });
  await check('name=stanza ! org=otel      ! group=dev', { name: 'stanza', org: 'otel',
    group: 'dev' }, { pair_delimiter: '!' });
  await check('a:1,b:x=y', { a: '1', b: 'x=y' }, { delimiter: ':', pair_delimiter: ',' });
  assert.match(await fault('no pairs', { type }), /without delimiter/);
  assert.match(await fault('   ', { type }), /no pairs/);
  assert.match(problem({ type, delimiter: ' ', pair_delimiter: ' ' }), /^pair_delimiter: is the/);
});

test('csv_parser: fields, quotes, headers', async () => {
  const type = 'csv_parser';
  const check = async (line: string, want: object, config: object) =>
    assert.deepEqual(await attributes(line, { type, ...config }), want, line);
  const header = 'id,severity,message';
  await check('1,debug,Debug Message', { id: '1', severity: 'debug', message: 'Debug Message' },
    { header });
  await check('1,"a,b","say ""hi"""', { id: '1', severity: 'a,b', message: 'say "hi"' },
    { header });
  await check(',,', { id: '', severity: '', message: '' }, { header });
  await check('1\ta b\t', { id: '1', severity: 'a b', message: '' },
    { header: 'id\tseverity\tmessage', delimiter: '\t' });
  await check('1|2|3', { id: '1', severity: '2', message: '3' },
    { header, header_delimiter: ',', delimiter: '|' });
  await check('1,a "b" c,"d "e" f"', { id: '1', severity: 'a "b" c', message: 'd "e" f' },
    { header, lazy_quotes: true });
  await check('1,"a,b"', { id: '1', severity: '"a', message: 'b"' },
    { header, ignore_quotes: true });
  const [record] = await run('1,x,y', [
    { type: 'add', field: 'attributes.names', value: header },
    { type, header_attribute: 'names' },
  ]);
  assert.deepEqual(record!.attributes,
    { names: header, id: '1', severity: 'x', message: 'y' });
  assert.match(await fault('1,2', { type, header }), /another number of values/);
  assert.match(await fault('1,a "b",c', { type, header }), /quote/);
  assert.match(await fault('1,2,3', { type, header_attribute: 'x' }), /header is not there/);
  assert.match(problem({ type }), /needs header or header_attribute/);
  assert.match(problem({ type, header, delimiter: ';;' }), /^delimiter/);
  assert.match(problem({ type, header, lazy_quotes: true, ignore_quotes: true }), /^lazy_quotes/);
});

test('csv_parser: what is written by the rules is read as it was', async () => {
  const field = fc.string({ unit: 'grapheme-ascii', maxLength: 20 });
  const rows = fc.array(fc.tuple(field, field, field), { minLength: 50, maxLength: 50 });
  const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
  await fc.assert(fc.asyncProperty(rows, async (made) => {
    const lines = made.map((row) => row.map(quote).join(','));
    const records = await run(lines, [{ type: 'csv_parser', header: 'a,b,c' }]);
    assert.deepEqual(records.map(({ attributes: { a, b, c } }) => [a, b, c]), made);
  }), { numRuns: 5, seed: 3 });
});

test('uri_parser: absolute, relative, queries', async () => {
  const check = async (line: string, want: object) =>
    assert.deepEqual(await attributes(line, { type: 'uri_parser' }), want, line);
  await check('https://dev:pass@google.com:8443/app?user_id=2&token=001&token=%41+b#x', {
    scheme: 'https', user: 'dev', host: 'google.com', port: '8443', path: '/app',
    query: { user_id: ['2'], token: ['001', 'A b'] },
  });
  await check('/app?user=admin', { path: '/app', query: { user: ['admin'] } });
  await check('?env=stage&env=dev&x', { query: { env: ['stage', 'dev'], x: [''] } });
  await check('http://[::1]:80/%7Ea', { scheme: 'http', host: '::1', port: '80', path: '/~a' });
  await check('mailto:a@b.c', { scheme: 'mailto', path: 'a@b.c' });
  assert.match(await fault('http://a b', { type: 'uri_parser' }), /no URI/);
  assert.match(await fault('1x:y', { type: 'uri_parser' }), /no URI/);
});

test('json_array_parser: a list, or a map by a header', async () => {
  const line = '[1,"debug",{"a":[1]},null,true]';
  const type = 'json_array_parser';
  assert.deepEqual(await attributes(line, { type, parse_to: 'attributes.out' }),
    { out: [1, 'debug', '{"a":[1]}', null, true] });
  assert.deepEqual(await attributes('[1,"x"]', { type, header: 'n,s' }), { n: 1, s: 'x' });
  const [whole] = await run('["a"]', [{ type, parse_to: 'body' }]);
  assert.deepEqual(whole!.body, ['a']);
  assert.match(await fault('{}', { type, header: 'a' }), /no JSON array/);
  assert.match(await fault('[1,2]', { type, header: 'a' }), /another number/);
  assert.match(problem({ type }), /^parse_to: needs header/);
});

test('trace and scope_name, blocks and parsers: ids of the record, its scope', async () => {
  const trace = '5b8efff798038103d269b633813fc60c';
  const following = await follow({ operators: [{
    type: 'json_parser',
    trace: {
      trace_id: { parse_from: 'attributes.t' }, span_id: { parse_from: 'attributes.s' },
      trace_flags: { parse_from: 'attributes.f' },
    },
    scope_name: { parse_from: 'attributes.logger' },
  }] });
  const line = (logger: string) =>
    `${JSON.stringify({ t: trace, s: 'EEE19B7EC3C1B174', f: '01', logger })}\n`;
  const broken = '{"t":"xyz","logger":"one"}\n';
  following.write('a.log', line('one') + line('two') + line('one') + broken);
  await following.poll();
  await following.stop();
  const { batch } = following.sink.deliveries[0]!;
  assert.ok(batch.is('logs'));
  assert.deepEqual(batch.request.resourceLogs.flatMap(({ scopeLogs }) =>
    scopeLogs.map(({ scope, logRecords }) => [scope?.name, logRecords.length])),
  [['one', 3], ['two', 1]]);
  const [first, , last] = recordsOf(batch);
  assert.deepEqual([first!.traceId, first!.spanId, first!.flags],
    [trace, 'eee19b7ec3c1b174', 1]);
  assert.equal(last!.traceId, '');
  assert.equal(following.counters.total('binnacle_operator_errors_total'), 1);
  const [parsed] = await run(`{"trace_id":"${trace}","logger":"x"}`, [
    { type: 'json_parser', parse_to: 'body' }, { type: 'trace_parser' },
    { type: 'scope_name_parser', parse_from: 'body.logger' },
  ]);
  assert.deepEqual(parsed!.body, { trace_id: trace, logger: 'x' });
});
