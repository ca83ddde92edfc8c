// Operators that choose what becomes of entries: filter, router, noop.

import * as z from 'zod';
import { setField } from './entry.ts';
import { condition, type Template } from './expression/expression.ts';
import { writtenValue } from './carrying.ts';
import { flowOperator, operatorKeys, outputs, stepOperator, type Take } from './step.ts';

export const noop = stepOperator({ keys: operatorKeys, create: () => () => null });

export const filter = flowOperator({
  keys: () => ({
    ...operatorKeys(),
    expr: condition().describe('Records that it holds for are dropped.'),
    drop_ratio: z.number().min(0).max(1).describe('The share of them that is dropped, by chance.')
      .default(1),
  }),
  create: ({ expr, drop_ratio: ratio }, { random }, { send, fail, filtered }) => (entry) => {
    const holds = expr(entry);
    if (typeof holds === 'string') fail(entry, holds);
    else if (holds && (ratio === 1 || random.float() < ratio)) filtered();
    else send(entry);
  },
});

const route = () => z.strictObject({
  output: outputs().describe('Ids of the operators that get the record.'),
  expr: condition().describe('Holds for the records of this route.'),
  attributes: z.record(z.string().min(1), writtenValue()).describe('Attributes that they get.')
    .default({}),
});

export const router = flowOperator({
  keys: () => {
    const { id, on_error } = operatorKeys();
    return {
      id, on_error,
      routes: z.array(route()).min(1).describe('Records take the first whose expr holds.'),
      default: outputs().describe('Where the others go; without it they are dropped.').optional(),
    };
  },
  create: ({ routes, default: rest }, _making, { sendTo, fail, filtered }) => {
    const ways = routes.map((one) => ({
      expr: one.expr, send: withAttributes(one.attributes, sendTo(one.output)),
    }));
    const otherwise: Take = rest === undefined ? filtered : sendTo(rest);
    return (entry) => {
      for (const { expr, send } of ways) {
        const holds = expr(entry);
        if (typeof holds === 'string') return fail(entry, holds);
        if (holds) return send(entry);
      }
      return otherwise(entry);
    };
  },
});

function withAttributes(attributes: Readonly<Record<string, Template>>, send: Take): Take {
  const pairs = Object.entries(attributes);
  if (pairs.length === 0) return send;
  return (entry) => {
    for (const [key, template] of pairs) {
      const answer = template(entry);
      if ('value' in answer) setField(entry, { root: 'attributes', keys: [key] }, answer.value);
    }
    send(entry);
  };
}
