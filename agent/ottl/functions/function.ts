// What an editor or converter is: its name, its parameters, and how its call is compiled. Arguments
// are bound once, when the statement is compiled; what is bound runs for each record.

import type { Clock } from '../../../runtime/clock.ts';
import type { Random } from '../../../runtime/random.ts';
import type { Field } from '../paths/field.ts';
import type { Node } from '../syntax.ts';
import type { Value } from '../value.ts';
import type { OttlContextName, OttlView } from '../view.ts';

export type Getter = (view: OttlView) => Value;

/** What functions need of the machine. A part of World. */
export interface OttlEnvironment {
  readonly clock: Pick<Clock, 'nowNs' | 'nowMs'>;
  readonly random: Pick<Random, 'bytes' | 'uuid'>;
}

/** A path as an argument, for reading and writing. */
export interface Target {
  readonly get: Getter;
  /** Throws OttlFailure when the value does not fit. */
  readonly set: (view: OttlView, value: Value) => void;
}

/** How parameters look at the arguments of a call. */
export interface Binder {
  readonly environment: OttlEnvironment;
  readonly context: OttlContextName;
  /** The value of an argument; `constant` when it is the same for all records. */
  value(node: Node): { readonly get: Getter; readonly constant: Value | undefined };
  field(node: Node): { readonly target: Target; readonly field: Field } | undefined;
  converter(name: string): FunctionSpec | undefined;
}

export interface Parameter<T> {
  /** As in the documentation: `string`, `map`, `list of strings`. */
  readonly type: string;
  readonly optional: boolean;
  /** Throws OttlFault when the argument does not fit. */
  bind(node: Node, binder: Binder): T;
}

export type Parameters = Readonly<Record<string, Parameter<any>>>;
type Bound<P extends Parameters> = {
  readonly [K in keyof P]: P[K] extends Parameter<infer T> ? T : never;
};

export interface FunctionSpec {
  readonly name: string;
  readonly kind: 'editor' | 'converter';
  readonly parameters: Parameters;
  /** Where it can be called; everywhere when absent. */
  readonly contexts?: readonly OttlContextName[];
  /** False when it gives something else each time, or looks at more than its arguments. */
  readonly pure: boolean;
  /** What it makes of one text, for converters that can be given to `replace_…`. */
  readonly ofText?: (text: string) => Value;
  build(bound: Record<string, unknown>, binder: Binder): Getter;
}

type Options = Partial<Pick<FunctionSpec, 'contexts' | 'pure' | 'ofText'>>;

export function converter<P extends Parameters>(
  name: string, parameters: P, build: (bound: Bound<P>, binder: Binder) => Getter,
  options: Options = {},
): FunctionSpec {
  const built = build as FunctionSpec['build'];
  return { name, kind: 'converter', parameters, pure: true, ...options, build: built };
}

export function editor<P extends Parameters>(
  name: string, parameters: P,
  build: (bound: Bound<P>, binder: Binder) => (view: OttlView) => void,
  options: Options = {},
): FunctionSpec {
  const built = (bound: Record<string, unknown>, binder: Binder): Getter => {
    const run = build(bound as Bound<P>, binder);
    return (view) => {
      run(view);
      return null;
    };
  };
  return { name, kind: 'editor', parameters, pure: false, ...options, build: built };
}
