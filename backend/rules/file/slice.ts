// The lines of a file that are one entry of a list, as the person wrote them.

import type { Position } from '../../../config/errors.ts';

/**
 * `lines` of the whole text. From the position on: the rest of its line, and the lines behind it
 * that are indented at least as far, without that indentation. Empty lines and comments at the end
 * do not belong to it.
 */
export function sliceAt(lines: readonly string[], { line, column }: Position): string {
  const indent = column - 1;
  const first = lines[line - 1]?.slice(indent) ?? '';
  const rest: string[] = [];
  for (let index = line; index < lines.length; index += 1) {
    const next = lines[index]!;
    const own = next.length - next.trimStart().length;
    if (next.trim() !== '' && own < indent) break;
    rest.push(next.slice(indent));
  }
  while (/^\s*(#.*)?$/.test(rest.at(-1) ?? 'x')) rest.pop();
  return [first, ...rest].join('\n').trimEnd();
}
