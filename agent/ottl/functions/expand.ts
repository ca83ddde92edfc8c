// Replacements as Go's regexp.Expand reads them: `$1`, `$name`, `${1}`, `${name}` are groups, `$$`
// is a dollar sign. A name is as long as it can be: `$1x` is the group `1x`. A group that is not
// there is empty.

/** What a replacement becomes for one match; `found` are the arguments of String.replace. */
export type Expansion = (found: readonly unknown[]) => string;

const limits = {
  /** Replacements are few, but may come from records; when there are more, all are forgotten. */
  known: 128,
};

const known = new Map<string, Expansion>();

export function expandReplacement(replacement: string): Expansion {
  const found = known.get(replacement);
  if (found !== undefined) return found;
  if (known.size >= limits.known) known.clear();
  const expansion = parse(replacement);
  known.set(replacement, expansion);
  return expansion;
}

function parse(replacement: string): Expansion {
  if (!replacement.includes('$')) return () => replacement;
  const pieces: (string | { readonly group: string })[] = [];
  let rest = 0;
  for (const match of replacement.matchAll(/\$(?:\$|(\w+)|\{(\w+)\})/g)) {
    pieces.push(replacement.slice(rest, match.index));
    const group = match[1] ?? match[2];
    pieces.push(group === undefined ? '$' : { group });
    rest = match.index + match[0].length;
  }
  pieces.push(replacement.slice(rest));
  return (found) => pieces.map((piece) =>
    (typeof piece === 'string' ? piece : groupOf(found, piece.group))).join('');
}

function groupOf(found: readonly unknown[], group: string): string {
  if (/^\d+$/.test(group)) {
    // Behind the groups stand the place of the match, a number, and the whole text.
    const groupCount = found.findIndex((one) => typeof one === 'number');
    const value = Number(group) < groupCount ? found[Number(group)] : undefined;
    return typeof value === 'string' ? value : '';
  }
  const named = found.at(-1);
  return typeof named === 'object' && named !== null
    ? (named as Record<string, string | undefined>)[group] ?? '' : '';
}
