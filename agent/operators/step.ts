// What all operators have in common: the keys, how one is defined, and what it is made with.
//
//   entries ─> [if] ─> operator ─┬─> output (the next one in the list unless named)
//                       │ fails  │
//                       └────────┴── on_error: send on as it is, or drop

import * as z from 'zod';
import type { Clock } from '../../runtime/clock.ts';
import type { Random } from '../../runtime/random.ts';
import type { Entry } from './entry.ts';
import { condition } from './expression/expression.ts';

/**
 * Changes an entry in place; answers null, or what went wrong without any of the text: it is
 * logged. What was done before something went wrong stays done.
 */
export type Step = (entry: Entry) => string | null;

/** Takes an entry over: it is sent on at once, later, or never. */
export type Take = (entry: Entry) => void;

/** What an operator is made with. */
export interface Making {
  readonly clock: Clock;
  readonly random: Random;
}

/** Where an operator's entries go. */
export interface Links {
  /** To its output. */
  readonly send: Take;
  /** To operators by id. */
  readonly sendTo: (ids: readonly string[]) => Take;
  /** The operator failed on an entry: `on_error` decides what becomes of it. */
  readonly fail: (entry: Entry, fault: string) => void;
  /** An entry is dropped because somebody wants it so. */
  readonly filtered: () => void;
  /** Registers who holds entries back. */
  readonly holds: (holder: Holder) => void;
}

/** Entries that wait for others to come. */
export interface Holder {
  /** How long they wait at most. */
  readonly holdMs: number;
  /** The first entry (`Entry.first`) of each group that waits. */
  groups(): number[];
  /** Sends on the groups for whose first entry this is true. */
  release(isDue: (first: number) => boolean): void;
  /** Forgets all of them: they will be given again. */
  forget(): void;
}

export const operatorKeys = () => ({
  id: z.string().min(1).describe('Name of the operator in messages and in output.').optional(),
  on_error: z.enum(['send', 'drop', 'send_quiet', 'drop_quiet'])
    .describe('When it fails: send the record on as it is, or drop it; quiet says nothing.')
    .default('send'),
  output: outputs().describe('Ids of the operators that come next; the next in the list.')
    .optional(),
  if: condition().describe('Records that it does not hold for pass unchanged.').optional(),
});

/** One id or several. */
export const outputs = () => z.union([
  z.string().min(1).transform((id) => [id]), z.array(z.string().min(1)).min(1),
]);

type Shape = z.ZodRawShape;
type Parsed<S extends Shape> = z.output<z.ZodObject<S, z.core.$strict>>;
type Check<S extends Shape> = (config: Parsed<S>, ctx: z.core.$RefinementCtx<unknown>) => void;

/** An operator type. Its keys are made anew whenever they are asked for (D-028). */
export interface Definition {
  readonly keys: () => Shape;
  readonly check?: Check<any>;
  readonly create: (config: any, making: Making, links: Links) => Take;
}

interface Defined<S extends Shape> {
  readonly keys: () => S;
  /** Reports what of the keys cannot be used. */
  readonly check?: Check<S>;
}

/** An operator that changes each entry by itself. */
export function stepOperator<S extends Shape>(
  { keys, check, create }: Defined<S> & {
    readonly create: (config: Parsed<S>, making: Making) => Step;
  },
): Definition {
  return {
    keys,
    ...(check === undefined ? {} : { check }),
    create: (config, making, { send, fail }) => {
      const step = create(config, making);
      return (entry) => {
        const fault = step(entry);
        if (fault === null) send(entry);
        else fail(entry, fault);
      };
    },
  };
}

/** An operator that decides where entries go, and when. */
export function flowOperator<S extends Shape>(
  definition: Defined<S> & {
    readonly create: (config: Parsed<S>, making: Making, links: Links) => Take;
  },
): Definition {
  return definition;
}
