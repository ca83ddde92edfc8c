// The name that somebody meant: for messages, so a wrong guess does no harm.

const limits = {
  /** A longer name is compared by its beginning. */
  characters: 64,
  /** More changes than a third of the name, or than this, are another name. */
  changesMax: 4,
} as const;

/** The name of `names` that is closest to `name`; null when none is close. */
export function nearest(name: string, names: Iterable<string>): string | null {
  const wanted = name.slice(0, limits.characters).toLowerCase();
  let best: string | null = null;
  let bestChanges = Math.min(limits.changesMax, Math.ceil(wanted.length / 3)) + 1;
  for (const candidate of names) {
    const known = candidate.toLowerCase();
    if (Math.abs(known.length - wanted.length) >= bestChanges) continue;
    const changes = distance(wanted, known);
    if (changes < bestChanges) {
      best = candidate;
      bestChanges = changes;
    }
  }
  return best;
}

/** Single characters put in, left out, changed, or swapped with the next. */
function distance(left: string, right: string): number {
  const rows = [Array.from({ length: right.length + 1 }, (_, index) => index)];
  for (let row = 1; row <= left.length; row += 1) {
    const above = rows[row - 1]!;
    const here = [row];
    for (let column = 1; column <= right.length; column += 1) {
      const same = left[row - 1] === right[column - 1];
      const swapped = left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
      const swap = swapped ? rows[row - 2]![column - 2]! + 1 : Infinity;
      here.push(Math.min(above[column]! + 1, here[column - 1]! + 1,
        above[column - 1]! + (same ? 0 : 1), swap));
    }
    rows.push(here);
  }
  return rows.at(-1)!.at(-1)!;
}
