// The tree of a search as text again, such that `parseSearch` makes the same tree of it: for links,
// and for what was built with the mouse.

import type { SearchNode, SearchTest } from './node.ts';

export function printSearch(node: SearchNode): string {
  switch (node.type) {
    case 'all': return '*';
    case 'not': return `NOT ${inBrackets(node.part, ['and', 'or'])}`;
    case 'and': return node.parts.map((part) => inBrackets(part, ['or'])).join(' ');
    case 'or': return node.parts.map(printSearch).join(' OR ');
    default: {
      const value = printTest(node.test);
      return node.field === '' ? value : `${printName(node.field)}:${value}`;
    }
  }
}

function inBrackets(node: SearchNode, types: readonly string[]): string {
  const text = printSearch(node);
  return types.includes(node.type) ? `(${text})` : text;
}

/** What may have a `\` in front in a word, but for what needs none. */
const SIGN = /(?![_.@$])[\s\p{P}\p{S}]/gu;

const printName = (name: string): string => name.replace(SIGN, '\\$&');

function printTest(test: SearchTest): string {
  switch (test.kind) {
    case 'exists': return '*';
    case 'text': return printText(test.text);
    // What has a `\` already keeps it.
    case 'wildcard': return test.pattern.replace(/\\.|(?![_.*?])[\s\p{P}\p{S}]/gsu, (one) =>
      (one.length > 1 && one.startsWith('\\') ? one : `\\${one}`));
    case 'regex': return `/${test.source}/${test.ignoresCase ? 'i' : ''}`;
    default: {
      const { from, to } = test;
      if (from !== null && to !== null) {
        return `${from.inclusive ? '[' : '{'}${quoted(from.value)} TO ${quoted(to.value)}`
          + `${to.inclusive ? ']' : '}'}`;
      }
      const [sign, bound] = from === null ? ['<', to!] : ['>', from];
      return `${sign}${bound.inclusive ? '=' : ''}${printText(bound.value)}`;
    }
  }
}

const printText = (text: string): string =>
  (/^[\p{L}\p{N}_][\p{L}\p{N}_.-]*$/u.test(text) && !/^(?:AND|OR|NOT|TO)$/.test(text)
    ? text : quoted(text));

const quoted = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;
