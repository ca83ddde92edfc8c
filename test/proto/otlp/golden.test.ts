// Golden requests in JSON: JSON → model → protobuf → model → JSON, and the protobuf bytes as they
// were recorded (UPDATE_GOLDEN=1 records them anew). Our own are in test/golden/otlp; the examples
// of the OTLP project are used where they are at hand.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { decodeRequest, encodeRequest } from '../../../proto/otlp/codec.ts';
import { countItems } from '../../../proto/otlp/count.ts';
import { requestFromJson, requestToJson } from '../../../proto/otlp/json.ts';
import type { Signal } from '../../../proto/otlp/model.ts';

const own = new URL('../../golden/otlp/', import.meta.url).pathname;
const examples = new URL('../../../../shared/data/otlp-examples/', import.meta.url).pathname;

const signalOf = (name: string): Signal => {
  if (name.startsWith('trace')) return 'traces';
  return name.startsWith('metrics') ? 'metrics' : 'logs';
};

/** What the standard leaves open or out when writing: case of ids, and defaults. */
function normalized(value: unknown, key = ''): unknown {
  if (/(?:^t|S|^s)(?:race|pan|panId).*Id$|^spanId$/.test(key)) return String(value).toLowerCase();
  if (Array.isArray(value)) return value.map((item) => normalized(item));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value)
    .filter(([name, one]) => !(one === 0 && ['scale', 'zeroThreshold'].includes(name)))
    .map(([name, one]) => [name, normalized(one, name)]));
}

function roundTrip(signal: Signal, json: string): Uint8Array {
  const request = requestFromJson(signal, json);
  const bytes = encodeRequest(signal, request);
  const again = decodeRequest(signal, bytes);
  assert.deepEqual(again, request);
  assert.deepEqual(JSON.parse(requestToJson(signal, again)), normalized(JSON.parse(json)));
  assert.ok(countItems(signal, bytes) > 0);
  return bytes;
}

for (const name of readdirSync(own).filter((file) => file.endsWith('.json'))) {
  test(`golden: ${name}`, () => {
    const bytes = roundTrip(signalOf(name), readFileSync(own + name, 'utf8'));
    const hex = Buffer.from(bytes).toString('hex').replace(/.{100}/g, '$&\n');
    const golden = own + name.replace('.json', '.hex');
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(golden, `${hex}\n`);
    assert.equal(`${hex}\n`, readFileSync(golden, 'utf8'));
  });
}

for (const name of ['trace.json', 'metrics.json', 'logs.json', 'events.json']) {
  const present = existsSync(examples + name);
  const skip = present ? false : 'the examples of the OTLP project are not at hand';
  test(`golden: example ${name}`, { skip }, () => {
    roundTrip(signalOf(name), readFileSync(examples + name, 'utf8'));
  });
}
