// What came out against what was expected, told so that a person sees the difference.

/** Lines of a document that are compared one by one; longer ones are shown whole. */
const LINES_MAX = 2000;

/** Empty when each line is the same JSON as its counterpart. */
export function differences(expected: readonly string[], got: readonly string[]): string[] {
  const told: string[] = [];
  for (let at = 0; at < Math.max(expected.length, got.length); at++) {
    const [want, have] = [pretty(expected[at]), pretty(got[at])];
    if (want.join('\n') === have.join('\n')) continue;
    const what = got[at] === undefined ? 'is missing' : expected[at] === undefined
      ? 'was not expected' : 'differs';
    told.push(`line ${at + 1} ${what}:`, ...changes(want, have).map((line) => `  ${line}`));
  }
  return told;
}

function pretty(line: string | undefined): string[] {
  if (line === undefined) return [];
  try {
    return JSON.stringify(sorted(JSON.parse(line)), null, 2).split('\n');
  } catch {
    return [line];
  }
}

/** The order of keys means nothing. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => [key, sorted(inner)]));
}

const CONTEXT = 2; // Lines that are the same, around those that are not.

/** `- ` expected, `+ ` what came; the longest common part stays. */
function changes(want: readonly string[], have: readonly string[]): string[] {
  if (want.length > LINES_MAX || have.length > LINES_MAX) {
    return [...want.map((line) => `- ${line}`), ...have.map((line) => `+ ${line}`)];
  }
  const lengths = want.map(() => new Uint16Array(have.length + 1));
  lengths.push(new Uint16Array(have.length + 1));
  for (let a = want.length - 1; a >= 0; a--) {
    for (let b = have.length - 1; b >= 0; b--) {
      lengths[a]![b] = want[a] === have[b] ? lengths[a + 1]![b + 1]! + 1
        : Math.max(lengths[a + 1]![b]!, lengths[a]![b + 1]!);
    }
  }
  const lines: string[] = [];
  let [a, b] = [0, 0];
  while (a < want.length || b < have.length) {
    if (a < want.length && b < have.length && want[a] === have[b]) {
      lines.push(`  ${want[a]}`);
      a += 1;
      b += 1;
      continue;
    }
    const wanted = a < want.length && (b >= have.length
      || lengths[a + 1]![b]! >= lengths[a]![b + 1]!);
    if (wanted) {
      lines.push(`- ${want[a++]}`);
    } else {
      lines.push(`+ ${have[b++]}`);
    }
  }
  const near = (at: number) => lines.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1)
    .some((line) => !line.startsWith('  '));
  return lines.flatMap((line, at) => (near(at) ? [line] : near(at - 1) ? ['  …'] : []));
}
