// Proves each action on a list of attributes, and that those which cannot be meant are refused with
// the key that is wrong.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { attributeAction, createEdit } from '../../../../agent/processors/edit/actions.ts';
import type { AnyValue, Attributes } from '../../../../proto/otlp/model.ts';

const string = (value: string): AnyValue => ({ type: 'string', value });
const int = (value: bigint): AnyValue => ({ type: 'int', value });

const listOf = (values: Record<string, AnyValue>): Attributes =>
  Object.entries(values).map(([key, value]) => ({ key, value }));

/** What the actions make of these attributes. */
function edited(actions: object[], values: Record<string, AnyValue>): Record<string, AnyValue> {
  const edit = createEdit(actions.map((action) => attributeAction().parse(action)));
  const result = edit(listOf(values));
  return Object.fromEntries(result.map(({ key, value }) => [key, value]));
}

test('attribute actions: insert, update, upsert', () => {
  const check = (action: string, values: Record<string, AnyValue>, want: unknown) =>
    assert.deepEqual(edited([{ key: 'a', action, value: 'new' }], values), want);
  check('insert', {}, { a: string('new') });
  check('insert', { a: int(1n) }, { a: int(1n) });
  check('update', {}, {});
  check('update', { a: int(1n) }, { a: string('new') });
  check('upsert', {}, { a: string('new') });
  check('upsert', { a: int(1n), b: int(2n) }, { a: string('new'), b: int(2n) });
});

test('attribute actions: values of every type', () => {
  const check = (value: unknown, want: AnyValue) =>
    assert.deepEqual(edited([{ key: 'a', action: 'insert', value }], {}), { a: want });
  check('text', string('text'));
  check(7, int(7n));
  check(7.5, { type: 'double', value: 7.5 });
  check(true, { type: 'bool', value: true });
  check(['x', 1], { type: 'array', value: [string('x'), int(1n)] });
  check({ k: 'v' }, { type: 'kvlist', value: [{ key: 'k', value: string('v') }] });
});

test('attribute actions: from_attribute takes what is there and does nothing otherwise', () => {
  const actions = [{ key: 'a', action: 'upsert', from_attribute: 'b' }];
  assert.deepEqual(edited(actions, { b: int(3n) }), { b: int(3n), a: int(3n) });
  assert.deepEqual(edited(actions, { a: int(1n) }), { a: int(1n) });
});

test('attribute actions: delete by key and by pattern', () => {
  const values = { 'http.url': string('x'), 'http.method': string('GET'), other: int(1n) };
  assert.deepEqual(Object.keys(edited([{ key: 'other', action: 'delete' }], values)),
    ['http.url', 'http.method']);
  assert.deepEqual(Object.keys(edited([{ action: 'delete', pattern: '^http\\.' }], values)),
    ['other']);
});

test('attribute actions: hash is SHA-256 of the bytes of the value, as the Collector does', () => {
  const hex = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
  const check = (value: AnyValue, want: string) =>
    assert.deepEqual(edited([{ key: 'a', action: 'hash' }], { a: value }), { a: string(want) });
  check(string('secret'), hex(Buffer.from('secret')));
  check(int(1n), hex(Buffer.from([1, 0, 0, 0, 0, 0, 0, 0])));
  check({ type: 'bool', value: true }, hex(Buffer.from([1])));
  check({ type: 'double', value: 1 }, hex(Buffer.from([0, 0, 0, 0, 0, 0, 0xf0, 0x3f])));
  check(string(''), '');
});

test('attribute actions: extract fills keys from named groups in Go syntax', () => {
  const actions = [{
    key: 'url',
    action: 'extract',
    pattern: '^/api/v1/document/(?P<documentId>.*)/update$',
  }];
  const url = string('/api/v1/document/12/update');
  assert.deepEqual(edited(actions, { url }), { url, documentId: string('12') });
  assert.deepEqual(edited(actions, { url: string('/') }), { url: string('/') });
  assert.deepEqual(edited(actions, { url: int(1n) }), { url: int(1n) });
});

test('attribute actions: convert keeps what it cannot convert', () => {
  const check = (type: string, value: AnyValue, want: AnyValue) => {
    const action = { key: 'a', action: 'convert', converted_type: type };
    assert.deepEqual(edited([action], { a: value }), { a: want });
  };
  check('int', string('-42'), int(-42n));
  check('int', string('9223372036854775808'), string('9223372036854775808'));
  check('int', string('x'), string('x'));
  check('int', { type: 'double', value: 3.9 }, int(3n));
  check('int', { type: 'bool', value: true }, int(1n));
  check('double', string('2.5'), { type: 'double', value: 2.5 });
  check('double', string(' '), string(' '));
  check('double', int(2n), { type: 'double', value: 2 });
  check('string', int(2n), string('2'));
  check('string', { type: 'bool', value: false }, string('false'));
  check('string', { type: 'array', value: [] }, { type: 'array', value: [] });
});

test('attribute actions: they run in order, each on what the one before left', () => {
  assert.deepEqual(edited([
    { key: 'a', action: 'insert', value: 'x' },
    { key: 'b', action: 'insert', from_attribute: 'a' },
    { key: 'a', action: 'delete' },
  ], {}), { b: string('x') });
});

test('attribute actions: wrong ones are told by key', () => {
  const check = (action: object, ...want: string[]) => {
    const { error } = attributeAction().safeParse(action);
    assert.deepEqual(error?.issues.map((issue) => issue.path.join('.')), want);
  };
  check({ key: 'a', action: 'insert' }, 'value');
  check({ key: 'a', action: 'insert', value: 1, from_attribute: 'b' }, 'value');
  check({ key: 'a', action: 'insert', from_context: 'metadata.x' }, 'from_context');
  check({ action: 'upsert', value: 1 }, 'key');
  check({ action: 'delete' }, 'key');
  check({ key: 'a', action: 'extract' }, 'pattern');
  check({ key: 'a', action: 'extract', pattern: '(x)' }, 'pattern');
  check({ key: 'a', action: 'extract', pattern: '(?P<a>x)(y)' }, 'pattern');
  check({ key: 'a', action: 'extract', pattern: '(' }, 'pattern');
  check({ key: 'a', action: 'convert' }, 'converted_type');
  check({ key: 'a', action: 'rename' }, 'action');
});
