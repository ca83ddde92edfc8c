// What tail_sampling counts, under the Collector's names where it counts the same.

import type { ComponentContext } from '../../../proto/contract/component.ts';
import { createDropCounter } from '../edit/records.ts';
import { AT_SHUTDOWN, TOO_LARGE, type Decision } from './decision.ts';
import type { NamedPolicy } from './policies.ts';
import { isSampling, type Vote } from './policy.ts';
import type { PendingTrace, TraceTable } from './table.ts';

export interface Tallies {
  voted(policy: NamedPolicy, vote: Vote): void;
  decided(decision: Decision): void;
  began(): void;
  /** Spans came after their trace was decided. */
  late(decision: Decision, spans: number): void;
  /** A trace was decided before its time. */
  early(reason: 'traces' | 'memory'): void;
  /** Its spans are gone: handed on, or left out. */
  released(decision: Decision, trace: PendingTrace): void;
  /** Spans that were accepted are lost. */
  lost(reason: 'damaged' | 'broken' | 'refused', spans: number): void;
}

export function createTallies({ id, counters }: ComponentContext): Tallies {
  const count = (name: string, help: string, labels = {}) =>
    counters.counter(name, help, { processor: id, ...labels });
  const bySampling = createDropCounter({ id, counters }, 'sampling');
  const leftOut = (decision: Decision, spans: number) => {
    if (decision.kind === 'sampled') return;
    if (decision === TOO_LARGE) createDropCounter({ id, counters }, 'too_large')('traces', spans);
    else if (decision === AT_SHUTDOWN) {
      createDropCounter({ id, counters }, 'shutdown')('traces', spans);
    } else bySampling('traces', spans);
  };
  const began = count('otelcol_processor_tail_sampling_new_trace_id_received_total',
    'Traces that began.');
  return {
    voted: ({ name: policy }, vote) => {
      if (vote.kind === 'error') {
        count('otelcol_processor_tail_sampling_sampling_policy_evaluation_error_total',
          'Policies that failed on a trace.').add(1);
        return;
      }
      const isSampled = isSampling(vote);
      const other = vote.kind === 'dropped' ? 'dropped' : 'not_sampled';
      count('otelcol_processor_tail_sampling_count_traces_sampled_total',
        'Answers of policies about traces.',
        { policy, sampled: String(isSampled), decision: isSampled ? 'sampled' : other }).add(1);
    },
    decided: ({ kind }) => {
      count('otelcol_processor_tail_sampling_global_count_traces_sampled_total',
        'Traces that were decided.', { sampled: String(kind === 'sampled'), decision: kind })
        .add(1);
    },
    began: () => began.add(1),
    late: (decision, spans) => {
      count('otelcol_processor_tail_sampling_early_releases_from_cache_decision_total',
        'Spans that came after their trace was decided.',
        { sampled: String(decision.kind === 'sampled') }).add(spans);
      leftOut(decision, spans);
    },
    early: (reason) => count('binnacle_tail_sampling_early_decisions_total',
      'Traces that were decided before their time.', { reason }).add(1),
    released: (decision, { summary }) => leftOut(decision, summary.spans),
    lost: (reason, spans) => {
      if (spans === 0) return;
      count('binnacle_processor_lost_items_total',
        'Items that the processor had accepted, and that are lost.',
        { otel_signal: 'traces', reason }).add(spans);
    },
  };
}

export function showTable({ id, counters }: ComponentContext, table: TraceTable): void {
  const labels = { processor: id };
  counters.gauge('otelcol_processor_tail_sampling_sampling_traces_on_memory',
    'Traces that wait for their decision.', () => table.size, labels);
  counters.gauge('binnacle_tail_sampling_memory_bytes', 'Bytes that what waits takes in memory.',
    () => table.bytes, labels);
}
