// How fast spans are decoded, encoded and counted, beside yardsticks on the same data in the same
// run: protobufjs for the codec, JSON.parse and JSON.stringify for JSON, a copy of the bytes for
// counting. Variants take turns, so that what else the machine does hits all of them alike; the
// figure is the median of the rounds.
//
//   npm run bench -- codec [--rounds N]
//
// The data: a request of 1,000 spans as a web service makes them (data.ts).

import { decodeRequest, encodeRequest } from '../../proto/otlp/codec.ts';
import { countItems } from '../../proto/otlp/count.ts';
import { requestFromJson, requestToJson } from '../../proto/otlp/json.ts';
import { splitRequest } from '../../proto/otlp/split.ts';
import { seededRandom } from '../proto/generate.ts';
import { PEER_REQUESTS, peerEncode, toPlain } from '../proto/peer.ts';
import { generateServiceSpans } from './data.ts';
import { median, options, ownCpuUs, report } from './figures.ts';

const SPANS = 1000;

interface Variant {
  readonly name: string;
  readonly run: () => unknown;
  /** The variant to compare with. */
  readonly yardstick?: string;
}

/** Times the variants in turns, and answers the nanoseconds of processor time a span of each. */
function measure(variants: readonly Variant[], rounds: number): Map<string, number[]> {
  const times = new Map(variants.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, run } of round % 2 === 0 ? variants : variants.toReversed()) {
      const beforeUs = ownCpuUs();
      for (let turn = 0; turn < 20; turn++) run();
      times.get(name)!.push((ownCpuUs() - beforeUs) * 1000 / 20 / SPANS);
    }
  }
  return times;
}

const { rounds } = options({ rounds: 15 });
const request = generateServiceSpans(seededRandom(1), SPANS);
const bytes = encodeRequest('traces', request);
const json = requestToJson('traces', request);
const peer = PEER_REQUESTS.traces;
const message = peer.decode(peerEncode(peer, toPlain(request)));
const VARIANTS: readonly Variant[] = [
  { name: 'protobufjs decode', run: () => peer.decode(bytes) },
  { name: 'decode', run: () => decodeRequest('traces', bytes), yardstick: 'protobufjs decode' },
  { name: 'protobufjs encode', run: () => peer.encode(message).finish() },
  { name: 'encode', run: () => encodeRequest('traces', request), yardstick: 'protobufjs encode' },
  { name: 'copy of the bytes', run: () => Buffer.from(bytes) },
  { name: 'count', run: () => countItems('traces', bytes), yardstick: 'copy of the bytes' },
  {
    name: 'split into tenths', run: () => splitRequest('traces', bytes, { itemsMax: SPANS / 10 }),
    yardstick: 'copy of the bytes',
  },
  { name: 'JSON.parse', run: () => JSON.parse(json) },
  { name: 'from JSON', run: () => requestFromJson('traces', json), yardstick: 'JSON.parse' },
  { name: 'JSON.stringify', run: () => JSON.stringify(JSON.parse(json)) },
  { name: 'to JSON', run: () => requestToJson('traces', request), yardstick: 'JSON.stringify' },
];

measure(VARIANTS, 3);
const times = measure(VARIANTS, rounds);
console.log(`${SPANS} spans a request, ${bytes.length / SPANS} bytes a span`);
const rateOf = (name: string) => 1e9 / median(times.get(name)!);
for (const { name, yardstick } of VARIANTS) {
  if (yardstick === undefined) continue;
  report({
    name: `codec, ${name}`,
    value: rateOf(name),
    unit: 'spans/s/core',
    yardstick: { name: yardstick, value: rateOf(yardstick) },
    rounds: times.get(name)!.map((ns) => 1e9 / ns),
  });
}
