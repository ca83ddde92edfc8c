// What would keep a rule from ever being measured, found before it counts.

import { SearchError } from '../../search/node.ts';
import { errorMessage } from '../../../runtime/errors.ts';
import type { Rule, RuleFault, SignalQuery, SloOptions } from '../model.ts';
import { UnmeasurableError, type AskForeign } from './asking.ts';
import { checkSqlRule, type CheckSql } from './foreign.ts';
import { checkMetric } from './metrics.ts';
import { checkQuestion } from './records.ts';

export const limits = {
  /** Fields that a rule groups by; with more it is refused. */
  groupByMax: 10,
} as const;

/** Never throws. */
export async function checkRule(
  asking: { readonly askForeign: AskForeign; readonly checkSql: CheckSql },
  { source }: Rule,
  abort: AbortSignal,
): Promise<RuleFault | null> {
  switch (source.type) {
    case 'sql': return checkSqlRule(asking, source, abort);
    case 'signal': case 'change': case 'anomaly': case 'forecast':
      return faultOf(() => checkQuery(source.query));
    case 'absence': return faultOf(() => {
      checkQuery(source.query);
      const known = source.query.groupBy;
      for (const labels of source.expected) {
        const unknown = Object.keys(labels).find((name) => !known.includes(name));
        const missing = known.find((name) => labels[name] === undefined);
        const name = unknown ?? missing;
        if (name === undefined) continue;
        throw new UnmeasurableError(unknown === undefined
          ? `a group that is expected has no ${name}`
          : `${name} of a group that is expected is not what the rule groups by`,
        `give each the fields of 'by': ${known.join(', ')}`);
      }
    });
    case 'slo': return faultOf(() => checkSlo(source.slo));
    default: return null;
  }
}

function faultOf(check: () => void): RuleFault | null {
  try {
    check();
    return null;
  } catch (error) {
    const hint = error instanceof UnmeasurableError ? error.hint
      : error instanceof SearchError ? error.suggestion : '';
    return { why: errorMessage(error), hint };
  }
}

/** Throws SearchError and UnmeasurableError. */
function checkQuery(query: SignalQuery): void {
  const { signal, groupBy, overMs } = query;
  if (groupBy.length > limits.groupByMax) {
    throw new UnmeasurableError(`it groups by more than ${limits.groupByMax} fields`,
      'leave some out');
  }
  if (overMs <= 0) throw new UnmeasurableError('its window is empty', 'write over: 5m');
  if (signal === 'metrics') checkMetric(query);
  else checkQuestion({ query });
}

function checkSlo({ signal, total, bad, groupBy }: SloOptions): void {
  const searches = [total, ...'search' in bad ? [bad.search] : []];
  for (const search of searches) {
    checkQuery({ signal, metric: '', search, groupBy, overMs: 1, aggregate: { type: 'count' } });
  }
  if (signal === 'traces' || 'search' in bad) return;
  throw new UnmeasurableError('logs have no duration', 'say what is bad with a search');
}
