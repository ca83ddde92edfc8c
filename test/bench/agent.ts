// What the agent spends on OTLP that it need not look into: gRPC in, the queue on disk with a sync
// before every answer, gRPC out (goal B4). Beside it, in the same run, a process in which grpc-js
// alone takes and sends the same bytes. CPU time is user and system time of the whole process; each
// variant is a fresh process in every round; the figure is the median of rounds. What V8 compiles
// takes its time: 600 requests go through before anything counts.
//
//   npm run bench -- agent [--rounds N] [--seconds N]

import { atMost, inTurns, median, options, report } from './figures.ts';
import {
  createSpanSender, OTLP_ONLY, reaches, sendTo, spanRequest, startAgent, startProcess, startSink,
  type Measured,
} from './processes.ts';

const { rounds, seconds } = options({ rounds: 3, seconds: 8 });
const SPANS = 1000;
const WARM_REQUESTS = 600;
const RELAY = new URL('grpc_relay.ts', import.meta.url).pathname;
const steadyMs = seconds * 1000;
const bytes = spanRequest(SPANS);
const sink = await startSink();

const VARIANTS = {
  'agent': () => startAgent(OTLP_ONLY + sendTo(sink.address)),
  'agent, gzip': () => startAgent(OTLP_ONLY + sendTo(sink.address, 'gzip')),
  'grpc-js alone': () => startProcess(RELAY, [sink.address], ['--import', 'tsx']),
} as const satisfies Record<string, () => Promise<Measured>>;
type Name = keyof typeof VARIANTS;

interface Round {
  /** CPU time per span when it has all that it can do. */
  readonly microseconds: number;
  /** Share of a core at 10,000 spans a second. */
  readonly percent: number;
}

async function measure(start: () => Promise<Measured>): Promise<Round> {
  const subject = await start();
  const sender = createSpanSender(subject.address);
  const requests = Math.round(steadyMs / 100);
  const through = async (send: () => Promise<void>) => {
    const seen = sink.items();
    const cpu = subject.cpuSeconds();
    await send();
    await reaches(sink.items, seen + requests * SPANS);
    return (subject.cpuSeconds() - cpu) / (requests * SPANS);
  };
  const before = sink.items();
  await sender.sendMany(bytes, WARM_REQUESTS, 8);
  await reaches(sink.items, before + WARM_REQUESTS * SPANS);
  let busy = 0;
  const TURNS = 3;
  for (let turn = 0; turn < TURNS; turn++) {
    busy += await through(() => sender.sendMany(bytes, requests, 8));
  }
  const steady = await through(() => sender.sendEvery(bytes, 100, steadyMs));
  await sender.close();
  await subject.stop();
  return { microseconds: busy / TURNS * 1e6, percent: steady * 10_000 * 100 };
}

const measured = await inTurns<Name, Round>(rounds, {
  'agent': () => measure(VARIANTS['agent']),
  'agent, gzip': () => measure(VARIANTS['agent, gzip']),
  'grpc-js alone': () => measure(VARIANTS['grpc-js alone']),
});
await sink.stop();
const say = (name: string, variant: Name, key: keyof Round, goal?: number) => {
  const values = measured[variant].map((one) => one[key]);
  report({
    name, value: median(values), rounds: values, unit: key === 'percent' ? '% of a core' : 'µs',
    yardstick: {
      name: 'grpc-js alone', value: median(measured['grpc-js alone'].map((one) => one[key])),
    },
    ...(goal === undefined ? {} : { id: 'B4', goal: atMost(goal) }),
  });
};
say('agent pass-through, CPU per span', 'agent', 'microseconds', 1);
say('agent pass-through at 10,000 spans/s', 'agent', 'percent', 5);
say('agent pass-through sent with gzip, CPU per span', 'agent, gzip', 'microseconds');
say('agent pass-through sent with gzip at 10,000 spans/s', 'agent, gzip', 'percent');
