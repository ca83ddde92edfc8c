// Which devices, interfaces, file systems or processes are looked at, by name.

import { parsePattern } from '../../../config/pattern.ts';

export interface NameFilter {
  readonly names: readonly string[];
  /** `strict`: the whole name; `regexp`: an expression that is found anywhere in the name. */
  readonly matchType: 'strict' | 'regexp';
}

export type Accepts = (name: string) => boolean;

/** Accepts what `include` names (everything if it is absent) and `exclude` does not. */
export function createFilter(include?: NameFilter, exclude?: NameFilter): Accepts {
  const included = include === undefined ? () => true : matcher(include);
  const excluded = exclude === undefined ? () => false : matcher(exclude);
  return (name) => included(name) && !excluded(name);
}

function matcher({ names, matchType }: NameFilter): Accepts {
  if (matchType === 'strict') {
    const known = new Set(names);
    return (name) => known.has(name);
  }
  const patterns = names.map((name) => parsePattern(name)!);
  return (name) => patterns.some((one) => one.test(name));
}
