// What the anomaly methods find and how often they cry for nothing, beside a plain three-sigma rule
// on the same data: series from a seed (anomaly_series.ts), clean and with spikes, shifts, drops to
// zero and gaps in them.
//
//   npm run bench -- anomaly [--series N] [--sigmas N] [--minutes N]
//
// Each kind of series is made N times (2), in steps of so many minutes (5), six weeks long; the
// last week is looked at once as it is and once with a fault each day. Spikes last half an hour,
// shifts four hours, both so many deviations of the noise (6). Methods run with the defaults of
// rules, in steps of the series. An alert that begins neither in a fault nor within an hour behind
// it is false. `faults` is the recall of spikes and shifts of the kinds that a method is for.

import { ANOMALY_DEFAULTS, anomalyOverTime } from '../../backend/rules/analysis/anomaly.ts';
import { MINUTE_MS, WEEK_MS } from '../../backend/rules/analysis/times.ts';
import type { AnomalyOptions } from '../../backend/rules/model.ts';
import { seededRandom } from '../proto/generate.ts';
import { FAULT_TYPES, judgeDetector, KINDS, makeFaults, makeSeries, START_MS, threeSigma,
  type Detector, type FaultType, type KindName, type Verdict } from './anomaly_series.ts';
import { atLeast, atMost, options, report } from './figures.ts';

type Method = AnomalyOptions['method'];

const WEEKS = 6;
const FROM_MS = START_MS + (WEEKS - 1) * WEEK_MS;
const TO_MS = START_MS + WEEKS * WEEK_MS;

/** Kinds that the documentation says a method is for. */
const FOR: Readonly<Record<Method, readonly KindName[]>> = {
  robust: ['flat', 'flat, sticky noise', 'counts'],
  seasonal: ['flat', 'daily', 'daily, sticky noise', 'weekly', 'counts', 'counts, daily'],
  decomposition: ['flat', 'daily', 'daily, sticky noise', 'weekly', 'growing', 'counts',
    'counts, daily'],
};

const { series, sigmas, minutes } = options({ series: 2, sigmas: 6, minutes: 5 });
const stepMs = minutes * MINUTE_MS;

const detectorOf = (method: Method): Detector => (steps) => {
  const asked: AnomalyOptions = { method, direction: 'both', minDelta: 0, minChange: 0,
    timeZone: 'UTC', ...ANOMALY_DEFAULTS[method], stepMs };
  const at = anomalyOverTime(steps, asked);
  return (atMs) => Math.abs(at(atMs)?.value ?? 0) > asked.sensitivity;
};

const DETECTORS: Readonly<Record<string, Detector>> = {
  'three sigma': threeSigma, robust: detectorOf('robust'), seasonal: detectorOf('seasonal'),
  decomposition: detectorOf('decomposition'),
};

interface Tried {
  readonly name: string;
  readonly kind: KindName;
  readonly clean: number;
  readonly faulty: Verdict[];
}

function tryKind(name: string, detector: Detector, kind: KindName): Tried {
  let clean = 0;
  const faulty: Verdict[] = [];
  for (let index = 0; index < series; index++) {
    const random = seededRandom(1000 + index);
    const making = { kind, stepMs, weeks: WEEKS, random, sigmas };
    const judge = (faults: ReturnType<typeof makeFaults>) =>
      judgeDetector(makeSeries({ ...making, faults }), faults, { detector, fromMs: FROM_MS });
    clean += judge([]).falseAlarms;
    faulty.push(judge(makeFaults(FROM_MS, TO_MS, random)));
  }
  return { name, kind, clean: clean / series, faulty };
}

const sumOf = (verdicts: readonly Verdict[], key: 'found' | 'there', type: FaultType): number =>
  verdicts.reduce((sum, verdict) => sum + verdict[key][type], 0);

const tried = (Object.keys(KINDS) as KindName[]).flatMap((kind) =>
  Object.entries(DETECTORS).map(([name, detector]) => tryKind(name, detector, kind)));

const SPIKES = ['spike', 'shift up', 'shift down'] as const;
console.log(['series'.padEnd(20), 'method'.padEnd(14), 'false/week'.padStart(10),
  ...FAULT_TYPES.map((type) => type.padStart(13))].join(' '));
for (const { name, kind, clean, faulty } of tried) {
  const cells = FAULT_TYPES.map((type) =>
    `${sumOf(faulty, 'found', type)} of ${sumOf(faulty, 'there', type)}`.padStart(13));
  const head = [kind.padEnd(20), name.padEnd(14), clean.toFixed(2).padStart(10)];
  console.log([...head, ...cells].join(' '));
}
const plain = tried.filter(({ name }) => name === 'three sigma');
const meanOf = (all: readonly Tried[]): number =>
  all.reduce((sum, { clean }) => sum + clean, 0) / all.length;
const recallOf = (all: readonly Tried[]): number => {
  const count = (key: 'found' | 'there') => all.reduce((sum, { faulty }) =>
    sum + SPIKES.reduce((inner, type) => inner + sumOf(faulty, key, type), 0), 0);
  return count('found') / count('there');
};
for (const method of Object.keys(FOR) as Method[]) {
  const own = tried.filter(({ name }) => name === method);
  const isFor = ({ kind }: Tried) => FOR[method].includes(kind);
  report({ name: `anomaly, ${method}, false alarms`, value: meanOf(own), unit: 'a series-week',
    yardstick: { name: 'three sigma', value: meanOf(plain) }, goal: atMost(1) });
  report({ name: `anomaly, ${method}, most false alarms of a kind`, unit: 'a series-week',
    value: Math.max(...own.map(({ clean }) => clean)),
    yardstick: { name: 'three sigma', value: Math.max(...plain.map(({ clean }) => clean)) },
    goal: atMost(1) });
  report({ name: `anomaly, ${method}, faults`, value: recallOf(own.filter(isFor)), unit: 'found',
    yardstick: { name: 'three sigma', value: recallOf(plain.filter(isFor)) },
    goal: atLeast(0.9) });
}
