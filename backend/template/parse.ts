// The text of a template to its tree; the part of Go's text/template that Prometheus' annotations
// and Alertmanager's messages use:
//
//   {{ pipe }}  {{ $x := pipe }}  {{ $x = pipe }}  {{/* comment */}}  {{- trims -}}
//   {{ if pipe }} … {{ else if pipe }} … {{ else }} … {{ end }}      the same with `with`
//   {{ range pipe }}  {{ range $i, $x := pipe }} … {{ else }} … {{ end }}   break, continue
//   pipe = command { "|" command }       command = operand { operand }
//   operand = "text" | `text` | 1.5 | true | nil | . | .Field.Field | $x.field | (pipe).Field
//           | function
//
// Names with dots need no `index`: of `$labels.host.name` the longest name that there is counts.
// `define`, `template` and `block` are refused, and so is a function that is not known.

import { closestWord } from '../../config/errors.ts';
import { FUNCTION_NAMES } from './functions.ts';
import { limits, TemplateError, type Command, type Operand, type Pipe, type TemplateNode,
  type Use } from './node.ts';
import { renderTemplate } from './render.ts';
import { cut, type Piece, type Token } from './tokens.ts';
import type { Template } from './template.ts';

export type ParsedTemplate =
  | { readonly ok: true; readonly template: Template; readonly uses: readonly Use[] }
  /** `at`: in characters of the text from 0. `hint`: what to write instead, or ''. */
  | { readonly ok: false; readonly why: string; readonly hint: string; readonly at: number };

/** Variables that Prometheus' templates have, and `$extra` of rules. */
const VARIABLES = ['labels', 'value', 'extra', 'externalLabels', 'externalURL'] as const;

/** `variables`: names, without the `$`, of what `render` is given. Never throws. */
export function parseTemplate(
  text: string,
  variables: readonly string[] = VARIABLES,
): ParsedTemplate {
  try {
    if (text.length > limits.charactersMax) {
      throw new TemplateError(`it has more than ${limits.charactersMax} characters`,
        limits.charactersMax);
    }
    const parser = new Parser(cut(text), variables);
    const nodes = parser.all();
    const { uses } = parser;
    const template = { text, render: (data: Parameters<Template['render']>[0]) =>
      renderTemplate(nodes, data) };
    return { ok: true, template, uses };
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    const [why, hint = ''] = error.message.split('; ', 2) as [string, string?];
    return { ok: false, why, hint, at: error.at };
  }
}

type Action = Piece & { type: 'action' };

const REFUSED: Readonly<Record<string, string>> = {
  define: 'write the text where it is used', template: 'write the text where it is used',
  block: 'write the text where it is used', query: 'make a rule of it',
};

class Parser {
  readonly uses: Use[] = [];
  private readonly pieces: readonly Piece[];
  private next = 0;
  private nodes = 0;
  private depth = 0;
  private loops = 0;
  private readonly variables: string[];
  private action!: Action;
  private at = 0;

  constructor(pieces: readonly Piece[], variables: readonly string[]) {
    this.pieces = pieces;
    this.variables = ['', ...variables];
  }

  all(): TemplateNode[] {
    const { nodes, stop } = this.list();
    if (stop !== null) {
      throw new TemplateError(`{{ ${stop} }} has no block to belong to`, this.action.at);
    }
    return nodes;
  }

  /** Up to the `else` or `end` of the block around, behind whose word it stands then. */
  private list(): { nodes: TemplateNode[]; stop: 'else' | 'end' | null } {
    const nodes: TemplateNode[] = [];
    while (this.next < this.pieces.length) {
      const piece = this.pieces[this.next]!;
      this.next += 1;
      this.count(piece.type === 'action' ? piece.at : 0);
      if (piece.type === 'text') {
        nodes.push(piece);
        continue;
      }
      this.action = piece;
      this.at = 0;
      const stop = this.keyword(['else', 'end']);
      if (stop !== null) return { nodes, stop };
      const node = this.node();
      if (node !== null) nodes.push(node);
    }
    return { nodes, stop: null };
  }

