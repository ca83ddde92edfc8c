// Fills in a template. Nothing of it throws, and time and memory are within `limits`: what cannot
// be filled in stays as it was written, so that whoever reads the message sees what is wrong; what
// is too long is cut.
//
// A label that is not there is '', as with Prometheus.

import { TemplateFailure } from './failure.ts';
import { callFunction } from './functions.ts';
import type { Command, Operand, Pipe, TemplateNode } from './node.ts';
import type { TemplateData } from './template.ts';
import { fieldOf, isTrue, keyed, textOf } from './values.ts';

export const limits = {
  /** Characters of what comes out; the rest is left out, and `…` says so. */
  outputCharactersMax: 64 * 1024,
  /** Nodes and calls; what is left to do after them is left out, and `…` says so. */
  stepsMax: 20_000,
} as const;

export function renderTemplate(nodes: readonly TemplateNode[], data: TemplateData): string {
  return new Rendering(data).run(nodes);
}

/** The output or the steps are used up. */
class Exhausted extends Error {}

type Print = Extract<TemplateNode, { type: 'print' }>;
type Block = Extract<TemplateNode, { body: unknown }>;

/** What a list of nodes ended with. */
type Ending = 'break' | 'continue' | null;

class Rendering {
  private output = '';
  private steps = 0;
  private readonly data: TemplateData;
  /** The innermost last. */
  private readonly variables: [name: string, value: unknown][];

  constructor(data: TemplateData) {
    this.data = data;
    this.variables = [['', data.dot], ...Object.entries(data.variables)];
  }

  run(nodes: readonly TemplateNode[]): string {
    try {
      this.list(nodes, this.data.dot);
    } catch (error) {
      if (!(error instanceof Exhausted)) throw error;
      this.output += '…';
    }
    return this.output;
  }

  private list(nodes: readonly TemplateNode[], dot: unknown): Ending {
    for (const node of nodes) {
      const ending = this.node(node, dot);
      if (ending !== null) return ending;
    }
    return null;
  }

  private node(node: TemplateNode, dot: unknown): Ending {
    this.step();
    switch (node.type) {
      case 'text':
        this.write(node.text);
        return null;
      case 'break':
      case 'continue': return node.type;
      default: return this.action(node, dot);
    }
  }

  /** What fails is written as it stands there; a block that fails is left out but for its head. */
  private action(node: Block | Print, dot: unknown): Ending {
    const known = this.variables.length;
    let value: unknown;
    try {
      value = this.pipe(node.pipe, dot, node.type === 'range');
    } catch (error) {
      if (!(error instanceof TemplateFailure)) throw error;
      this.write(node.source);
      return null;
    }
    if (node.type === 'print') {
      if (node.pipe.variables.length === 0) this.write(textOf(value));
      return null;
    }
    const ending = node.type === 'range' ? this.range(node, value, dot)
      : isTrue(value) ? this.list(node.body, node.type === 'with' ? value : dot)
        : this.list(node.otherwise, dot);
    this.variables.length = known;
    return ending;
  }

  private range(node: Block, value: unknown, dot: unknown): Ending {
    const items = keyed(value);
    if (items.length === 0) return this.list(node.otherwise, dot);
    const known = this.variables.length;
    const { variables: [first, second], isNew } = node.pipe;
    for (const [key, item] of items) {
      this.step();
      const pairs: [string | undefined, unknown][] = second === undefined ? [[first, item]]
        : [[first, key], [second, item]];
      for (const [name, one] of pairs) if (name !== undefined) this.assign(name, one, isNew);
      const ending = this.list(node.body, item);
      this.variables.length = known;
      if (ending === 'break') break;
    }
    return null;
  }

  private pipe(pipe: Pipe, dot: unknown, isRange = false): unknown {
    let last: readonly unknown[] = [];
    for (const command of pipe.commands) last = [this.command(command, dot, last)];
    const [value] = last;
    if (!isRange) for (const name of pipe.variables) this.assign(name, value, pipe.isNew);
    return value;
  }

  private assign(name: string, value: unknown, isNew: boolean): void {
    const known = isNew ? undefined : this.variables.findLast(([one]) => one === name);
    if (known === undefined) this.variables.push([name, value]);
    else known[1] = value;
  }

  /** `last` is what the pipe gave before; it becomes the last argument. */
  private command([first, ...rest]: Command, dot: unknown, last: readonly unknown[]): unknown {
    this.step();
    if (first.type === 'function' && (first.name === 'and' || first.name === 'or')) {
      return this.shortCircuit(first.name, rest, dot, last);
    }
    const args = () => [...rest.map((operand) => this.operand(operand, dot)), ...last];
    if (first.type === 'function') return this.call(first.name, args());
    const takesArgs = rest.length > 0 || last.length > 0;
    return takesArgs ? this.method(first, dot, args()) : this.operand(first, dot);
  }

  private shortCircuit(name: 'and' | 'or', rest: readonly Operand[], dot: unknown,
    last: readonly unknown[]): unknown {
    let value: unknown = last[0];
    for (const operand of rest) {
      value = this.operand(operand, dot);
      if (isTrue(value) === (name === 'or')) return value;
    }
    return last.length > 0 ? last[0] : value;
  }

  private call(name: string, args: readonly unknown[]): unknown {
    const value = callFunction(name, args, this.data.variables);
    // What a text grows to counts, so that a loop cannot double it again and again.
    const size = typeof value === 'string' ? value.length : 0;
    if (size > limits.outputCharactersMax) throw new Exhausted();
    this.steps += size >> 8;
    return value;
  }

  /** A field that is given arguments: `.Labels.Remove (stringSlice "a")`. */
  private method(operand: Operand, dot: unknown, args: readonly unknown[]): unknown {
    if (operand.type === 'value' || operand.type === 'function' || operand.path.length === 0) {
      throw new TemplateFailure('this is no function');
    }
    const owner = this.operand({ ...operand, path: operand.path.slice(0, -1) }, dot);
    return fieldOf(owner, [operand.path.at(-1)!], args);
  }

  private operand(operand: Operand, dot: unknown): unknown {
    this.step();
    switch (operand.type) {
      case 'value': return operand.value;
      case 'function': return this.call(operand.name, []);
      case 'dot': return fieldOf(dot, operand.path);
      case 'variable': {
        const found = this.variables.findLast(([name]) => name === operand.name);
        return fieldOf(found?.[1], operand.path);
      }
      case 'pipe': return fieldOf(this.pipe(operand.pipe, dot), operand.path);
    }
  }

  private write(text: string): void {
    const left = limits.outputCharactersMax - this.output.length;
    this.output += text.length > left ? text.slice(0, left) : text;
    if (text.length > left) throw new Exhausted();
  }

  private step(): void {
    this.steps += 1;
    if (this.steps > limits.stepsMax) throw new Exhausted();
  }
}
