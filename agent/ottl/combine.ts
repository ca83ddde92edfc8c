// Tests of a view made of others, and of a small number with a constant.

import type { Comparison } from './syntax.ts';
import type { OttlView } from './view.ts';

export type Test = (view: OttlView) => boolean;

export function allOf(tests: readonly Test[]): Test {
  const [one, other] = tests;
  if (tests.length === 2) return (view) => one!(view) && other!(view);
  return (view) => tests.every((test) => test(view));
}

export function anyOf(tests: readonly Test[]): Test {
  const [one, other] = tests;
  if (tests.length === 2) return (view) => one!(view) || other!(view);
  return (view) => tests.some((test) => test(view));
}

export function compareNumbers(
  operator: Comparison, number: (view: OttlView) => number, constant: number,
): Test {
  switch (operator) {
    case '==':
      return (view) => number(view) === constant;
    case '!=':
      return (view) => number(view) !== constant;
    case '<':
      return (view) => number(view) < constant;
    case '<=':
      return (view) => number(view) <= constant;
    case '>':
      return (view) => number(view) > constant;
    case '>=':
      return (view) => number(view) >= constant;
  }
}
