// Cuts a template into texts and actions, and an action into its words. As in Go's text/template:
// `{{-` and `-}}` take the blanks of the neighbouring text with them, `{{/* … */}}` is nothing.

import { TemplateError } from './node.ts';

export type Piece =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'action'; readonly at: number; readonly source: string;
      readonly tokens: readonly Token[] };

export interface Token {
  readonly type: 'word' | 'variable' | 'field' | 'text' | 'number' | 'sign' | 'blank' | 'end';
  /** The name of a word, variable (without `$`) or field (without the dot); the sign; the text. */
  readonly text: string;
  readonly at: number;
}

/** Throws TemplateError. */
export function cut(text: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  let trims = false;
  while (at < text.length) {
    const open = text.indexOf('{{', at);
    const end = open === -1 ? text.length : open;
    const trimsLeft = open !== -1 && /^\{\{-\s/.test(text.slice(open, open + 4));
    let plain = text.slice(at, end);
    if (trims) plain = plain.trimStart();
    if (trimsLeft) plain = plain.trimEnd();
    if (plain !== '') pieces.push({ type: 'text', text: plain });
    if (open === -1) break;
    const inside = open + (trimsLeft ? 3 : 2);
    const action = actionAt(text, open, inside);
    trims = action.trims;
    at = action.end;
    if (action.tokens === null) continue;
    pieces.push({ type: 'action', at: open, source: text.slice(open, at), tokens: action.tokens });
  }
  return pieces;
}

interface CutAction {
  /** Null for a comment. */
  readonly tokens: readonly Token[] | null;
  readonly end: number;
  readonly trims: boolean;
}

const COMMENT = /\s*\/\*[\s\S]*?\*\/(\s+-)?\s*\}\}/y;

function actionAt(text: string, open: number, inside: number): CutAction {
  COMMENT.lastIndex = inside;
  const comment = COMMENT.exec(text);
  if (comment !== null) {
    return { tokens: null, end: COMMENT.lastIndex, trims: comment[1] !== undefined };
  }
  const tokens: Token[] = [];
  let at = inside;
  for (;;) {
    if (at >= text.length) throw new TemplateError('a {{ has no }}', open);
    const close = /^(?:\s-)?\}\}/.exec(text.slice(at, at + 4))?.[0];
    if (close !== undefined) {
      const end = at + close.length;
      tokens.push({ type: 'end', text: close, at });
      return { tokens, end, trims: close.includes('-') };
    }
    const token = tokenAt(text, at);
    at += token.length;
    tokens.push(token.token);
  }
}

interface CutToken {
  readonly token: Token;
  readonly length: number;
}

const PATTERNS: ReadonlyArray<readonly [type: Token['type'], pattern: RegExp]> = [
  ['blank', /\s+(?!\s*-\}\})|\s(?=\s+-\}\})/y],
  ['number', /[+-]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/y],
  ['variable', /\$[\p{L}\p{N}_]*/uy],
  ['field', /\.[\p{L}_][\p{L}\p{N}_]*/uy],
  ['word', /[\p{L}_][\p{L}\p{N}_]*/uy],
  ['sign', /:=|[=|(),.]/y],
];

function tokenAt(text: string, at: number): CutToken {
  const first = text[at]!;
  if (first === '"' || first === '`' || first === "'") return quoted(text, at);
  for (const [type, pattern] of PATTERNS) {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found === undefined) continue;
    const name = type === 'variable' || type === 'field' ? found.slice(1) : found;
    return { token: { type, text: name, at }, length: found.length };
  }
  throw new TemplateError(`${first} means nothing here`, at);
}

function quoted(text: string, at: number): CutToken {
  const pattern = QUOTED[text[at]!]!;
  pattern.lastIndex = at;
  const found = pattern.exec(text)?.[0];
  if (found === undefined) throw new TemplateError('a text has no end', at);
  const inside = found.slice(1, -1);
  const value = found.startsWith('`') ? inside : unescaped(inside, at);
  if (!found.startsWith("'")) return { token: { type: 'text', text: value, at },
    length: found.length };
  if ([...value].length !== 1) throw new TemplateError("a text stands in \", and not in '", at);
  const code = String(value.codePointAt(0));
  return { token: { type: 'number', text: code, at }, length: found.length };
}

const QUOTED: Readonly<Record<string, RegExp>> = {
  '"': /"(?:[^"\\\n]|\\.)*"/y, '`': /`[^`]*`/y, "'": /'(?:[^'\\\n]|\\.)*'/y,
};

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', f: '\f', v: '\v', '\\': '\\', '"': '"', "'": "'",
};

const ESCAPE = /\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)/gu;

/** As Go's strconv.Unquote. */
function unescaped(inside: string, at: number): string {
  return inside.replace(ESCAPE, (_, escape: string) => {
    if (escape.length === 1) {
      const found = ESCAPES[escape];
      if (found === undefined) throw new TemplateError(`\\${escape} means nothing here`, at);
      return found;
    }
    const isOctal = /^\d/.test(escape);
    const code = isOctal ? Number.parseInt(escape, 8) : Number.parseInt(escape.slice(1), 16);
    if (code > 0x10ffff) throw new TemplateError(`\\${escape} is no character`, at);
    return String.fromCodePoint(code);
  });
}
