// How many spans a span stands for, after samplers have left others out: the threshold `th` that
// OpenTelemetry's consistent sampling writes into the tracestate, as the backend reads it (the
// column SampleWeight).
//
//   ot=rv:…;th:e666      14 hexadecimal digits behind the point, zeros at the end left out: the
//                        share that was left out. 0xe666… of 2^56 is 90 %, so the weight is 10.

const THRESHOLD = /(?:^|,)\s*ot=(?:[^,]*;)?th:([0-9a-f]{1,14})/;
const ALL = 2 ** 56;
const HALF_DIGITS = 7;
const HALF = 2 ** 28;

const limits = {
  /** Tracestates that are remembered: a sampler writes few. Beyond it all are forgotten. */
  knownMax: 1000,
} as const;

const known = new Map<string, number>();

/** At least 1; 1 without a threshold. */
export function weightOf(traceState: string): number {
  if (traceState === '') return 1;
  const weight = known.get(traceState);
  if (weight !== undefined) return weight;
  const digits = THRESHOLD.exec(traceState)?.[1];
  const parsed = digits === undefined ? 1 : ALL / kept(digits.padEnd(2 * HALF_DIGITS, '0'));
  if (known.size >= limits.knownMax) known.clear();
  known.set(traceState, parsed);
  return parsed;
}

/** How many of 2^56 are kept. In halves, since a number does not hold 56 bits. */
function kept(digits: string): number {
  const high = Number.parseInt(digits.slice(0, HALF_DIGITS), 16);
  const low = Number.parseInt(digits.slice(HALF_DIGITS), 16);
  return (HALF - 1 - high) * HALF + (HALF - low);
}
