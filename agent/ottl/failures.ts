// What a component says of statements and conditions that fail on records: all are counted, and
// once in a while one is told, with the statement but without what is in quotes, and without
// anything of the record.

import type { ComponentContext } from '../../proto/contract/component.ts';
import { rateLimited } from '../../runtime/log.ts';
import { maskLiterals } from './fault.ts';
import type { ErrorMode, FailureOptions } from './ottl.ts';

const limits = {
  /** Between two lines in the log. */
  logIntervalMs: 60_000,
  /** Of a statement that is told. */
  statementChars: 120,
};

/** How statements of this component fail, by its `error_mode`. */
export function failureOptions(
  errorMode: ErrorMode,
  { id, log, counters, world }: Pick<ComponentContext, 'id' | 'log' | 'counters' | 'world'>,
): FailureOptions {
  const failures = counters.counter('binnacle_ottl_failures_total',
    'Statements and conditions of OTTL that failed on a record.', { component: id });
  const limited = rateLimited(log, world.clock, limits.logIntervalMs);
  return {
    errorMode,
    onFailure: (failure, text) => {
      failures.add(1);
      if (errorMode === 'silent') return;
      const statement = maskLiterals(text).slice(0, limits.statementChars);
      limited.warn(`cannot run a statement on a record: ${failure.message}`, { statement });
    },
  };
}
