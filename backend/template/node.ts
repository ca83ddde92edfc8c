// What a template is once it was read: a tree that is walked for each rendering.
//
// Invariants of a tree: it is within `limits`, every function is known, and every variable is
// defined where it is used.

export const limits = {
  /** Characters of a template; a longer one is refused. */
  charactersMax: 64 * 1024,
  /** Actions and operands; more are refused. */
  nodesMax: 5000,
  /** Blocks and brackets inside each other; more are refused. */
  depthMax: 32,
} as const;

export type TemplateNode =
  | { readonly type: 'text'; readonly text: string }
  /** `source` is the action as it was written, braces included. */
  | { readonly type: 'print'; readonly pipe: Pipe; readonly source: string }
  | { readonly type: 'if' | 'with' | 'range'; readonly pipe: Pipe; readonly source: string;
      readonly body: readonly TemplateNode[]; readonly otherwise: readonly TemplateNode[] }
  | { readonly type: 'break' | 'continue' };

/** `a | b | c`, of which the value goes to variables when there are any. */
export interface Pipe {
  readonly variables: readonly string[];
  /** `:=` makes new variables, `=` changes those that there are. */
  readonly isNew: boolean;
  readonly commands: readonly [Command, ...Command[]];
}

/** A function or a field with its arguments, or one value. */
export type Command = readonly [Operand, ...Operand[]];

export type Operand =
  | { readonly type: 'value'; readonly value: string | number | boolean | null }
  | { readonly type: 'function'; readonly name: string }
  /** The dot, a variable (without its `$`), or a pipe in brackets, and fields of it. */
  | { readonly type: 'dot'; readonly path: readonly string[] }
  | { readonly type: 'variable'; readonly name: string; readonly path: readonly string[] }
  | { readonly type: 'pipe'; readonly pipe: Pipe; readonly path: readonly string[] };

/** What a template takes from a variable, for those who know what there is. */
export interface Use {
  readonly variable: string;
  /** Fields behind it: `['service']` of `$labels.service`; or the key of `index $labels "x"`. */
  readonly path: readonly string[];
  /** In characters of the template from 0. */
  readonly at: number;
}

/** What is wrong with a template, for its author. */
export class TemplateError extends Error {
  /** In characters of the template from 0. */
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.name = 'TemplateError';
    this.at = at;
  }
}
