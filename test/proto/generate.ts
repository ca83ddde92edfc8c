// Random export requests for tests: every field, every kind of value, extreme numbers, unicode and
// empty parts, all from a seed. What it makes is canonical: decoding its encoding gives it back.

import type { AnyValue, Exemplar, ExponentialBuckets, KeyValue } from '../../proto/otlp/model.ts';
import type { DataPoint, LogRecord, Metric, MetricData } from '../../proto/otlp/model.ts';
import type { NumberValue, RequestOf, Resource, Scope } from '../../proto/otlp/model.ts';
import type { Signal, Span } from '../../proto/otlp/model.ts';

/** Answers numbers from 0 (inclusive) to 1 (exclusive). */
export type Random = () => number;

/** The same numbers for the same seed on every machine (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The most of each; how many there are is random, from 0 on. */
export interface SizeHints {
  readonly groups?: number;
  readonly scopes?: number;
  readonly records?: number;
  readonly attributes?: number;
  readonly depth?: number;
}

export function generateRequest<S extends Signal>(
  signal: S,
  random: Random,
  hints: SizeHints = {},
): RequestOf<S> {
  const maker = new Maker(random, hints);
  const requests = {
    traces: () => ({ resourceSpans: maker.groups('scopeSpans', 'spans', () => maker.span()) }),
    logs: () => ({ resourceLogs: maker.groups('scopeLogs', 'logRecords', () => maker.record()) }),
    metrics: () => ({
      resourceMetrics: maker.groups('scopeMetrics', 'metrics', () => maker.metric()),
    }),
  };
  return requests[signal]() as unknown as RequestOf<S>;
}

const ALPHABETS = ['abcdefghijklmnop.', 'ABC 0123456789_-/', 'äöüß€', '日本語☃', '😀🦉\u0000"\\\n'];
const INTS = [0n, 1n, -1n, 127n, 128n, 2n ** 31n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)];
const DOUBLES = [0, -0, 1, -1.5, 5e-324, 1.7976931348623157e308, NaN, Infinity, -Infinity, 0.1];
const UINT32S = [0, 0, 1, 127, 128, 300, 2 ** 31, 2 ** 32 - 1];

class Maker {
  private readonly random: Random;
  private readonly hints: Required<SizeHints>;

  constructor(random: Random, hints: SizeHints) {
    this.random = random;
    this.hints = { groups: 3, scopes: 3, records: 6, attributes: 5, depth: 3, ...hints };
  }

  groups(scopesKey: string, recordsKey: string, record: () => unknown): unknown[] {
    const scope = () => ({
      scope: this.maybe(() => this.scope()),
      [recordsKey]: this.list(this.hints.records, record),
      schemaUrl: this.text(),
    });
    return this.list(this.hints.groups, () => ({
      resource: this.maybe(() => this.resource()),
      [scopesKey]: this.list(this.hints.scopes, scope),
      schemaUrl: this.text(),
    }));
  }

  span(): Span {
    return {
      traceId: this.id(16),
      spanId: this.id(8),
      traceState: this.text(),
      parentSpanId: this.id(8),
      flags: this.uint32(),
      name: this.text(),
      kind: this.pick([0, 1, 2, 3, 4, 5, 77, -1]),
      startTimeUnixNano: this.time(),
      endTimeUnixNano: this.time(),
      attributes: this.attributes(),
      droppedAttributesCount: this.uint32(),
      events: this.list(3, () => ({
        timeUnixNano: this.time(),
        name: this.text(),
        attributes: this.attributes(),
        droppedAttributesCount: this.uint32(),
      })),
      droppedEventsCount: this.uint32(),
      links: this.list(3, () => ({
        traceId: this.id(16),
        spanId: this.id(8),
        traceState: this.text(),
        attributes: this.attributes(),
        droppedAttributesCount: this.uint32(),
        flags: this.uint32(),
      })),
      droppedLinksCount: this.uint32(),
      status: this.maybe(() => ({ message: this.text(), code: this.pick([0, 1, 2, 9]) })),
    };
  }

  record(): LogRecord {
    return {
      timeUnixNano: this.time(),
      observedTimeUnixNano: this.time(),
      severityNumber: this.pick([0, 1, 9, 24, 1000, -2]),
      severityText: this.text(),
      body: this.maybe(() => this.value(this.hints.depth)),
      attributes: this.attributes(),
      droppedAttributesCount: this.uint32(),
      flags: this.uint32(),
      traceId: this.id(16),
      spanId: this.id(8),
      eventName: this.text(),
    };
  }

  metric(): Metric {
    return {
      name: this.text(),
      description: this.text(),
      unit: this.text(),
      metadata: this.attributes(),
      data: this.maybe(() => this.data()),
    };
  }

