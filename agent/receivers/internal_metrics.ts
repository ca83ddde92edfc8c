// `internal_metrics`: the agent's own counters as OTLP metrics, every `collection_interval`, and
// once more when the agent stops. The backend's ledger is made from them.
//
// Names are those of docs/metrics.md; counters lose `_total` and are cumulative sums with the start
// of this process, gauges stay gauges; labels are attributes. The resource names the agent:
// `service.name` binnacle-agent, `service.instance.id` its id, `host.name`.
//
// Nothing is kept or sent again: what could not be delivered is in the next numbers, too. While
// one report is under way, ticks are skipped.

import { hostname } from 'node:os';
import type { z } from 'zod';
import { duration, section } from '../../config/schema.ts';
import { Batch } from '../../proto/contract/batch.ts';
import type {
  ComponentContext, Consumer, Receiver, ReceiverFactory,
} from '../../proto/contract/component.ts';
import type {
  KeyValue, Metric, MetricsRequest, NumberDataPoint,
} from '../../proto/otlp/model.ts';
import type { Timer } from '../../runtime/clock.ts';
import type { Counters, Series } from '../../runtime/counters.ts';

const createSchema = () => section({
  collection_interval: duration({ min: '1ms' }).describe('Time between two reports.')
    .prefault('10s'),
});

export type InternalMetricsConfig = z.output<ReturnType<typeof createSchema>>;

export const internalMetricsReceiver: ReceiverFactory<InternalMetricsConfig> = {
  kind: 'receiver',
  type: 'internal_metrics',
  signals: ['metrics'],
  get schema() {
    return createSchema();
  },
  create: createReceiver,
};

const SERVICE = 'binnacle-agent';
const SCOPE = 'binnacle/agent/internal_metrics';
const CUMULATIVE = 2;

/** When counters were first reported from, so that a second receiver gives the same start. */
const starts = new WeakMap<Counters, bigint>();

function createReceiver(
  config: InternalMetricsConfig,
  { agentId, counters, world }: ComponentContext,
  next: Consumer,
): Receiver {
  const { clock } = world;
  if (!starts.has(counters)) starts.set(counters, clock.nowNs());
  const startNs = starts.get(counters)!;
  const stopping = new AbortController();
  let timer: Timer | null = null;
  let reporting: Promise<void> | null = null;
  const report = async (abort: AbortSignal): Promise<void> => {
    const request = toRequest(counters.series(), { agentId, startNs, timeNs: clock.nowNs() });
    await next.consume(Batch.fromRequest('metrics', request), abort);
  };
  const tick = (): void => {
    reporting ??= report(stopping.signal).finally(() => {
      reporting = null;
    });
  };
  return {
    start: async () => {
      timer = clock.every(config.collection_interval, tick);
    },
    stop: async (deadline) => {
      if (timer === null) return;
      timer.cancel();
      timer = null;
      const give = () => stopping.abort();
      deadline.addEventListener('abort', give, { once: true });
      if (deadline.aborted) give();
      await reporting;
      if (!stopping.signal.aborted) await report(stopping.signal);
      deadline.removeEventListener('abort', give);
    },
  };
}

interface Report {
  readonly agentId: string;
  readonly startNs: bigint;
  readonly timeNs: bigint;
}

function toRequest(series: readonly Series[], report: Report): MetricsRequest {
  const byName = new Map<string, Series[]>();
  for (const one of series) {
    if (!Number.isFinite(one.value)) continue;
    const own = byName.get(one.name);
    if (own === undefined) byName.set(one.name, [one]);
    else own.push(one);
  }
  const attributes = [text('service.name', SERVICE), text('service.instance.id', report.agentId),
    text('host.name', hostname())];
  const scope = { name: SCOPE, version: '', attributes: [], droppedAttributesCount: 0 };
  return { resourceMetrics: [{
    resource: { attributes, droppedAttributesCount: 0, entityRefs: [] },
    scopeMetrics: [{ scope, metrics: [...byName.values()].map((own) => toMetric(own, report)),
      schemaUrl: '' }],
    schemaUrl: '',
  }] };
}

function toMetric(own: readonly Series[], { startNs, timeNs }: Report): Metric {
  const { name, help, type } = own[0]!;
  const dataPoints = own.map(({ labels, value }): NumberDataPoint => ({
    attributes: Object.entries(labels).map(([key, label]) => text(key, label)),
    startTimeUnixNano: type === 'counter' ? startNs : 0n,
    timeUnixNano: timeNs,
    flags: 0,
    value: { type: 'double', value },
    exemplars: [],
  }));
  const about = { description: help, unit: '', metadata: [] };
  if (type === 'gauge') return { name, ...about, data: { type, dataPoints } };
  const data = { type: 'sum', dataPoints, aggregationTemporality: CUMULATIVE,
    isMonotonic: true } as const;
  return { name: name.replace(/_total$/, ''), ...about, data };
}

const text = (key: string, value: string): KeyValue =>
  ({ key, value: { type: 'string', value } });
