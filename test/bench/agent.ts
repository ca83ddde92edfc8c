// What the agent spends on OTLP that it need not look into: gRPC in, the queue on disk with a sync
// before every answer, gRPC out (goal B4). Beside it, in the same run, a process in which grpc-js
// alone takes and sends the same bytes. CPU time is user and system time of the whole process; each
// variant is a fresh process in every round, warmed up first; the figure is the median of rounds.
//
//   npx tsx test/bench/agent.ts [--rounds N] [--seconds N] [--agent FILE] [--json FILE]

import { parseArgs } from 'node:util';
import {
  createSpanSender, median, OTLP_ONLY, printFigures, reaches, sendTo, spanRequest, startAgent,
  startProcess, startSink, type Measured,
} from './processes.ts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '10' },
    agent: { type: 'string' },
    json: { type: 'string' },
  },
});
const SPANS = 1000;
const RELAY = new URL('grpc_relay.ts', import.meta.url).pathname;
const steadyMs = Number(options.seconds) * 1000;
const bytes = spanRequest(SPANS);
const sink = await startSink();

const VARIANTS: Record<string, () => Promise<Measured>> = {
  'agent': () => startAgent(OTLP_ONLY + sendTo(sink.address), options.agent),
  'agent, gzip': () => startAgent(OTLP_ONLY + sendTo(sink.address, 'gzip'), options.agent),
  'grpc-js alone': () => startProcess(RELAY, [sink.address], ['--import', 'tsx']),
};

interface Round {
  /** CPU time per span when it has all that it can do. */
  readonly microseconds: number;
  /** Share of a core at 10,000 spans a second. */
  readonly percent: number;
}

async function measure(start: () => Promise<Measured>): Promise<Round> {
  const subject = await start();
  const sender = createSpanSender(subject.address);
  const through = async (send: () => Promise<void>) => {
    const seen = sink.items();
    const cpu = subject.cpuSeconds();
    await send();
    const requests = Math.round(steadyMs / 100);
    await reaches(sink.items, seen + requests * SPANS);
    return (subject.cpuSeconds() - cpu) / (requests * SPANS);
  };
  const requests = Math.round(steadyMs / 100);
  await through(() => sender.sendMany(bytes, requests, 8));
  let busy = 0;
  const TURNS = 5;
  for (let turn = 0; turn < TURNS; turn++) {
    busy += await through(() => sender.sendMany(bytes, requests, 8));
  }
  const steady = await through(() => sender.sendEvery(bytes, 100, steadyMs));
  await sender.close();
  await subject.stop();
  return { microseconds: busy / TURNS * 1e6, percent: steady * 10_000 * 100 };
}

const names = Object.keys(VARIANTS);
const rounds = new Map<string, Round[]>(names.map((name) => [name, []]));
for (let round = 0; round < Number(options.rounds); round++) {
  for (const name of round % 2 === 0 ? names : names.toReversed()) {
    rounds.get(name)!.push(await measure(VARIANTS[name]!));
  }
}
await sink.stop();
for (const [name, measured] of rounds) {
  const texts = measured.map((one) =>
    `${one.microseconds.toFixed(3)} µs, ${one.percent.toFixed(2)} %`);
  console.log(`rounds of ${name}: ${texts.join('; ')}`);
}
const of = (name: string, key: keyof Round) => median(rounds.get(name)!.map((one) => one[key]));
const yardstick = (key: keyof Round) =>
  ({ name: 'grpc-js alone', value: of('grpc-js alone', key) });
printFigures([
  { name: 'B4 agent pass-through, CPU per span', value: of('agent', 'microseconds'), unit: 'µs',
    goal: '≤ 1.0', yardstick: yardstick('microseconds') },
  { name: 'B4 agent at 10,000 spans/s', value: of('agent', 'percent'), unit: '% of a core',
    goal: '≤ 5', yardstick: yardstick('percent') },
  { name: 'agent pass-through, sent with gzip, CPU per span',
    value: of('agent, gzip', 'microseconds'), unit: 'µs', yardstick: yardstick('microseconds') },
  { name: 'agent at 10,000 spans/s, sent with gzip', value: of('agent, gzip', 'percent'),
    unit: '% of a core', yardstick: yardstick('percent') },
], options.json);
