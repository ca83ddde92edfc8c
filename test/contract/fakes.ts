// Stand-ins that tests of components share: a consumer that records and answers by script, batches
// whose items carry a key, a context, a clock that is moved by hand, a log that remembers.
//
// A key is a text that names one item wherever it goes: the name of a span, the body of a log
// record, the name of a metric (which then has one data point). Processors that change attributes
// or resources leave keys alone, so what came out can be compared with what went in.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Batch } from '../../proto/contract/batch.ts';
import type { ComponentContext, Consumer } from '../../proto/contract/component.ts';
import { ACCEPTED, retryable, type Outcome } from '../../proto/contract/outcome.ts';
import type {
  KeyValue, LogRecord, Metric, RequestOf, Resource, Signal, Span,
} from '../../proto/otlp/model.ts';
import { createCounters } from '../../runtime/counters.ts';
import { SILENT_LOG, type Log, type LogFields, type LogLevel } from '../../runtime/log.ts';
import {
  createManualClock as createClockAt, type ManualClock,
} from '../../runtime/manual_clock.ts';
import { createWorld } from '../../runtime/world.ts';

/** What a sink says: one outcome for all, or one for each call (`call` counts from 0). */
export type Answer =
  | Outcome
  | ((batch: Batch, call: number, abort: AbortSignal) => Outcome | Promise<Outcome>);

export interface Sink extends Consumer {
  /** Changes the answer for the calls from now on. */
  answer(answer: Answer): void;
  /** Every batch that was handed in, in order of the calls. */
  readonly received: readonly Batch[];
  /** Every call that was answered, in order of the answers. */
  readonly deliveries: readonly { readonly batch: Batch; readonly outcome: Outcome }[];
  /** Calls that have no answer yet. */
  waiting(): number;
  /** The keys of all batches answered with this status, repeated as often as they came. */
  keys(status: Outcome['status']): string[];
}

/** A consumer that records what it gets; it accepts everything unless told otherwise. */
export function createSink(answer: Answer = ACCEPTED): Sink {
  let current = answer;
  const received: Batch[] = [];
  const deliveries: { batch: Batch; outcome: Outcome }[] = [];
  return {
    answer: (next) => {
      current = next;
    },
    received,
    deliveries,
    waiting: () => received.length - deliveries.length,
    keys: (status) => deliveries
      .filter(({ outcome }) => outcome.status === status)
      .flatMap(({ batch }) => itemKeys(batch)),
    consume: async (batch, abort) => {
      const call = received.push(batch) - 1;
      const outcome = await (typeof current === 'function' ? current(batch, call, abort) : current);
      deliveries.push({ batch, outcome });
      return outcome;
    },
  };
}

/** Answers with these outcomes one after the other, and with the last one ever after. */
export function inOrder(...outcomes: Outcome[]): Answer {
  let index = 0;
  return () => outcomes[Math.min(index++, outcomes.length - 1)]!;
}

export interface Gate {
  /** Give this to a sink: its calls wait until `open`. An abort is answered `retryable`. */
  readonly answer: Answer;
  /** Answers all calls that wait, and all later ones at once. */
  open(outcome: Outcome): void;
}

export function createGate(): Gate {
  let release: (outcome: Outcome) => void = () => {};
  const opened = new Promise<Outcome>((resolve) => {
    release = resolve;
  });
  return {
    answer: (_batch, _call, abort) => new Promise((resolve) => {
      const stop = () => resolve(retryable('the sink was aborted'));
      if (abort.aborted) stop();
      abort.addEventListener('abort', stop, { once: true });
      void opened.then((outcome) => {
        abort.removeEventListener('abort', stop);
        resolve(outcome);
      });
    }),
    open: (outcome) => release(outcome),
  };
}

/** A signal that never fires, for calls whose abort does not matter. */
export const NEVER: AbortSignal = new AbortController().signal;

/** A signal that has fired already: "stop now, do not wait". */
export const NOW: AbortSignal = AbortSignal.abort();

/**
 * A context with the real world, a log that is silent and counters of its own. The folder is made
 * when first asked for and removed when the process ends.
 */
export function testContext(overrides: Partial<ComponentContext> = {}): ComponentContext {
  let folder: string | undefined;
  const own = {
    id: 'test',
    world: createWorld(),
    log: SILENT_LOG,
    counters: createCounters(),
    host: { ready: () => true },
    agentId: '11111111-2222-4333-8444-555555555555',
    ...overrides,
  };
  if (overrides.folder !== undefined) return { ...own, folder: overrides.folder };
  return {
    ...own,
    get folder() {
      folder ??= temporaryFolder();
      return folder;
    },
  };
}

/** A new empty folder that is removed when the process ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'binnacle-test-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

/** A log that keeps its lines. */
export function createRecordingLog(): Log & { readonly lines: readonly LogLine[] } {
  const lines: LogLine[] = [];
  const at = (fields: LogFields): Log => {
    const write = (level: LogLevel) => (message: string, more: LogFields = {}) => {
      lines.push({ level, message, fields: { ...fields, ...more } });
    };
    return {
      debug: write('debug'),
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
      child: (more) => at({ ...fields, ...more }),
    };
  };
  return { ...at({}), lines };
}

