// Random traces of a small shop: seeded, with failures, calls of other services, databases, queues,
// repeated deliveries, spans that were lost and clocks that differ.

import { seededRandom } from '../../proto/generate.ts';
import { traceIdOf, type MadeSpan } from './store.ts';

export const SERVICES = ['web', 'cart', 'stock', 'mail'] as const;

/** Traces begin within `hours` after `BASE_MS`. */
export function makeTraces(seed: number, count: number, hours = 2): MadeSpan[] {
  const random = seededRandom(seed);
  const pick = <One>(list: readonly One[]): One => list[Math.floor(random() * list.length)]!;
  const spans: MadeSpan[] = [];
  for (let trace = 0; trace < count; trace++) {
    const own: MadeSpan[] = [];
    const traceId = traceIdOf(seed * 1_000_000 + trace);
    const startNs = Math.floor(random() * hours * 3_600_000) * 1e6;
    const size = 1 + Math.floor(random() * 9);
    for (let index = 0; index < size; index++) {
      const parent = index === 0 ? undefined : own[Math.floor(random() * index)]!;
      const isCall = parent?.kind === 'Client' && parent.attributes?.['db.system'] === undefined;
      const kind = parent === undefined || isCall ? 'Server'
        : pick(['Client', 'Client', 'Internal']);
      const service = parent === undefined ? 'web' : isCall ? pick(SERVICES) : parent.service;
      const isDatabase = kind === 'Client' && random() < 0.4;
      const fromNs = parent === undefined ? startNs
        : parent.startNs + Math.floor(random() * (parent.durationNs + 1)) - 1000;
      own.push({
        traceId, service, kind,
        spanId: (trace * 100 + index + 1).toString(16).padStart(16, '0'),
        parentSpanId: parent?.spanId ?? '',
        name: `${kind === 'Server' ? 'GET' : 'do'} ${Math.floor(random() * 3)}`,
        startNs: fromNs,
        durationNs: 1 + Math.floor(random() ** 3 * 50e6),
        status: random() < 0.1 ? 'Error' : 'Unset',
        attributes: isDatabase ? { 'db.system': 'postgresql', 'db.namespace': 'shop' } : {},
        resource: { 'host.name': `node-${Math.floor(random() * 3)}` },
        ...(random() < 0.1 ? { traceState: 'ot=th:8' } : {}),
      });
    }
    // Some are lost on their way.
    spans.push(...own.filter(() => random() > 0.03));
  }
  return spans;
}

/** What `ot=th:8` says: half of them were left out. */
export const weightOf = ({ traceState }: MadeSpan): number => (traceState === undefined ? 1 : 2);

export function byTrace(spans: readonly MadeSpan[]): Map<string, MadeSpan[]> {
  const traces = new Map<string, MadeSpan[]>();
  for (const span of spans) {
    const own = traces.get(span.traceId);
    if (own === undefined) traces.set(span.traceId, [span]);
    else own.push(span);
  }
  return traces;
}
