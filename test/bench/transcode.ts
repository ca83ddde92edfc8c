// How fast export requests become Native columns: the walk and the columns alone, without network
// and engine. Each round prints spans per second and microseconds of CPU per span.
//
//   npm run bench -- transcode [--spans N per request] [--rounds N]
//
// Data: spans of a web service, 11 attributes each, 6 resource attributes, one event in ten spans,
// about 330 bytes each, from a fixed seed. Yardstick: copying the same bytes once.

import { Transcoder } from '../../backend/storage/clickhouse/transcode/transcoder.ts';
import { Batch } from '../../proto/contract/batch.ts';
import { seededRandom } from '../proto/generate.ts';
import { generateServiceSpans } from './data.ts';
import { atLeast, inTurns, median, options, ownCpuUs, report } from './figures.ts';

const { spans: spansPerRequest, rounds } = options({ spans: 1000, rounds: 9 });
const SPANS_PER_ROUND = 200_000;
const SPANS_PER_BLOCK = 100_000;

const random = seededRandom(1);
const requests = Array.from({ length: Math.max(4, Math.ceil(8000 / spansPerRequest)) }, () =>
  Batch.fromRequest('traces', generateServiceSpans(random, spansPerRequest)).bytes,
);
const batches = requests.map((bytes) => Batch.fromBytes('traces', bytes));
const bytesPerSpan = requests.reduce((sum, bytes) => sum + bytes.length, 0)
  / (requests.length * spansPerRequest);
console.log(`${spansPerRequest} spans per request, ${bytesPerSpan.toFixed(0)} bytes per span`);

const transcoder = new Transcoder('traces');
measure(transcodeSpans);
const cpuUs = await inTurns(rounds, {
  transcode: () => measure(transcodeSpans),
  copy: () => measure(copySpans),
});
report({
  id: 'B1',
  name: 'walk and columns',
  value: 1e6 / median(cpuUs.transcode),
  unit: 'spans/s/core',
  yardstick: { name: 'copy of the bytes', value: 1e6 / median(cpuUs.copy) },
  goal: atLeast(600_000),
  rounds: cpuUs.transcode.map((us) => 1e6 / us),
});

function transcodeSpans(): void {
  for (let done = 0; done < SPANS_PER_ROUND; ) {
    const { stored } = transcoder.append(batches[(done / spansPerRequest) % batches.length]!, 0);
    done += stored;
    if (transcoder.rowCount() >= SPANS_PER_BLOCK) transcoder.reset();
  }
}

function copySpans(): void {
  for (let done = 0; done < SPANS_PER_ROUND; done += spansPerRequest) {
    Buffer.from(requests[(done / spansPerRequest) % requests.length]!);
  }
}

/** Microseconds of CPU per span. */
function measure(run: () => void): number {
  const before = ownCpuUs();
  run();
  return (ownCpuUs() - before) / SPANS_PER_ROUND;
}
