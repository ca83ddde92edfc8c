// `${…}` in a value, as the OpenTelemetry Collector reads it:
//
//   ${env:NAME}             the variable; an error when it is not set
//   ${env:NAME:-default}    the default when it is not set (an empty variable is set)
//   ${NAME}                 the same as ${env:NAME}
//   $$                      one dollar sign
//
// A default may hold `${…}` again. What a variable holds is never looked into: it is a value, not a
// template. A dollar sign before anything else stands for itself.

import { isMap, isScalar, parseDocument } from 'yaml';

export type Environment = Readonly<Record<string, string | undefined>>;

export type Substituted =
  /** `whole`: the text was one single `${…}`, so the result may be more than a text. */
  | { readonly ok: true; readonly text: string; readonly whole: boolean }
  | { readonly ok: false; readonly why: string; readonly hint: string };

/** A default within a default … beyond this is a mistake. */
const DEPTH_MAX = 8;
const NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

export function substitute(text: string, env: Environment, depth = 0): Substituted {
  if (depth > DEPTH_MAX) return failed('${…} within ${…} is too deep', 'write it more simply');
  let result = '';
  let position = 0;
  let whole = false;
  while (position < text.length) {
    const dollar = text.indexOf('$', position);
    if (dollar === -1) break;
    result += text.slice(position, dollar);
    position = dollar + 2;
    const next = text[dollar + 1];
    if (next === '{') {
      const end = closingBrace(text, dollar + 2);
      if (end === -1) return failed('a ${ is not closed', 'add the }, or write $$ for a dollar');
      const value = variable(text.slice(dollar + 2, end), env, depth);
      if (!value.ok) return value;
      result += value.text;
      position = end + 1;
      whole = dollar === 0 && position === text.length;
    } else {
      result += '$';
      if (next !== '$') position = dollar + 1;
    }
  }
  return { ok: true, text: result + text.slice(position), whole };
}

/**
 * What YAML makes of the text of a variable: `8080` is a number, `[a, b]` a list. Text stays as it
 * is, to the last character: `pass #1` is not cut at what would be a comment.
 */
export function typedValue(text: string): unknown {
  const document = parseDocument(text, { logLevel: 'silent', prettyErrors: false });
  const { contents } = document;
  if (document.errors.length > 0 || document.warnings.length > 0) return text;
  if (contents === null || isScalar(contents)) {
    const value: unknown = contents?.value ?? null;
    if (value === null) return text === '' || /^(~|null)$/i.test(text) ? null : text;
    const quoted = contents?.type === 'QUOTE_DOUBLE' || contents?.type === 'QUOTE_SINGLE';
    return typeof value === 'string' && !quoted ? text : value;
  }
  // `user: name` is more likely a text than a map of one key; a map is written with braces.
  if (isMap(contents) && contents.flow !== true) return text;
  try {
    return document.toJS() as unknown;
  } catch {
    return text;
  }
}

function variable(expression: string, env: Environment, depth: number): Substituted {
  const [reference, fallback] = cut(expression, ':-');
  const [scheme, name] = reference.includes(':') ? cut(reference, ':') : ['env', reference];
  if (scheme !== 'env') {
    return failed(`\${${scheme}:…} is not known`, 'write ${env:NAME} or ${env:NAME:-default}');
  }
  if (name === undefined || !NAME.test(name)) {
    return failed('${…} does not hold the name of a variable',
      'write ${env:NAME}, or $${ for the characters ${');
  }
  const value = Object.hasOwn(env, name) ? env[name] : undefined;
  if (value !== undefined) return { ok: true, text: value, whole: false };
  if (fallback !== undefined) return substitute(fallback, env, depth + 1);
  return failed(`the environment variable ${name} is not set`,
    `set it, or write \${env:${name}:-default}`);
}

function closingBrace(text: string, start: number): number {
  let open = 1;
  for (let index = start; index < text.length; index++) {
    if (text[index] === '{') open++;
    if (text[index] === '}' && --open === 0) return index;
  }
  return -1;
}

function cut(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

const failed = (why: string, hint: string): Substituted => ({ ok: false, why, hint });
