// Which backends there are: a list that never changes, or all addresses of a name, looked up again
// and again. The last list that was found stays in force while a lookup fails or finds nothing.

import type { Clock, Timer } from '../../../runtime/clock.ts';
import type { Counters } from '../../../runtime/counters.ts';
import { systemCause } from '../../../runtime/errors.ts';
import type { Log } from '../../../runtime/log.ts';
import { formatEndpoint } from '../../../runtime/net.ts';
import { createRing, type Ring } from './ring.ts';

export interface Backends {
  /** Looks once; fails never: an unknown name may be known later. */
  start(): Promise<void>;
  stop(): void;
  /** Null: none is known yet. */
  ring(): Ring | null;
}

export interface BackendsOptions {
  readonly id: string;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly log: Log;
  /** Called with each new list but the first. */
  readonly changed: (backends: readonly string[]) => void;
}

export interface NameOptions {
  readonly hostname: string;
  readonly port: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Throws the system's error. */
  readonly lookup: (host: string) => Promise<readonly string[]>;
}

export function createStaticBackends(
  endpoints: readonly string[],
  options: BackendsOptions,
): Backends {
  const ring = createRing(endpoints);
  const counts = countersOf(options, 'static', () => ring.backends.length);
  return {
    start: async () => counts.resolved(true),
    stop: () => {},
    ring: () => ring,
  };
}

export function createNamedBackends(name: NameOptions, options: BackendsOptions): Backends {
  const { clock, log, changed } = options;
  let ring: Ring | null = null;
  let timer: Timer | undefined;
  let isLooking = false;
  const counts = countersOf(options, 'dns', () => ring?.backends.length ?? 0);
  const look = async (): Promise<void> => {
    if (isLooking) return;
    isLooking = true;
    const found = await lookUp(name, clock);
    isLooking = false;
    counts.resolved(!('failure' in found));
    if ('failure' in found) {
      log.warn(`cannot look up ${name.hostname}: ${found.failure}`);
      return;
    }
    const next = createRing(found.endpoints);
    if (ring !== null && ring.backends.join() === next.backends.join()) return;
    const isFirst = ring === null;
    ring = next;
    counts.updated();
    if (!isFirst) changed(next.backends);
  };
  return {
    start: async () => {
      await look();
      timer = clock.every(name.intervalMs, () => void look());
    },
    stop: () => timer?.cancel(),
    ring: () => ring,
  };
}

type Found = { readonly endpoints: readonly string[] } | { readonly failure: string };

async function lookUp({ hostname, port, timeoutMs, lookup }: NameOptions, clock: Clock) {
  const waiting = new AbortController();
  const looked = lookup(hostname).then((hosts): Found => (hosts.length === 0
    ? { failure: 'it has no address' }
    : { endpoints: hosts.map((host) => formatEndpoint({ host, port })) }),
  (error: unknown): Found => ({ failure: systemCause(error) }));
  const late = clock.sleep(timeoutMs, waiting.signal)
    .then((): Found => ({ failure: `no answer within ${timeoutMs} ms` }));
  const found = await Promise.race([looked, late]);
  waiting.abort();
  return found;
}

function countersOf({ id, counters }: BackendsOptions, resolver: string, count: () => number) {
  const labels = { exporter: id, resolver };
  counters.gauge('otelcol_loadbalancer_num_backends', 'Backends that are known.', count, labels);
  const resolutions = (success: string) => counters.counter(
    'otelcol_loadbalancer_num_resolutions_total', 'Times that backends were looked up.',
    { ...labels, success });
  const updates = counters.counter('otelcol_loadbalancer_num_backend_updates_total',
    'Lookups that found another list of backends.', labels);
  return {
    resolved: (success: boolean) => resolutions(String(success)).add(1),
    updated: () => updates.add(1),
  };
}