/** A clock that stands still until `advance`. It begins at 2026-01-01T00:00:00Z. */
export const createManualClock = (startMs: number = Date.UTC(2026, 0, 1)): ManualClock =>
  createClockAt(startMs);

/** Waits until `condition` holds; fails with `what` after `limitMs` of real time. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  limitMs = 10_000,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/**
 * A batch of `count` items with the keys `item-<first>` and on. `resource` becomes the attributes
 * of its one resource.
 */
export function makeBatch<S extends Signal>(
  signal: S,
  count: number,
  { first = 0, resource = { 'service.name': 'test' } }: BatchOptions = {},
): Batch<S> {
  const keys = Array.from({ length: count }, (_, index) => `item-${first + index}`);
  return batchOfKeys(signal, keys, { resource });
}

export interface BatchOptions {
  readonly first?: number;
  readonly resource?: Readonly<Record<string, string>>;
}

export function batchOfKeys<S extends Signal>(
  signal: S,
  keys: readonly string[],
  { resource = { 'service.name': 'test' } }: BatchOptions = {},
): Batch<S> {
  const request: unknown = REQUESTS[signal](keys, resourceOf(resource));
  const built = Batch.fromRequest(signal, request as RequestOf<S>);
  // As bytes, as it would come from the network.
  return Batch.fromBytes(signal, built.bytes);
}

/** The keys of all items of a batch that `makeBatch` made, whatever happened to it since. */
export function itemKeys(batch: Batch): string[] {
  if (batch.is('traces')) {
    return batch.request.resourceSpans
      .flatMap((one) => one.scopeSpans.flatMap((scope) => scope.spans.map((span) => span.name)));
  }
  if (batch.is('logs')) {
    return batch.request.resourceLogs.flatMap((one) => one.scopeLogs.flatMap((scope) =>
      scope.logRecords.map((record) => String(record.body?.value ?? ''))));
  }
  if (batch.is('metrics')) {
    return batch.request.resourceMetrics.flatMap((one) => one.scopeMetrics.flatMap((scope) =>
      scope.metrics.map((metric) => metric.name)));
  }
  throw new Error(`no keys for ${batch.signal}`);
}

const REQUESTS = {
  traces: (keys: readonly string[], resource: Resource) => ({
    resourceSpans: [{
      resource,
      scopeSpans: [{ scope: undefined, spans: keys.map(span), schemaUrl: '' }],
      schemaUrl: '',
    }],
  }),
  logs: (keys: readonly string[], resource: Resource) => ({
    resourceLogs: [{
      resource,
      scopeLogs: [{ scope: undefined, logRecords: keys.map(logRecord), schemaUrl: '' }],
      schemaUrl: '',
    }],
  }),
  metrics: (keys: readonly string[], resource: Resource) => ({
    resourceMetrics: [{
      resource,
      scopeMetrics: [{ scope: undefined, metrics: keys.map(gauge), schemaUrl: '' }],
      schemaUrl: '',
    }],
  }),
};

const TIME_NS = 1_767_225_600_000_000_000n;

function resourceOf(attributes: Readonly<Record<string, string>>): Resource {
  const pairs = Object.entries(attributes).map(([key, value]) => text(key, value));
  return { attributes: pairs, droppedAttributesCount: 0, entityRefs: [] };
}

/** A string attribute. */
export function text(key: string, value: string): KeyValue {
  return { key, value: { type: 'string', value } };
}

function span(key: string, index: number): Span {
  return {
    traceId: '5b8efff798038103d269b633813fc60c',
    spanId: (index + 1).toString(16).padStart(16, '0'),
    traceState: '',
    parentSpanId: '',
    flags: 0,
    name: key,
    kind: 2,
    startTimeUnixNano: TIME_NS,
    endTimeUnixNano: TIME_NS + 1_000_000n,
    attributes: [text('test.attribute', 'value')],
    droppedAttributesCount: 0,
    events: [],
    droppedEventsCount: 0,
    links: [],
    droppedLinksCount: 0,
    status: undefined,
  };
}

function logRecord(key: string): LogRecord {
  return {
    timeUnixNano: TIME_NS,
    observedTimeUnixNano: TIME_NS,
    severityNumber: 9,
    severityText: 'INFO',
    body: { type: 'string', value: key },
    attributes: [text('test.attribute', 'value')],
    droppedAttributesCount: 0,
    flags: 0,
    traceId: '',
    spanId: '',
    eventName: '',
  };
}

function gauge(key: string, index: number): Metric {
  return {
    name: key,
    description: '',
    unit: '1',
    metadata: [],
    data: {
      type: 'gauge',
      dataPoints: [{
        attributes: [text('test.attribute', 'value')],
        startTimeUnixNano: 0n,
        timeUnixNano: TIME_NS,
        flags: 0,
        value: { type: 'double', value: index },
        exemplars: [],
      }],
    },
  };
}
