// How fast export requests become Native columns: the walk and the columns alone, without network
// and engine. Each round prints spans per second and microseconds of CPU per span.
//
//   npx tsx test/bench/transcode.ts [spans per request] [rounds]
//
// Data: spans of a web service, 11 attributes each, 6 resource attributes, one event in ten spans,
// about 330 bytes each, from a fixed seed. Yardstick: copying the same bytes once.

import { Transcoder } from '../../backend/storage/clickhouse/transcode/transcoder.ts';
import { Batch } from '../../proto/contract/batch.ts';
import { seededRandom } from '../proto/generate.ts';
import { generateServiceSpans } from './data.ts';

const spansPerRequest = Number(process.argv[2] ?? 1000);
const rounds = Number(process.argv[3] ?? 7);
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
const figures: number[] = [];
for (let round = 0; round < rounds; round++) {
  const cpu = measure(() => transcodeSpans());
  const copy = measure(() => copySpans());
  figures.push(cpu);
  console.log(
    `round ${round}: ${(1e6 / cpu).toFixed(0)} spans/s, ${cpu.toFixed(3)} us/span`
    + ` (copy: ${copy.toFixed(3)} us/span)`,
  );
}
figures.sort((a, b) => a - b);
const median = figures[figures.length >> 1]!;
console.log(`transcode: ${median.toFixed(3)} us/span, ${(1e6 / median).toFixed(0)} spans/s/core`);

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
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / SPANS_PER_ROUND;
}
