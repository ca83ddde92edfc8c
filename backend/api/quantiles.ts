// `quantiles=0.5,0.95,0.99`, as several routes take it.

import { invalid } from './period.ts';

export const limits = {
  /** Quantiles of a question; more are refused. */
  quantilesMax: 20,
} as const;

const USUAL = [0.5, 0.95, 0.99];

/** Levels from 0 to 1. Throws ApiError. */
export function readQuantiles(text: string | undefined): readonly number[] {
  if (text === undefined) return USUAL;
  const texts = text.split(',');
  const levels = texts.map(Number);
  const isRight = texts.every((one) => /^[01]?(?:\.\d{1,9})?$/.test(one) && one !== '')
    && levels.every((level) => level <= 1) && new Set(levels).size === levels.length;
  if (isRight && levels.length <= limits.quantilesMax) return levels;
  throw invalid(`quantiles is a list of at most ${limits.quantilesMax} different numbers from 0 `
    + 'to 1, such as 0.5,0.95,0.99');
}
