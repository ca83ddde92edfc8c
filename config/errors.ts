// What is wrong with a configuration, told so that a person can mend it: which file, line and
// column, which key, why, and what to do. Values are never part of a sentence: any of them may be a
// secret that stands in the wrong place, and the position says where to look.

import { OperatorError } from '../runtime/errors.ts';

/** Keys and list indexes from the root of the configuration to one value. */
export type ConfigPath = readonly (string | number)[];

export interface Position {
  /** A file, or the name of the environment variable that the value came from. */
  readonly file: string;
  /** From 1; 0 when `file` is not a file. */
  readonly line: number;
  /** From 1, in UTF-16 units; 0 when `file` is not a file. */
  readonly column: number;
}

export interface ConfigProblem extends Position {
  /** As `formatPath` writes it; '' when it is about the whole. */
  readonly path: string;
  /** What is wrong, without a full stop: `unknown key`. */
  readonly why: string;
  /** What to do, or ''. */
  readonly hint: string;
}

/** A configuration that cannot be used. `problems` holds all that were found, in file order. */
export class ConfigError extends OperatorError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const sorted = sortProblems(problems);
    const count = sorted.length === 1 ? '1 problem' : `${sorted.length} problems`;
    super(`cannot use the configuration: ${count}\n${describeProblems(sorted)}`, '');
    this.name = 'ConfigError';
    this.problems = sorted;
  }
}

/** One line for each problem: `agent.yaml:12:5: receivers.otlp.protocls: unknown key; …`. */
export function describeProblems(problems: readonly ConfigProblem[]): string {
  return problems.map(describeProblem).join('\n');
}

export function describeProblem({ file, line, column, path, why, hint }: ConfigProblem): string {
  const where = line === 0 ? file : `${file}:${line}:${column}`;
  const parts = [where, path, hint === '' ? why : `${why}; ${hint}`];
  return parts.filter((part) => part !== '').join(': ');
}

/** `['receivers', 'otlp', 'list', 0]` → `receivers.otlp.list[0]`. */
export function formatPath(path: ConfigPath): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? part : `${text}.${part}`;
  }, '');
}

/** `did you mean "x"? Known: a, b, c`, or what of it can be said. */
export function knownHint(
  word: string,
  known: readonly string[],
  label: 'known' | 'defined' = 'known',
): string {
  if (known.length === 0) return 'no key is known here';
  const LISTED_MAX = 30; // A longer list says how many more there are.
  const sorted = [...known].sort();
  const listed = sorted.slice(0, LISTED_MAX).join(', ');
  const rest = sorted.length > LISTED_MAX ? ` and ${sorted.length - LISTED_MAX} more` : '';
  const closest = closestWord(word, known);
  if (closest === null) return `${label}: ${listed}${rest}`;
  const capital = label.charAt(0).toUpperCase() + label.slice(1);
  return `did you mean "${closest}"? ${capital}: ${listed}${rest}`;
}

/** The known word that `word` was most likely meant to be, or null when none is near. */
export function closestWord(word: string, known: readonly string[]): string | null {
  const WORD_LENGTH_MAX = 100; // Longer words are no typing mistake and would cost time.
  if (word.length > WORD_LENGTH_MAX) return null;
  const plain = simplify(word);
  let closest: string | null = null;
  let least = Math.max(1, Math.floor(plain.length / 3)) + 1;
  for (const candidate of known) {
    if (candidate.length > WORD_LENGTH_MAX) continue;
    const distance = editDistance(plain, simplify(candidate));
    if (distance >= least) continue;
    least = distance;
    closest = candidate;
  }
  return closest;
}

function sortProblems(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  // Files stay in the order in which they were given.
  const files = [...new Set(problems.map((problem) => problem.file))];
  return [...problems].sort((a, b) =>
    files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column);
}

/** `maxRecvMsgSize`, `max-recv-msg-size` and `max_recv_msg_size` are the same mistake apart. */
function simplify(word: string): string {
  return word.toLowerCase().replace(/[-_ .]/g, '');
}

/** Insertions, deletions, replacements and swaps of neighbours between two short words. */
function editDistance(source: string, target: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: target.length + 1 }, (_, index) => index);
  for (let row = 1; row <= source.length; row++) {
    const current = [row];
    for (let column = 1; column <= target.length; column++) {
      const same = source[row - 1] === target[column - 1];
      let cost = Math.min(
        last[column]! + 1,
        current[column - 1]! + 1,
        last[column - 1]! + (same ? 0 : 1),
      );
      const swapped = row > 1 && column > 1
        && source[row - 1] === target[column - 2] && source[row - 2] === target[column - 1];
      if (swapped) cost = Math.min(cost, beforeLast[column - 2]! + 1);
      current.push(cost);
    }
    beforeLast = last;
    last = current;
  }
  return last[target.length]!;
}
