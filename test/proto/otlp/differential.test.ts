// Our codec against protobufjs on the same wire definitions, with random requests of fixed seeds:
// what it writes we read, what we write it reads, and the bytes are the same. Counting bytes is
// held against counting the decoded request.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeRequest, encodeRequest } from '../../../proto/otlp/codec.ts';
import { countItems, countRequestItems } from '../../../proto/otlp/count.ts';
import { SIGNALS } from '../../../proto/otlp/model.ts';
import { generateRequest, seededRandom } from '../generate.ts';
import { PEER_REQUESTS, peerDecode, peerEncode, toPlain } from '../peer.ts';

const ROUNDS = 150;

for (const signal of SIGNALS) {
  test(`codec: ${signal} agree with protobufjs in both directions`, () => {
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const request = generateRequest(signal, seededRandom(seed));
      const plain = toPlain(request);
      const ours = encodeRequest(signal, request);
      const theirs = peerEncode(PEER_REQUESTS[signal], plain);
      assert.deepEqual(decodeRequest(signal, theirs), request, `seed ${seed}`);
      assert.deepEqual(peerDecode(PEER_REQUESTS[signal], ours), plain, `seed ${seed}`);
      assert.ok(Buffer.compare(ours, theirs) === 0, `seed ${seed}: bytes differ`);
      assert.deepEqual(decodeRequest(signal, ours), request, `seed ${seed}`);
    }
  });

  test(`count: ${signal} in bytes are as many as in the decoded request`, () => {
    let total = 0;
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const request = generateRequest(signal, seededRandom(seed));
      const count = countItems(signal, encodeRequest(signal, request));
      assert.equal(count, countRequestItems(signal, request), `seed ${seed}`);
      total += count;
    }
    assert.ok(total > ROUNDS, 'the generator made too few items to prove anything');
  });
}
