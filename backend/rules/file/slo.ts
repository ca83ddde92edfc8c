// `slo` below a rule: an objective, and the windows in which its error budget may not burn too
// fast. The SRE workbook, table 5-8, has the usual windows.

import { BURN_WINDOWS } from '../analysis/slo.ts';
import type { BurnWindow, RuleSource, SloOptions } from '../model.ts';
import { parseShare } from './condition.ts';
import { durationText } from './options.ts';
import type { SloShape } from './shape.ts';
import { groupByOf, searchOf, type Spot } from './sources.ts';

/** How much shorter the short window is, unless it is written. */
const SHORTER = 12;

/** Null when something is wrong with it; then it was reported. */
export function sloOf(shape: SloShape, spot: Spot): RuleSource | null {
  const { sheet, path } = spot;
  const said = (['logs', 'spans'] as const).filter((key) => shape[key] !== undefined);
  if (said.length !== 1) {
    sheet.report(path, { why: 'needs one signal', hint: 'write logs or spans below it' });
    return null;
  }
  const signal = said[0] === 'logs' ? 'logs' : 'traces';
  const total = searchOf(shape[said[0]!]!, signal, [...path, said[0]!], sheet);
  const bad = badOf(shape, said[0]!, spot);
  const groupBy = groupByOf(shape.by, [...path, 'by'], sheet);
  const objective = objectiveOf(shape, spot);
  const periodMs = periodOf(shape, spot);
  if (total === null || bad === null || groupBy === null || objective === null
    || periodMs === null) return null;
  const windows = windowsOf(shape, { objective, periodMs }, spot);
  if (windows === null) return null;
  return { type: 'slo', slo: {
    objective, periodMs, signal, total, bad, groupBy,
    windows, eventsMin: shape.min_events,
  } };
}

function badOf(shape: SloShape, signal: 'logs' | 'spans', spot: Spot): SloOptions['bad'] | null {
  const { sheet, path } = spot;
  const { bad, slower_than: slowerThanMs } = shape;
  if ((bad === undefined) === (slowerThanMs === undefined)) {
    sheet.report(path, { why: bad === undefined ? 'does not say what is bad'
      : 'says twice what is bad', hint: "write bad: 'status:error', or slower_than: 300ms" });
    return null;
  }
  if (bad !== undefined) {
    const search = searchOf(bad, signal === 'logs' ? 'logs' : 'traces', [...path, 'bad'], sheet);
    return search === null ? null : { search };
  }
  if (signal === 'spans' && slowerThanMs! > 0) return { slowerThanMs: slowerThanMs! };
  sheet.report([...path, 'slower_than'], signal === 'spans'
    ? { why: 'must be more than nothing', hint: 'write it like 300ms' }
    : { why: 'means nothing with logs', hint: 'write bad: with a search' });
  return null;
}

function objectiveOf({ objective }: SloShape, { sheet, path }: Spot): number | null {
  const share = parseShare(objective);
  if (share !== null && share > 0 && share < 1) return share;
  sheet.report([...path, 'objective'], share === null
    ? { why: 'is no share', hint: 'write it like 99.9%' }
    : share >= 1 && share < 100 && typeof objective === 'number' && share > 1
      ? { why: 'must be below 1', hint: `write ${share}%` }
      : { why: 'must be above 0 and below 1', hint: 'without failures allowed there is no error '
        + 'budget; write it like 99.9%' });
  return null;
}

function periodOf({ period }: SloShape, { sheet, path, options }: Spot): number | null {
  if (period <= options.retentionMs) return period;
  const keys = sheet.has(path, 'period') ? [...path, 'period'] : path;
  sheet.report(keys, {
    why: `has a period that is longer than records are kept, which is ${
      durationText(options.retentionMs)}`,
    hint: 'write a shorter period, or keep records longer',
  });
  return null;
}

type Budget = Pick<SloOptions, 'objective' | 'periodMs'>;

/** Null when one of them is impossible. */
function windowsOf(shape: SloShape, budget: Budget, spot: Spot): readonly BurnWindow[] | null {
  if (shape.windows === undefined) {
    return BURN_WINDOWS.every((window) => isPossible(window, budget, spot)) ? BURN_WINDOWS : null;
  }
  const found = shape.windows.flatMap((written, index) => {
    const own = { ...spot, path: [...spot.path, 'windows', index] };
    const window = windowOf(written, budget, own);
    return window !== null && isPossible(window, budget, own) ? [window] : [];
  });
  return found.length === shape.windows.length ? found : null;
}

function windowOf(
  shape: NonNullable<SloShape['windows']>[number],
  { periodMs }: Budget,
  { sheet, path }: Spot,
): BurnWindow | null {
  const { severity, long: longMs, short: shortMs = longMs / SHORTER, budget, factor } = shape;
  const share = budget === undefined ? null : parseShare(budget);
  if ((factor === undefined) === (share === null)) {
    sheet.report(path, { why: 'does not say how fast the budget burns',
      hint: 'write factor: 14.4, or budget: 2% of the period in the long window' });
    return null;
  }
  return { severity, longMs, shortMs, factor: factor ?? share! * periodMs / longMs };
}

function isPossible(
  { longMs, shortMs, factor }: BurnWindow,
  { objective, periodMs }: Budget,
  { sheet, path, options }: Spot,
): boolean {
  const long = durationText(longMs);
  if (longMs > periodMs || longMs > options.retentionMs) {
    sheet.report(path, {
      why: `looks at ${long}, which is longer than ${longMs > periodMs ? 'its period'
        : 'records are kept'}`,
      hint: 'write shorter windows',
    });
    return false;
  }
  if (shortMs >= longMs) {
    sheet.report(path, { why: 'has a short window that is not shorter than the long one',
      hint: 'leave short out: it is a twelfth of long' });
    return false;
  }
  if (factor * (1 - objective) < 1) return true;
  const most = Math.floor(100 / (1 - objective)) / 100;
  sheet.report(path, {
    why: `can never burn ${factor} times too fast: with everything bad it is ${most} times`,
    hint: 'write windows with smaller factors',
  });
  return false;
}