  private node(): TemplateNode | null {
    const { source, at } = this.action;
    const block = this.keyword(['if', 'with', 'range']);
    if (block !== null) return this.block(block, at, source);
    const jump = this.keyword(['break', 'continue']);
    if (jump !== null) {
      if (this.loops === 0) {
        throw new TemplateError(`{{ ${jump} }} stands outside of a range`, at);
      }
      this.expectEnd();
      return { type: jump };
    }
    const pipe = this.pipe(false);
    this.expectEnd();
    return { type: 'print', pipe, source };
  }

  private block(type: 'if' | 'with' | 'range', openAt: number, source: string): TemplateNode {
    const known = this.variables.length;
    this.deeper(openAt);
    const pipe = this.pipe(type === 'range');
    this.expectEnd();
    this.loops += type === 'range' ? 1 : 0;
    const { nodes: body, stop } = this.list();
    this.loops -= type === 'range' ? 1 : 0;
    if (stop === null) throw new TemplateError(`{{ ${type} }} has no {{ end }}`, openAt);
    const otherwise = stop === 'else' ? this.otherwise(type, openAt) : [];
    if (stop === 'end') this.expectEnd();
    this.depth -= 1;
    this.variables.length = known;
    return { type, pipe, source, body, otherwise };
  }

  private otherwise(type: 'if' | 'with' | 'range', openAt: number): TemplateNode[] {
    const { source } = this.action;
    const chained = type === 'range' ? null : this.keyword([type]);
    // The `end` of what follows an `else if` ends all of them.
    if (chained !== null) return [this.block(chained, openAt, source)];
    this.expectEnd();
    const { nodes, stop } = this.list();
    if (stop === null) throw new TemplateError(`{{ ${type} }} has no {{ end }}`, openAt);
    if (stop === 'else') throw this.error('there is a second {{ else }}');
    this.expectEnd();
    return nodes;
  }

  private pipe(isRange: boolean): Pipe {
    const { variables, isNew } = this.declared(isRange);
    const commands = [this.command()];
    while (this.takeSign('|')) {
      const command = this.command();
      if (command[0].type === 'value') {
        throw this.error('a value cannot be given another one; write a function behind the |');
      }
      commands.push(command);
    }
    if (isNew) this.variables.push(...variables);
    return { variables, isNew, commands: commands as [Command, ...Command[]] };
  }

  private declared(isRange: boolean): Pick<Pipe, 'variables' | 'isNew'> {
    const from = this.at;
    const names: string[] = [];
    const first = this.take('variable');
    if (first !== null) {
      names.push(first.text);
      if (isRange && this.takeSign(',')) names.push(this.expect('variable').text);
      const isNew = this.takeSign(':=');
      if (isNew || this.takeSign('=')) {
        if (!isNew) for (const name of names) this.checkVariable(name, first.at);
        return { variables: names, isNew };
      }
    }
    this.at = from;
    return { variables: [], isNew: false };
  }

  private command(): Command {
    const operands: Operand[] = [];
    for (let operand = this.operand(); operand !== null; operand = this.operand()) {
      operands.push(operand);
    }
    const [first, ...rest] = operands;
    if (first === undefined) throw this.error('something is missing here');
    if (rest.length > 0 && first.type === 'value') {
      throw this.error('a value cannot be given another one; write a function in front');
    }
    this.noteIndex(operands);
    return [first, ...rest];
  }

  /** `index $labels "host.name"` takes a label as `$labels.host.name` does. */
  private noteIndex([called, map, key]: readonly Operand[]): void {
    if (called?.type !== 'function' || called.name !== 'index') return;
    if (map?.type !== 'variable' || map.path.length > 0 || key?.type !== 'value') return;
    this.uses.push({ variable: map.name, path: [String(key.value)], at: this.action.at });
  }

