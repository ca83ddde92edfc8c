// A process of its own with a tail_sampling on a real disk: gives it traces that all wait, and says
// what was accepted. `accept FOLDER` goes on until it is killed; `fill FOLDER TRACES SPANS` ends by
// saying how much memory it takes.

import {
  tailSamplingProcessor,
} from '../../../../agent/processors/tail_sampling/processor.ts';
import { ACCEPTED } from '../../../../proto/contract/outcome.ts';
import { NEVER, testContext } from '../../../contract/fakes.ts';
import { createCounters } from '../../../../runtime/counters.ts';
import { idOf, spanOf, tracesOf, ALWAYS_SAMPLE } from './sampler.ts';

const [mode, folder = '', traces = '1', spans = '1'] = process.argv.slice(2);
const counters = createCounters();
const { schema, create } = tailSamplingProcessor;
const processor = create(schema.parse({
  decision_wait: '1h', num_traces: 10_000_000, memory_limit: '32MiB', storage_limit: '4GiB',
  policies: [ALWAYS_SAMPLE],
}), testContext({ counters, folder }), { consume: async () => ACCEPTED });
await processor.start();
// Timers of the clock keep no process alive.
setInterval(() => {}, 1000);

if (mode === 'accept') {
  for (let number = 0; ; number++) {
    const span = spanOf(idOf(number % 50), { name: `name-${number}` });
    const { status } = await processor.consume(tracesOf([span]), NEVER);
    if (status === 'accepted') process.stdout.write(`${span.name}\n`);
  }
}

const BATCH = 2000;
/** So many spans of a trace come together. */
const RUN = Math.min(5, Number(spans));
const total = Number(traces) * Number(spans);
const memory = () => {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};
const before = memory();
let refused = 0;
for (let from = 0; from < total; from += BATCH) {
  const batch = tracesOf(Array.from({ length: Math.min(BATCH, total - from) }, (_, index) =>
    spanOf(idOf(Math.floor((from + index) / RUN) % Number(traces)))));
  while ((await processor.consume(batch, NEVER)).status !== 'accepted') refused += 1;
}
await new Promise((resolve) => setTimeout(resolve, 200));
const value = (name: string) => counters.series().find((one) => one.name === name)?.value ?? 0;
process.stdout.write(`${JSON.stringify({
  grownBytes: memory() - before,
  countedBytes: value('binnacle_tail_sampling_memory_bytes'),
  waiting: value('otelcol_processor_tail_sampling_sampling_traces_on_memory'),
  journalItems: value('binnacle_journal_items'),
  early: counters.total('binnacle_tail_sampling_early_decisions_total'),
  refused,
})}\n`);
process.exit();
