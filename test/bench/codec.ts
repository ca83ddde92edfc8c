// How fast spans are decoded, encoded and counted, beside yardsticks on the same data in the same
// run: protobufjs for the codec, JSON.parse and JSON.stringify for JSON, a copy of the bytes for
// counting. Variants take turns, so that what else the machine does hits all of them alike; the
// figure is the median of the rounds.
//
//   npx tsx test/bench/codec.ts [--rounds N] [--json FILE]
//
// The data: requests of 1,000 spans as an HTTP service makes them, with 6 resource attributes and
// 5 to 12 attributes a span, about 330 bytes each.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { decodeRequest, encodeRequest } from '../../proto/otlp/codec.ts';
import { countItems } from '../../proto/otlp/count.ts';
import { requestFromJson, requestToJson } from '../../proto/otlp/json.ts';
import type { KeyValue, Span, TracesRequest } from '../../proto/otlp/model.ts';
import { splitRequest } from '../../proto/otlp/split.ts';
import { seededRandom } from '../proto/generate.ts';
import type { Random } from '../proto/generate.ts';
import { PEER_REQUESTS, peerEncode, toPlain } from '../proto/peer.ts';

const SPANS = 1000;

const text = (key: string, value: string): KeyValue => ({ key, value: { type: 'string', value } });
const int = (key: string, value: number): KeyValue =>
  ({ key, value: { type: 'int', value: BigInt(value) } });

function httpSpan(random: Random): Span {
  const id = (digits: number) =>
    Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join('');
  const route = ['/api/users/:id', '/api/orders', '/health', '/api/search'][random() * 4 | 0]!;
  const start = 1_764_000_000_000_000_000n + BigInt(Math.floor(random() * 1e12));
  const attributes = [
    text('http.request.method', random() < 0.8 ? 'GET' : 'POST'),
    text('http.route', route),
    text('url.path', route.replace(':id', String(random() * 1e6 | 0))),
    int('http.response.status_code', random() < 0.97 ? 200 : 500),
    int('server.port', 8080),
    text('client.address', `10.0.${random() * 256 | 0}.${random() * 256 | 0}`),
    text('user_agent.original', 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0'),
    text('network.protocol.version', '1.1'),
    text('url.scheme', 'http'),
    int('http.response.body.size', random() * 20_000 | 0),
    text('thread.name', `worker-${random() * 16 | 0}`),
    text('tenant.id', id(12)),
  ];
  return {
    traceId: id(32), spanId: id(16), traceState: '', parentSpanId: random() < 0.2 ? '' : id(16),
    flags: 257, name: `GET ${route}`, kind: 2, startTimeUnixNano: start,
    endTimeUnixNano: start + BigInt(Math.floor(random() * 5e7)),
    attributes: attributes.slice(0, 5 + Math.floor(random() * 8)),
    droppedAttributesCount: 0, events: [], droppedEventsCount: 0, links: [],
    droppedLinksCount: 0, status: random() < 0.03 ? { message: 'failed', code: 2 } : undefined,
  };
}

function httpRequest(random: Random): TracesRequest {
  const keys = ['service.name', 'service.version', 'host.name', 'os.type', 'process.pid',
    'telemetry.sdk.language'];
  return { resourceSpans: [{
    resource: {
      attributes: keys.map((key) => text(key, `${key}-value`)),
      droppedAttributesCount: 0, entityRefs: [],
    },
    scopeSpans: [{
      scope: { name: 'http', version: '1.0.0', attributes: [], droppedAttributesCount: 0 },
      spans: Array.from({ length: SPANS }, () => httpSpan(random)),
      schemaUrl: '',
    }],
    schemaUrl: '',
  }] };
}

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
const request = httpRequest(seededRandom(1));
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
