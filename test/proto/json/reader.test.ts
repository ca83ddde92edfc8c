// The JSON reader against JSON.parse, which is right about everything but large numbers: the same
// values, the same refusals. What JSON.parse cannot do (text of numbers, bounded depth, paths) is
// checked by hand.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JsonReader, limits } from '../../../proto/json/reader.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import { seededRandom } from '../generate.ts';

/** A tree, as JSON.parse makes it. */
function readTree(reader: JsonReader): unknown {
  if (reader.isString()) return reader.string();
  if (reader.null()) return null;
  const text = JSON.stringify(peekKind(reader));
  if (text === '"object"') {
    const entries: Array<[string, unknown]> = [];
    reader.object();
    for (let key = reader.key(); key !== undefined; key = reader.key()) {
      entries.push([key, readTree(reader)]);
    }
    return Object.fromEntries(entries);
  }
  if (text === '"array"') {
    const values: unknown[] = [];
    reader.array();
    while (reader.item()) values.push(readTree(reader));
    return values;
  }
  return text === '"boolean"' ? reader.boolean() : Number(reader.number());
}

/** The reader itself has no need to ask what comes, so the test looks at the text. */
function peekKind(reader: JsonReader): string {
  const { text, position } = reader as unknown as { text: string; position: number };
  const first = text.slice(position).trimStart()[0] ?? '';
  if (first === '{') return 'object';
  if (first === '[') return 'array';
  return first === 't' || first === 'f' ? 'boolean' : 'number';
}

function readAll(text: string): unknown {
  const reader = new JsonReader(text);
  const tree = readTree(reader);
  reader.end();
  return tree;
}

const outcome = (read: () => unknown): unknown => {
  try {
    return { value: read() };
  } catch (error) {
    assert.ok(error instanceof SyntaxError || error instanceof DecodeError, String(error));
    return 'refused';
  }
};

test('JSON: reads and refuses what JSON.parse does', () => {
  const texts = [
    '{}', '[]', '[1,2]', '{"a":{"b":[true,false,null]}}', ' [ 1 , "x" ] ', '"\\u0041\\n\\""', '""',
    '-0', '1e3', '1.5E-2', '01', '1.', '.5', '+1', '-', '1e', 'nul', 'truex', 'NaN', '',
    '[1,]', '{"a":1,}', '{a:1}', "{'a':1}", '{"a" 1}', '{"a":}', '[1 2]', '[', '{', '{"a"', '"abc',
    '"\\x"', '"\\u12"', '"a\nb"', '"\\', '[]]', '{}{}', '\ufeff{}', '{"__proto__":{"a":1}}',
    '{"a":1,"a":2}', '"\u2028"', '[[],[[]],{}]', '{"":1}', ',', '[,1]', ':',
  ];
  for (const text of texts) {
    assert.deepEqual(outcome(() => readAll(text)), outcome(() => JSON.parse(text)), text);
  }
});

test('JSON: agrees with JSON.parse on changed texts of fixed seeds', () => {
  const random = seededRandom(7);
  const source = '{"a":[1,-2.5e3,"x\\u00e9\\n",true,null,{"b":{}}],"c":"☃","a":[[]]}';
  for (let round = 0; round < 20_000; round++) {
    const at = Math.floor(random() * source.length);
    const letter = '{}[],:"\\0-e.tn '[Math.floor(random() * 15)]!;
    const text = source.slice(0, at) + letter + source.slice(at + Math.floor(random() * 3));
    assert.deepEqual(outcome(() => readAll(text)), outcome(() => JSON.parse(text)), text);
    const skipped = outcome(() => {
      const reader = new JsonReader(text);
      reader.skip();
      reader.end();
    });
    assert.equal(skipped === 'refused', outcome(() => JSON.parse(text)) === 'refused', text);
  }
});

test('JSON: numbers are handed out as they are written', () => {
  const check = (text: string) => assert.equal(new JsonReader(text).number(), text);
  check('1544712660300000001');
  check('-0');
  check('1.000000000000000000001e400');
});

test('JSON: strings are well-formed', () => {
  const check = (text: string, want: string) =>
    assert.equal(new JsonReader(text).string(), want);
  check('"\\ud83d\\ude00"', '😀');
  check('"a\\ud83d"', 'a\ufffd');
  check('"\\ude00\\ud83d"', '\ufffd\ufffd');
  assert.equal(new JsonReader(Buffer.from([0x22, 0xff, 0x22])).string(), '\ufffd');
});

test('JSON: nesting is bounded, also where nobody looks', () => {
  const arrays = (depth: number) => new JsonReader('['.repeat(depth) + ']'.repeat(depth));
  const objects = (depth: number) =>
    new JsonReader('{"a":'.repeat(depth - 1) + '{}' + '}'.repeat(depth - 1));
  arrays(limits.depthMax).skip();
  objects(limits.objectDepthMax).skip();
  assert.throws(() => arrays(limits.depthMax + 1).skip(), DecodeError);
  assert.throws(() => objects(limits.objectDepthMax + 1).skip(), DecodeError);
  assert.throws(() => new JsonReader('['.repeat(1e6)).skip(), DecodeError);
});

test('JSON: an error says where', () => {
  const reader = new JsonReader('{"a":[{},{"b":x}]}');
  const isPlaced = (error: unknown) => error instanceof DecodeError
    && error.path === 'a[1].b' && error.offset === 14 && error.message.includes('a[1].b');
  assert.throws(() => reader.skip(), isPlaced);
});