  private data(): MetricData {
    const aggregationTemporality = this.pick([0, 1, 2, 7]);
    const isMonotonic = this.random() < 0.5;
    const numbers = () => ({
      ...this.point(), value: this.maybe(() => this.number()), exemplars: this.exemplars(),
    });
    return this.pick<() => MetricData>([
      () => ({ type: 'gauge', dataPoints: this.list(4, numbers) }),
      () => ({
        type: 'sum', dataPoints: this.list(4, numbers), aggregationTemporality, isMonotonic,
      }),
      () => ({
        type: 'histogram', aggregationTemporality, dataPoints: this.list(3, () => ({
          ...this.spread(),
          bucketCounts: this.list(6, () => this.time()),
          explicitBounds: this.list(6, () => this.pick(DOUBLES)),
        })),
      }),
      () => ({
        type: 'exponentialHistogram', aggregationTemporality, dataPoints: this.list(3, () => ({
          ...this.spread(),
          scale: this.pick([0, 1, -1, 20, -(2 ** 31), 2 ** 31 - 1]),
          zeroCount: this.time(),
          positive: this.maybe(() => this.buckets()),
          negative: this.maybe(() => this.buckets()),
          zeroThreshold: this.pick(DOUBLES),
        })),
      }),
      () => ({ type: 'summary', dataPoints: this.list(3, () => ({
        ...this.point(), count: this.time(), sum: this.pick(DOUBLES),
        quantileValues: this.list(3, () => ({
          quantile: this.pick(DOUBLES), value: this.pick(DOUBLES),
        })),
      })) }),
    ])();
  }

  private point(): DataPoint {
    return {
      attributes: this.attributes(),
      startTimeUnixNano: this.time(),
      timeUnixNano: this.time(),
      flags: this.uint32(),
    };
  }

  /** What both kinds of histogram points have. */
  private spread() {
    const double = () => this.maybe(() => this.pick(DOUBLES));
    const exemplars = this.exemplars();
    const extremes = { sum: double(), min: double(), max: double() };
    return { ...this.point(), count: this.time(), ...extremes, exemplars };
  }

  private buckets(): ExponentialBuckets {
    return {
      offset: this.pick([0, 3, -3, -(2 ** 31)]), bucketCounts: this.list(200, () => this.time()),
    };
  }

  private exemplars(): Exemplar[] {
    return this.list(2, () => ({
      filteredAttributes: this.attributes(),
      timeUnixNano: this.time(),
      value: this.maybe(() => this.number()),
      spanId: this.id(8),
      traceId: this.id(16),
    }));
  }

  private number(): NumberValue {
    return this.random() < 0.5
      ? { type: 'double', value: this.pick(DOUBLES) }
      : { type: 'int', value: this.pick(INTS) };
  }

  resource(): Resource {
    return {
      attributes: this.attributes(),
      droppedAttributesCount: this.uint32(),
      entityRefs: this.list(2, () => ({
        schemaUrl: this.text(),
        type: this.text(),
        idKeys: this.list(3, () => this.text()),
        descriptionKeys: this.list(3, () => this.text()),
      })),
    };
  }

  private scope(): Scope {
    return {
      name: this.text(),
      version: this.text(),
      attributes: this.attributes(),
      droppedAttributesCount: this.uint32(),
    };
  }

  private attributes(): KeyValue[] {
    return this.list(this.hints.attributes, () => this.keyValue(this.hints.depth));
  }

  private keyValue(depth: number): KeyValue {
    return { key: this.text(), value: this.value(depth) };
  }

  value(depth: number): AnyValue {
    const leaves: Array<() => AnyValue> = [
      () => ({ type: 'empty', value: null }),
      () => ({ type: 'string', value: this.text() }),
      () => ({ type: 'bool', value: this.random() < 0.5 }),
      () => ({ type: 'int', value: this.pick(INTS) }),
      () => ({ type: 'double', value: this.pick(DOUBLES) }),
      () => ({ type: 'bytes', value: Uint8Array.from(this.list(20, () => this.random() * 256)) }),
    ];
    const nested: Array<() => AnyValue> = [
      () => ({ type: 'array', value: this.list(3, () => this.value(depth - 1)) }),
      () => ({ type: 'kvlist', value: this.list(3, () => this.keyValue(depth - 1)) }),
    ];
    return this.pick(depth > 0 ? [...leaves, ...nested] : leaves)();
  }

  text(): string {
    const alphabet = [...this.pick(ALPHABETS)];
    const most = this.pick([0, 5, 12, 40, 40, 140, 400]);
    return this.list(most, () => this.pick(alphabet)).join('');
  }

  private id(bytes: number): string {
    const digit = () => Math.floor(this.random() * 16).toString(16);
    const size = this.pick([0, bytes, bytes, bytes, 3]);
    return Array.from({ length: size * 2 }, digit).join('');
  }

  private time(): bigint {
    const now = 1544712660300000000n + BigInt(Math.floor(this.random() * 1e9));
    return this.pick([0n, 1n, 300n, now, now, 2n ** 63n, 2n ** 64n - 1n]);
  }

  private uint32(): number {
    return this.pick(UINT32S);
  }

  private list<T>(most: number, make: () => T): T[] {
    return Array.from({ length: Math.floor(this.random() * (most + 1)) }, make);
  }

  private maybe<T>(make: () => T): T | undefined {
    return this.random() < 0.7 ? make() : undefined;
  }

  private pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.random() * choices.length)]!;
  }
}
