// What a backend tells about its own process under /metrics.

import type { Counters } from '../../runtime/counters.ts';
import type { Clock } from '../../runtime/clock.ts';

export function countProcess(counters: Counters, clock: Clock, version: string): void {
  const startedMs = clock.monotonicMs();
  counters.gauge('binnacle_backend_info', 'Always 1; the label says which version runs.', () => 1,
    { version });
  counters.gauge('binnacle_process_uptime_seconds', 'Seconds since the start.', () =>
    (clock.monotonicMs() - startedMs) / 1000);
  counters.gauge('binnacle_process_resident_memory_bytes', 'Resident memory.', () =>
    process.memoryUsage.rss());
  counters.gauge('binnacle_process_heap_bytes', 'Bytes of objects on the heap.', () =>
    process.memoryUsage().heapUsed);
  counters.gauge('binnacle_process_external_bytes', 'Bytes of buffers outside of the heap.', () =>
    process.memoryUsage().external);
  counters.counterFrom('binnacle_process_cpu_seconds_total', 'CPU time, user and system.', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
}
