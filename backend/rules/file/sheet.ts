// A rule file while it is read: where things stand in it, and what was found wrong.

import type { ConfigPath, ConfigProblem, Position } from '../../../config/errors.ts';
import { problemAt, valueAt } from '../../../config/parse.ts';
import type { Source } from '../../../config/source.ts';
import type { ConfigTree } from '../../../config/tree.ts';

export interface Mistake {
  readonly why: string;
  readonly hint: string;
  readonly part?: 'key' | 'value';
  /** Where in the text that is the value, in characters from 0. */
  readonly offset?: number;
}

export class Sheet {
  readonly problems: ConfigProblem[] = [];
  readonly tree: ConfigTree;
  private readonly source: Source;
  readonly lines: readonly string[];

  constructor(source: Source, tree: ConfigTree) {
    this.source = source;
    this.tree = tree;
    this.lines = source.text.split('\n');
  }

  report(path: ConfigPath, { why, hint, part = 'value', offset = 0 }: Mistake): void {
    const problem = problemAt(this.tree, path, { why, hint, part });
    // What was left out stands nowhere: the file is to blame, at its beginning.
    const placed = problem.line === 0 ? { ...problem, file: this.source.file, line: 1, column: 1 }
      : problem;
    this.problems.push(offset > 0 ? this.moved(placed, path, offset) : placed);
  }

  where(path: ConfigPath): Position {
    return this.tree.where(path) ?? { file: this.source.file, line: 1, column: 1 };
  }

  /** Whether somebody wrote the key. */
  has(path: ConfigPath, key: string): boolean {
    return this.tree.keysAt(path).includes(key);
  }

  /**
   * To a character of a text, where it stands in one line as it is; else the sentence says how far
   * inside it is.
   */
  private moved(problem: ConfigProblem, path: ConfigPath, offset: number): ConfigProblem {
    const value = valueAt(this.tree.value, path);
    const line = this.lines[problem.line - 1] ?? '';
    const start = problem.column - 1;
    const quote = /["']/.test(line.charAt(start)) ? 1 : 0;
    if (typeof value === 'string' && line.startsWith(value, start + quote)) {
      return { ...problem, column: problem.column + quote + offset };
    }
    return { ...problem, why: `${problem.why} (at character ${offset + 1} of it)` };
  }
}
