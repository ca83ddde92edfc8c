// Everything that reads bytes of others, on broken input of fixed seeds: random bytes, valid bytes
// cut short, with flipped bits, with pieces moved. It returns a value or raises DecodeError, and
// what decodes at all is decoded, encoded, counted, split and written as JSON consistently.
// FUZZ_SEED and FUZZ_ROUNDS choose other input and more of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeRequest, encodeRequest } from '../../../proto/otlp/codec.ts';
import { countItems, countRequestItems } from '../../../proto/otlp/count.ts';
import { requestFromJson, requestToJson } from '../../../proto/otlp/json.ts';
import { SIGNALS } from '../../../proto/otlp/model.ts';
import type { RequestOf, Signal } from '../../../proto/otlp/model.ts';
import { editResources } from '../../../proto/otlp/resource.ts';
import { decodeResponse, responseFromJson } from '../../../proto/otlp/response.ts';
import { splitRequest } from '../../../proto/otlp/split.ts';
import { decodeStatus, statusFromJson } from '../../../proto/otlp/status.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import { generateRequest, seededRandom } from '../generate.ts';
import type { Random } from '../generate.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 3000);
const SMALL = { groups: 2, scopes: 2, records: 2, attributes: 3, depth: 3 };

function attempt<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}

const below = (random: Random, limit: number): number => Math.floor(random() * limit);

/** One of several kinds of damage; sometimes none. */
function damage(random: Random, bytes: Uint8Array): Uint8Array {
  const broken = Buffer.from(bytes);
  const at = below(random, broken.length + 1);
  switch (below(random, 6)) {
    case 0: return broken.subarray(0, at);
    case 1: return broken.subarray(at);
    case 2: return Buffer.from(Array.from({ length: at }, () => below(random, 256)));
    case 3: return Buffer.concat([broken.subarray(0, at), broken.subarray(below(random, at))]);
    case 4: return broken;
    default:
      for (let flips = 1 + below(random, 4); flips > 0 && broken.length > 0; flips--) {
        broken[below(random, broken.length)]! ^= 1 << below(random, 8);
      }
      return broken;
  }
}

/** What must hold for bytes that decode. */
function checkConsistent<S extends Signal>(signal: S, bytes: Uint8Array, request: RequestOf<S>) {
  const encoded = encodeRequest(signal, request);
  assert.deepEqual(decodeRequest(signal, encoded), request);
  assert.equal(countItems(signal, bytes), countRequestItems(signal, request));
  assert.deepEqual(requestFromJson(signal, requestToJson(signal, request)), request);
  const parts = splitRequest(signal, bytes, { itemsMax: 2, bytesMax: 500 });
  const counts = parts.map((part) => countItems(signal, part));
  const total = counts.reduce((sum, count) => sum + count, 0);
  assert.equal(total, countRequestItems(signal, request));
}

for (const signal of SIGNALS) {
  test(`fuzz: ${signal} in protobuf, broken in every way, seed ${SEED}`, () => {
    const random = seededRandom(SEED);
    let decoded = 0;
    let refused = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const source = encodeRequest(signal, generateRequest(signal, random, SMALL));
      const bytes = damage(random, source);
      const message = () => `seed ${SEED}, round ${round}: ${Buffer.from(bytes).toString('hex')}`;
      try {
        const request = attempt(() => decodeRequest(signal, bytes));
        attempt(() => countItems(signal, bytes));
        attempt(() => splitRequest(signal, bytes, { itemsMax: 1 }));
        attempt(() => editResources(signal, bytes, (one) => ({ ...one })));
        attempt(() => decodeResponse(signal, bytes));
        decodeStatus(bytes);
        if (request === null) refused++;
        else {
          decoded++;
          checkConsistent(signal, bytes, request);
        }
      } catch (error) {
        throw new Error(message(), { cause: error });
      }
    }
    assert.ok(decoded > ROUNDS / 10 && refused > ROUNDS / 10, `${decoded} and ${refused}`);
  });

  test(`fuzz: ${signal} in JSON, broken in every way, seed ${SEED}`, () => {
    const random = seededRandom(SEED);
    for (let round = 0; round < ROUNDS / 3; round++) {
      const json = requestToJson(signal, generateRequest(signal, random, SMALL));
      const bytes = damage(random, Buffer.from(json));
      try {
        const request = attempt(() => requestFromJson(signal, bytes));
        attempt(() => responseFromJson(signal, bytes));
        statusFromJson(bytes);
        if (request === null) continue;
        assert.deepEqual(decodeRequest(signal, encodeRequest(signal, request)), request);
      } catch (error) {
        const message = `seed ${SEED}, round ${round}: ${Buffer.from(bytes).toString()}`;
        throw new Error(message, { cause: error });
      }
    }
  });
}
