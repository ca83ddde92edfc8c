// Thresholds and randomness of OpenTelemetry's consistent probability sampling
// (specification, "TraceState: Probability Sampling").
//
//     probability  p, of the items of a source so many are kept
//     threshold    T = (1 − p) × 2^56: so many of 2^56 are left out
//     randomness   R, 56 bits that all items of a trace share; an item is kept when R ≥ T
//     weight       1 / p: so many items a kept one stands for
//
// Both are kept here as 14 lower-case hexadecimal digits, so that comparing texts compares numbers
// and the digits of a trace id need no conversion. On the wire zeros at the end of a threshold are
// left out.

/** 14 hexadecimal digits, or NEVER. */
export type Threshold = string;
/** 14 hexadecimal digits. */
export type Randomness = string;

/** Everything is kept: the weight is 1. */
export const ALWAYS: Threshold = '00000000000000';
/** Above all digits: nothing is kept. */
export const NEVER: Threshold = 'g';

export const THRESHOLD_DIGITS = 14;
const RANGE = 2n ** 56n;
const BITS_OF_DIGIT = 4;

export const passes = (randomness: Randomness, threshold: Threshold): boolean =>
  randomness >= threshold;

/**
 * The threshold of a probability from 0 to 1, with `digits` significant ones: leading zeros and
 * `f`s of it are not counted, so that the weight of rare and of frequent items is as exact. A
 * probability of 0, or below what 56 bits can say, is NEVER.
 */
export function thresholdOf(probability: number, digits = THRESHOLD_DIGITS): Threshold {
  if (probability >= 1) return ALWAYS;
  const kept = BigInt(Math.round(Math.max(0, probability) * 2 ** 56));
  if (kept === 0n) return NEVER;
  const precision = Math.min(THRESHOLD_DIGITS,
    digits + Math.max(leadingDigits(probability), leadingDigits(1 - probability)));
  const shift = BigInt(BITS_OF_DIGIT * (THRESHOLD_DIGITS - precision));
  const half = shift === 0n ? 0n : 1n << (shift - 1n);
  const rounded = ((RANGE - kept + half) >> shift) << shift;
  return hexOf(rounded < RANGE ? rounded : RANGE - kept);
}

/** How many hexadecimal digits behind the point of a fraction are 0. */
const leadingDigits = (fraction: number): number =>
  Math.max(0, Math.floor((-1 - Math.floor(Math.log2(fraction))) / BITS_OF_DIGIT));

const hexOf = (number: bigint): string => number.toString(16).padStart(THRESHOLD_DIGITS, '0');

export function probabilityOf(threshold: Threshold): number {
  if (threshold === NEVER) return 0;
  return Number(RANGE - BigInt(`0x${threshold}`)) / 2 ** 56;
}

/** As it stands in `th:`; null for what cannot stand there. */
export function parseThreshold(text: string): Threshold | null {
  return /^[0-9a-fA-F]{1,14}$/.test(text)
    ? text.toLowerCase().padEnd(THRESHOLD_DIGITS, '0') : null;
}

/** As it stands in `rv:`; null for what cannot stand there. */
export function parseRandomness(text: string): Randomness | null {
  return /^[0-9a-fA-F]{14}$/.test(text) ? text.toLowerCase() : null;
}

/** What is written behind `th:`. */
export function formatThreshold(threshold: Threshold): string {
  return threshold === ALWAYS ? '0' : threshold.replace(/0+$/, '');
}

/** That of a trace id (W3C Trace Context level 2: its last 7 bytes); null for one that is none. */
export function traceRandomness(traceId: string): Randomness | null {
  return hasTraceId(traceId) ? traceId.slice(-THRESHOLD_DIGITS) : null;
}

export const hasTraceId = (traceId: string): boolean =>
  traceId.length === 32 && traceId !== NO_TRACE;

const NO_TRACE = '0'.repeat(32);

/** The randomness at a place from 0 (kept by none) to 1 (kept by all) of those that pass. */
export function randomnessAbove(threshold: Threshold, place: number): Randomness {
  const kept = RANGE - BigInt(`0x${threshold}`);
  const above = BigInt(Math.floor(place * 2 ** 53)) * kept >> 53n;
  return hexOf(RANGE - kept + above);
}
