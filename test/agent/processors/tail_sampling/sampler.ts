// A tail_sampling on a disk in memory and a clock that is moved by hand, and traces to give it.

import {
  tailSamplingProcessor,
} from '../../../../agent/processors/tail_sampling/processor.ts';
import { probabilityOf } from '../../../../agent/processors/sampling/threshold.ts';
import { parseTraceState } from '../../../../agent/processors/sampling/trace_state.ts';
import { Batch } from '../../../../proto/contract/batch.ts';
import type {
  Component, ComponentContext, Consumer,
} from '../../../../proto/contract/component.ts';
import type { KeyValue, Span } from '../../../../proto/otlp/model.ts';
import { createCounters } from '../../../../runtime/counters.ts';
import type { Files } from '../../../../runtime/files.ts';
import { createSeededRandom, type Random } from '../../../../runtime/random.ts';
import { createWorld } from '../../../../runtime/world.ts';
import { settle, type ManualClock } from '../../../../runtime/manual_clock.ts';
import {
  createManualClock, createRecordingLog, createSink, NEVER, testContext, type Sink,
} from '../../../contract/fakes.ts';
import { createFaultyFiles, type FaultyFiles } from '../../../contract/faulty_files.ts';

export type Config = Record<string, unknown>;

export interface Sampler {
  readonly processor: Component & Consumer;
  readonly sink: Sink;
  readonly clock: ManualClock;
  readonly disk: FaultyFiles;
  readonly counters: ReturnType<typeof createCounters>;
  readonly log: ReturnType<typeof createRecordingLog>;
  /** Spans that the sink accepted. */
  kept(): Span[];
  keptIds(): string[];
}

export const ALWAYS_SAMPLE = { name: 'all', type: 'always_sample' };

let seeds = 0;

export async function startSampler(
  config: Config,
  { disk = createFaultyFiles(1), files = disk.files, ...overrides }:
    Partial<ComponentContext> & { disk?: FaultyFiles; files?: Files } = {},
): Promise<Sampler> {
  const clock = createManualClock();
  const counters = createCounters();
  const log = createRecordingLog();
  const sink = createSink();
  const { schema, create } = tailSamplingProcessor;
  const context = testContext({
    world: { ...createWorld(), clock, files, random: createSeededRandom(++seeds) },
    counters, log, folder: '/processor/tail_sampling/traces', ...overrides,
  });
  const processor = create(schema.parse({ policies: [ALWAYS_SAMPLE], ...config }), context, sink);
  await processor.start();
  const kept = () => sink.deliveries.filter(({ outcome }) => outcome.status === 'accepted')
    .flatMap(({ batch }) => spansIn(batch as Batch<'traces'>));
  return {
    processor, sink, clock, disk, counters, log, kept,
    keptIds: () => [...new Set(kept().map(({ traceId }) => traceId))].sort(),
  };
}

export const spansIn = (batch: Batch<'traces'>): Span[] => batch.request.resourceSpans
  .flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));

/** Trace ids that are easy to tell apart: `idOf(10)` ends in 0a. */
export const idOf = (number: number): string => number.toString(16).padStart(32, '0');

export const randomId = (random: Random): string =>
  Buffer.from(random.bytes(16)).toString('hex');

const TIME_NS = 1_767_225_600_000_000_000n;

export interface SpanSpec extends Partial<Omit<Span, 'status'>> {
  readonly lastedMs?: number;
  readonly code?: number;
}

let spanIds = 0;

export function spanOf(traceId: string, { lastedMs = 10, code, ...rest }: SpanSpec = {}): Span {
  spanIds += 1;
  const startTimeUnixNano = rest.startTimeUnixNano ?? TIME_NS;
  return {
    traceId,
    spanId: spanIds.toString(16).padStart(16, '0'),
    traceState: '', parentSpanId: 'aaaaaaaaaaaaaaaa', flags: 0, name: `span-${spanIds}`, kind: 2,
    startTimeUnixNano,
    endTimeUnixNano: startTimeUnixNano + BigInt(Math.round(lastedMs * 1e6)),
    attributes: [], droppedAttributesCount: 0, events: [], droppedEventsCount: 0, links: [],
    droppedLinksCount: 0,
    status: code === undefined ? undefined : { code, message: '' },
    ...rest,
  };
}

export function tracesOf(
  spans: readonly Span[], resource: readonly KeyValue[] = [],
): Batch<'traces'> {
  const built = Batch.fromRequest('traces', {
    resourceSpans: [{
      resource: { attributes: resource, droppedAttributesCount: 0, entityRefs: [] },
      schemaUrl: '',
      scopeSpans: [{ scope: undefined, spans, schemaUrl: '' }],
    }],
  });
  return Batch.fromBytes('traces', built.bytes);
}

/** Puts spans and waits until they were taken in. */
export async function send({ processor }: Sampler, ...spans: readonly Span[]): Promise<string> {
  const { status } = await processor.consume(tracesOf(spans), NEVER);
  await settle();
  return status;
}

/** What a kept span says that it stands for. */
export const weightOf = ({ traceState }: Span): number =>
  1 / probabilityOf(parseTraceState(traceState)!.threshold ?? '0'.repeat(14));
