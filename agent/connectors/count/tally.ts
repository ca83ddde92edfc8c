// Counts of the records of one batch: for each resource and metric, by the values of attributes.

import type { Batch } from '../../../proto/contract/batch.ts';
import type {
  AnyValue, Attributes, KeyValue, Resource, Scope,
} from '../../../proto/otlp/model.ts';
import type { Condition } from '../../ottl/ottl.ts';
import { OttlView } from '../../ottl/view.ts';
import { valueKey } from '../../series/identity.ts';
import type { CountedKind } from './config.ts';

export interface Counted {
  readonly name: string;
  readonly description: string;
  /** Undefined: all records. */
  readonly condition: Condition | undefined;
  readonly attributes: readonly { readonly key: string; readonly fallback: AnyValue | undefined }[];
}

export type CountedByKind = Readonly<Record<CountedKind, readonly Counted[]>>;

/** The counts of one metric by the values of its attributes. */
export type Tally = Map<string, { readonly attributes: Attributes; count: bigint }>;

/** The counts of one resource. */
export interface ResourceTally {
  readonly resource: Resource | undefined;
  readonly tallies: Map<Counted, Tally>;
}

/** Throws OttlFailure where failures propagate. */
export function tallyBatch(batch: Batch, kinds: CountedByKind): ResourceTally[] {
  const view = new OttlView();
  const done: ResourceTally[] = [];
  let current: ResourceTally | undefined;
  const enter = (resource: Resource | undefined, schemaUrl: string) => {
    current = { resource, tallies: new Map() };
    done.push(current);
    Object.assign(view, { resource, resourceSchemaUrl: schemaUrl });
  };
  const enterScope = (scope: Scope | undefined, schemaUrl: string) => {
    Object.assign(view, { scope, scopeSchemaUrl: schemaUrl });
  };
  const count = (kind: CountedKind, attributes: Attributes) => {
    for (const one of kinds[kind]) {
      if (one.condition !== undefined && !one.condition(view)) continue;
      addTo(current!.tallies, one, attributes, view);
    }
  };
  if (batch.is('traces')) walkTraces(batch, view, { enter, enterScope, count });
  else if (batch.is('metrics')) walkMetrics(batch, view, { enter, enterScope, count });
  else if (batch.is('logs')) walkLogs(batch, view, { enter, enterScope, count });
  return done.filter(({ tallies }) => tallies.size > 0);
}

interface Visitor {
  enter(resource: Resource | undefined, schemaUrl: string): void;
  enterScope(scope: Scope | undefined, schemaUrl: string): void;
  /** What is to be counted is in the view. */
  count(kind: CountedKind, attributes: Attributes): void;
}

function walkTraces({ request }: Batch<'traces'>, view: OttlView, visitor: Visitor): void {
  for (const group of request.resourceSpans) {
    visitor.enter(group.resource, group.schemaUrl);
    for (const { scope, schemaUrl, spans } of group.scopeSpans) {
      visitor.enterScope(scope, schemaUrl);
      for (const span of spans) {
        view.span = span;
        visitor.count('spans', span.attributes);
        for (const [index, event] of span.events.entries()) {
          view.spanEvent = event;
          view.spanEventIndex = index;
          visitor.count('spanevents', event.attributes);
        }
      }
    }
  }
}

const NO_ATTRIBUTES: Attributes = [];

function walkMetrics({ request }: Batch<'metrics'>, view: OttlView, visitor: Visitor): void {
  for (const group of request.resourceMetrics) {
    visitor.enter(group.resource, group.schemaUrl);
    for (const { scope, schemaUrl, metrics } of group.scopeMetrics) {
      visitor.enterScope(scope, schemaUrl);
      for (const metric of metrics) {
        view.metric = metric;
        visitor.count('metrics', NO_ATTRIBUTES);
        for (const point of metric.data?.dataPoints ?? []) {
          view.dataPoint = point;
          visitor.count('datapoints', point.attributes);
        }
      }
    }
  }
}

function walkLogs({ request }: Batch<'logs'>, view: OttlView, visitor: Visitor): void {
  for (const group of request.resourceLogs) {
    visitor.enter(group.resource, group.schemaUrl);
    for (const { scope, schemaUrl, logRecords } of group.scopeLogs) {
      visitor.enterScope(scope, schemaUrl);
      for (const record of logRecords) {
        view.log = record;
        visitor.count('logs', record.attributes);
      }
    }
  }
}

function addTo(
  tallies: Map<Counted, Tally>,
  counted: Counted,
  attributes: Attributes,
  { scope, resource }: OttlView,
): void {
  const own: KeyValue[] = [];
  let key = '';
  for (const { key: name, fallback } of counted.attributes) {
    const value = find(attributes, name) ?? find(scope?.attributes, name)
      ?? find(resource?.attributes, name) ?? fallback;
    if (value === undefined) return;
    own.push({ key: name, value });
    key += valueKey(value);
  }
  const tally = tallies.get(counted) ?? new Map();
  if (tally.size === 0) tallies.set(counted, tally);
  const known = tally.get(key);
  if (known === undefined) tally.set(key, { attributes: own, count: 1n });
  else known.count += 1n;
}

function find(attributes: Attributes | undefined, name: string): AnyValue | undefined {
  return attributes?.find(({ key }) => key === name)?.value;
}
