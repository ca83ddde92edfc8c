// Whether what was measured is what a rule looks for.

import type { Condition } from './model.ts';

/** What is no number satisfies nothing, not even `!=`: nobody is woken for the lack of a value. */
export function holds({ operator, value, to }: Condition, measured: number): boolean {
  if (Number.isNaN(measured)) return false;
  switch (operator) {
    case '>': return measured > value;
    case '>=': return measured >= value;
    case '<': return measured < value;
    case '<=': return measured <= value;
    case '==': return measured === value;
    case '!=': return measured !== value;
    case 'within': return measured >= value && measured <= to;
    case 'outside': return measured < value || measured > to;
  }
}