  private operand(): Operand | null {
    this.skipBlanks();
    const token = this.peek();
    if (token.type === 'end') return null;
    this.count(token.at);
    this.at += 1;
    switch (token.type) {
      case 'text': return { type: 'value', value: token.text };
      case 'number': return { type: 'value', value: Number(token.text) };
      case 'field':
        this.at -= 1;
        return { type: 'dot', path: this.path() };
      case 'variable': return this.variable(token);
      case 'word': return this.word(token);
      default: return this.sign(token);
    }
  }

  private variable({ text: name, at }: Token): Operand {
    this.checkVariable(name, at);
    const path = this.path();
    this.uses.push({ variable: name, path, at });
    return { type: 'variable', name, path };
  }

  private word({ text: name, at }: Token): Operand {
    if (name === 'true' || name === 'false') return { type: 'value', value: name === 'true' };
    if (name === 'nil') return { type: 'value', value: null };
    if (FUNCTION_NAMES.includes(name)) return { type: 'function', name };
    const refused = REFUSED[name];
    if (refused !== undefined) {
      throw new TemplateError(`${name} is not supported; ${refused}`, at);
    }
    const closest = closestWord(name, FUNCTION_NAMES);
    throw new TemplateError(`there is no function ${name}`
      + (closest === null ? '' : `; did you mean ${closest}?`), at);
  }

  private sign(token: Token): Operand | null {
    if (token.text === '.') return { type: 'dot', path: [] };
    if (token.text === '(') {
      this.deeper(token.at);
      const pipe = this.pipe(false);
      if (!this.takeSign(')')) throw new TemplateError('a ( has no )', token.at);
      this.depth -= 1;
      return { type: 'pipe', pipe, path: this.path() };
    }
    this.at -= 1;
    if (token.text === '|' || token.text === ')') return null;
    throw new TemplateError(`${token.text} means nothing here`, token.at);
  }

  /** Fields that stand right behind; a blank ends them. */
  private path(): string[] {
    const path: string[] = [];
    while (this.peek().type === 'field') {
      path.push(this.peek().text);
      this.at += 1;
    }
    return path;
  }

  private checkVariable(name: string, at: number): void {
    if (this.variables.includes(name)) return;
    const closest = closestWord(name, this.variables.filter((one) => one !== ''));
    throw new TemplateError(`there is no variable $${name}`
      + (closest === null ? '' : `; did you mean $${closest}?`), at);
  }

  private keyword<K extends string>(words: readonly K[]): K | null {
    this.skipBlanks();
    const token = this.peek();
    const found = token.type === 'word' ? words.find((word) => word === token.text) : undefined;
    if (found === undefined) return null;
    this.at += 1;
    return found;
  }

  private take(type: Token['type']): Token | null {
    this.skipBlanks();
    const token = this.peek();
    if (token.type !== type) return null;
    this.at += 1;
    return token;
  }

  private takeSign(text: string): boolean {
    this.skipBlanks();
    const token = this.peek();
    if (token.type !== 'sign' || token.text !== text) return false;
    this.at += 1;
    return true;
  }

  private expect(type: 'variable'): Token {
    const token = this.take(type);
    if (token === null) throw this.error('the name of a variable is missing here');
    return token;
  }

  private expectEnd(): void {
    this.skipBlanks();
    const token = this.peek();
    if (token.type !== 'end') throw new TemplateError(`${token.text} is too much here`, token.at);
  }

  private skipBlanks(): void {
    while (this.peek().type === 'blank') this.at += 1;
  }

  private peek(): Token {
    return this.action.tokens[this.at]!;
  }

  private count(at: number): void {
    this.nodes += 1;
    if (this.nodes > limits.nodesMax) throw new TemplateError('it is too long', at);
  }

  private deeper(at: number): void {
    this.depth += 1;
    if (this.depth > limits.depthMax) throw new TemplateError('it is too deep', at);
  }

  private error(message: string): TemplateError {
    return new TemplateError(message, this.action.tokens[this.at]?.at ?? this.action.at);
  }
}
