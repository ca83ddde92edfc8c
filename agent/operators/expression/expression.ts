// Expressions in configurations: conditions (`if`, `expr`, `is_first_entry`) and values that are
// text with EXPR(…) in it. What is wrong is said when the configuration is read, with its place.

import * as z from 'zod';
import { fault } from '../../../config/schema.ts';
import type { Entry, Value } from '../entry.ts';
import { compileExpression, type Evaluate } from './compile.ts';
import { ExpressionFault } from './operations.ts';
import { ExpressionError } from './tokens.ts';

/** Whether it holds for an entry; a text says why that cannot be said. */
export type Condition = (entry: Entry) => boolean | string;

export function condition(): z.ZodType<Condition, string> {
  const schema = z.string().transform((text, ctx) => {
    const evaluate = compileFor(text, ctx);
    return evaluate === null ? z.NEVER : toCondition(evaluate);
  });
  return schema;
}

function toCondition(evaluate: Evaluate): Condition {
  return (entry) => {
    const value = ask(evaluate, entry);
    if ('fault' in value) return value.fault;
    if (typeof value.value === 'boolean') return value.value;
    return 'the condition is neither true nor false';
  };
}

/** What an expression says of an entry, or why it cannot. */
export type Answer = { readonly value: Value } | { readonly fault: string };

/** A text whose value depends on the entry. */
export type Template = (entry: Entry) => Answer;

/**
 * What a text with EXPR(…) stands for: the value of the expression when that is all of it, else
 * the text with the values in their places. Null when there is none in it; `ctx` hears what is
 * wrong.
 */
export function parseTemplate(
  text: string, ctx: z.core.$RefinementCtx<unknown>, path: (string | number)[] = [],
): Template | null {
  const parts = partsOf(text);
  if (parts.length === 1 && typeof parts[0] === 'string') return null;
  const compiled = parts.map((part) =>
    (typeof part === 'string' ? part : compileFor(part.expression, ctx, path)));
  if (compiled.includes(null)) return () => ({ fault: '' });
  const [first] = compiled as (string | Evaluate)[];
  if (compiled.length === 1) return (entry) => ask(first as Evaluate, entry);
  return (entry) => {
    let joined = '';
    for (const part of compiled as (string | Evaluate)[]) {
      const answer = typeof part === 'string' ? { value: part } : ask(part, entry);
      if ('fault' in answer) return answer;
      if (typeof answer.value !== 'string') return { fault: 'a part of the text is no text' };
      joined += answer.value;
    }
    return { value: joined };
  };
}

function ask(evaluate: Evaluate, entry: Entry): Answer {
  try {
    return { value: evaluate({ entry, element: null }) };
  } catch (error) {
    if (error instanceof ExpressionFault) return { fault: error.message };
    throw error;
  }
}

function compileFor(
  text: string, ctx: z.core.$RefinementCtx<unknown>, path: (string | number)[] = [],
): Evaluate | null {
  try {
    return compileExpression(text, process.env);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    fault(ctx, `is not an expression: character ${error.at + 1}: ${error.message}`,
      'write it like body matches "^a" and attributes.level in ["warn", "error"]', path);
    return null;
  }
}

/** Text and the insides of EXPR(…), whose brackets are counted outside of quotes. */
function partsOf(text: string): (string | { readonly expression: string })[] {
  const parts: (string | { expression: string })[] = [];
  let plain = 0;
  for (let start = text.indexOf('EXPR('); start !== -1; start = text.indexOf('EXPR(', plain)) {
    const end = closingBracket(text, start + 5);
    if (end === -1) break;
    if (start > plain) parts.push(text.slice(plain, start));
    parts.push({ expression: text.slice(start + 5, end) });
    plain = end + 1;
  }
  if (plain < text.length || parts.length === 0) parts.push(text.slice(plain));
  return parts;
}

function closingBracket(text: string, from: number): number {
  const pattern = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`|[()]/gs;
  pattern.lastIndex = from;
  let depth = 1;
  for (let found = pattern.exec(text); found !== null; found = pattern.exec(text)) {
    if (found[0] === '(') depth++;
    if (found[0] === ')' && --depth === 0) return found.index;
  }
  return -1;
}
