// How fast spans are decoded, encoded and counted, beside yardsticks on the same data in the same
// run: protobufjs for the codec, JSON.parse and JSON.stringify for JSON, a copy of the bytes for
// counting. Variants take turns, so that what else the machine does hits all of them alike; the
// figure is the median of the rounds.
//
//   npx tsx test/bench/codec.ts [--rounds N] [--json FILE]
//
// The data: a request of 1,000 spans as a web service makes them (data.ts).

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { decodeRequest, encodeRequest } from '../../proto/otlp/codec.ts';
import { countItems } from '../../proto/otlp/count.ts';
import { requestFromJson, requestToJson } from '../../proto/otlp/json.ts';
import { splitRequest } from '../../proto/otlp/split.ts';
import { seededRandom } from '../proto/generate.ts';
import { PEER_REQUESTS, peerEncode, toPlain } from '../proto/peer.ts';
import { generateServiceSpans } from './data.ts';

const SPANS = 1000;

interface Variant {
  readonly name: string;
  readonly run: () => unknown;
  /** The variant to compare with. */
  readonly yardstick?: string;
}

/** Times the variants in turns, and answers the median nanoseconds a span of each. */
function measure(variants: readonly Variant[], rounds: number): Map<string, number[]> {
  const times = new Map(variants.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, run } of round % 2 === 0 ? variants : variants.toReversed()) {
      const start = process.hrtime.bigint();
      for (let turn = 0; turn < 20; turn++) run();
      times.get(name)!.push(Number(process.hrtime.bigint() - start) / 20 / SPANS);
    }
  }
  return times;
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '15' }, json: { type: 'string' } },
});
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
const times = measure(VARIANTS, Number(options.rounds));
console.log(`${SPANS} spans a request, ${bytes.length / SPANS} bytes a span, ns a span by round:`);
for (const [name, all] of times) console.log(`  ${name}: ${all.map(Math.round).join(' ')}`);
const figures = VARIANTS.filter(({ yardstick }) => yardstick).map(({ name, yardstick }) => {
  const value = 1e9 / median(times.get(name)!);
  const other = 1e9 / median(times.get(yardstick!)!);
  return { name, value, unit: 'spans/s', yardstick, yardstickValue: other, ratio: value / other };
});
for (const { name, value, yardstick, yardstickValue, ratio } of figures) {
  const [ours, theirs] = [value, yardstickValue].map((number) => Math.round(number / 1e3) * 1e3);
  console.log(`${name}: ${ours} spans/s (${yardstick}: ${theirs} spans/s) ${ratio.toFixed(2)}`);
}
if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(figures, null, 2));
