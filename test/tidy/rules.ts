// The house rules as pure functions over the tracked files: each takes the tree and returns one
// sentence per breach, beginning with `path:line:`. test/tidy.test.ts holds the tree to them, and
// each rule to an example of what it must catch.

import { posix } from 'node:path';

export interface SourceFile {
  /** Relative to the project, with `/`. */
  readonly path: string;
  readonly text: string;
}

/** Sizes that may not be passed; `EXCEPTIONS` in the test lists today's breaches, to shrink. */
export const LIMITS = { fileLines: 400, testFileLines: 600, functionLines: 70, columns: 100 };

const ROOMS = ['runtime', 'proto', 'config', 'agent', 'backend'];

/** What each room may import of ours. `test` and `binnacle.ts` may import everything. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  runtime: ['runtime'],
  proto: ['runtime', 'proto'],
  config: ['runtime', 'config'],
  agent: ['runtime', 'proto', 'config', 'agent'],
  backend: ['runtime', 'proto', 'config', 'backend'],
};

/** Component kinds whose members never import each other. */
const KINDS = ['receivers', 'processors', 'exporters', 'connectors', 'extensions']
  .map((kind) => `agent/${kind}`);

const roomOf = (path: string): string => path.split('/')[0]!;
const isSource = ({ path }: SourceFile): boolean =>
  path.endsWith('.ts') && ROOMS.includes(roomOf(path));
const isCode = ({ path }: SourceFile): boolean => /\.(ts|mjs)$/.test(path);

/** Imports go one way, and parts of a pipeline do not know each other. */
export function importDirection(files: readonly SourceFile[]): string[] {
  return files.filter(isSource).flatMap((file) =>
    importsOf(file).flatMap(({ line, target }) => {
      if (target === null) return [];
      const from = roomOf(file.path);
      const to = roomOf(target);
      if (!MAY_IMPORT[from]!.includes(to)) {
        return [`${file.path}:${line}: ${from}/ may not import ${to}/ (${target})`];
      }
      return [...upwards(file.path, target, line), ...sideways(file.path, target, line)];
    }));
}

/** Rooms of the agent that components stand on: they know neither components nor the graph. */
export const SHARED_BY_ALL: readonly string[] = [
  'agent/lines/', 'agent/operators/', 'agent/ottl/', 'agent/series/', 'agent/times/',
];
/** What the other shared rooms stand on. */
const SHARED_GROUND = 'agent/times/';

function upwards(path: string, target: string, line: number): string[] {
  const own = SHARED_BY_ALL.find((one) => path.startsWith(one));
  if (own === undefined || !target.startsWith('agent/')) return [];
  if (target.startsWith(own) || target.startsWith(SHARED_GROUND)) return [];
  return [`${path}:${line}: ${own} may not import other parts of the agent (${target})`];
}

function sideways(path: string, target: string, line: number): string[] {
  const from = partOf(path);
  const to = partOf(target);
  if (from === null || to === null || from === to) return [];
  const kind = KINDS.find((one) => path.startsWith(`${one}/`))!;
  if (target.startsWith(`${kind}/`) && SHARED_BY_KIND.includes(to)) return [];
  // A connector does to records what processors do.
  if (kind === 'agent/connectors' && to === 'agent/processors:edit') return [];
  return [`${path}:${line}: components never import each other (${target})`];
}

/** Folders that hold no component, but what several components of their kind stand on. */
export const SHARED_BY_KIND: readonly string[] = [
  'agent/exporters:sending', 'agent/processors:edit', 'agent/processors:sampling',
  'agent/receivers:readings', 'agent/receivers:sending',
];

function partOf(path: string): string | null {
  const kind = KINDS.find((one) => path.startsWith(`${one}/`));
  if (kind === undefined) return null;
  const name = path.slice(kind.length + 1).split('/')[0]!.replace(/\.ts$/, '');
  return `${kind}:${name}`;
}

interface Import {
  readonly line: number;
  /** The path in the tree, or null for a package. */
  readonly target: string | null;
  readonly specifier: string;
}

export function importsOf(file: SourceFile): Import[] {
  const pattern = /(?:\bfrom\s+|\bimport\s+|\bimport\(\s*|new URL\(\s*)'([^']+)'/g;
  return [...file.text.matchAll(pattern)].map((match) => {
    const specifier = match[1]!;
    const line = lineAt(file.text, match.index);
    if (!specifier.startsWith('.')) return { line, specifier, target: null };
    return { line, specifier, target: posix.join(posix.dirname(file.path), specifier) };
  });
}

interface Ban {
  readonly pattern: RegExp;
  readonly use: string;
  /** Paths beginning with one of these may use it. */
  readonly allowed: readonly string[];
}

const PROCESS_EDGE = ['runtime/', 'backend/storage/engine/', 'binnacle.', 'build.mjs', 'test/'];

const BANS: readonly Ban[] = [
  { pattern: /\bDate\.now\(|new Date\(\)/, use: 'world.clock', allowed: PROCESS_EDGE },
  { pattern: /\bperformance\.now\(|process\.hrtime/, use: 'world.clock', allowed: PROCESS_EDGE },
  { pattern: /(?<![.\w])set(?:Timeout|Interval)\(/, use: 'world.clock', allowed: PROCESS_EDGE },
  { pattern: /\bMath\.random\(/, use: 'world.random', allowed: PROCESS_EDGE },
  { pattern: /\brandomUUID\(|\brandomBytes\(/, use: 'world.random', allowed: PROCESS_EDGE },
  { pattern: /from 'node:fs(?:\/promises)?'/, use: 'world.files', allowed: PROCESS_EDGE },
  { pattern: /\bconsole\.\w+\(/, use: 'the log', allowed: ['test/'] },
  { pattern: /\bprocess\.exit\(/, use: 'runtime/lifecycle.ts', allowed: [...PROCESS_EDGE] },
  { pattern: /^export default\b/m, use: 'a named export', allowed: [] },
  { pattern: /^\s*(?:export )?(?:const )?enum /m, use: 'a union of literals', allowed: [] },
  { pattern: /^\s*(?:export )?namespace /m, use: 'a module', allowed: [] },
  { pattern: /\btest\.only\(|\bdescribe\.only\(/, use: 'test()', allowed: [] },
];

/** Calls that would take time, disk or chance out of the hands of a simulation. */
export function forbiddenCalls(files: readonly SourceFile[]): string[] {
  return files.filter(isCode).filter(({ path }) => !path.startsWith('test/tidy'))
    .flatMap((file) => {
      const lines = withoutComments(file.text).split('\n');
      return BANS.filter(({ allowed }) => !allowed.some((start) => file.path.startsWith(start)))
        .flatMap(({ pattern, use }) => lines.flatMap((text, index) =>
          pattern.test(text) ? [`${file.path}:${index + 1}: ${text.trim()} → ${use}`] : []));
    });
}

const withoutComments = (text: string): string =>
  text.replace(/^(\s*)(?:\/\/|\*|\/\*).*$/gm, '$1');

/** Lines per file and per function, columns per line. */
export function sizes(files: readonly SourceFile[]): string[] {
  return files.filter(isCode).flatMap((file) => {
    const lines = file.text.split('\n');
    const test = file.path.startsWith('test/');
    const most = test ? LIMITS.testFileLines : LIMITS.fileLines;
    const long = lines.length - 1 > most
      ? [`${file.path}:1: ${lines.length - 1} lines, at most ${most}`]
      : [];
    const wide = lines.flatMap((line, index) => line.length <= LIMITS.columns ? []
      : [`${file.path}:${index + 1}: ${line.length} columns, at most ${LIMITS.columns}`]);
    return [...long, ...wide, ...(test ? [] : longFunctions(file))];
  });
}

function longFunctions(file: SourceFile): string[] {
  return functionSpans(file.text)
    .filter(({ ownLines }) => ownLines > LIMITS.functionLines)
    .map(({ line, name, ownLines }) => `${file.path}:${line}: ${name} has ${ownLines} lines, `
      + `at most ${LIMITS.functionLines}`);
}

interface Span {
  readonly name: string;
  readonly line: number;
  readonly last: number;
  ownLines: number;
}

const FUNCTION_START = new RegExp([
  /^(\s*)(?:export )?(?:async )?function\*? (\w+)/.source,
  /^(\s*)(?:export )?const (\w+) = (?:async )?(?:<.*>)?\(.*=> \{$/.source,
  /^(\s+)(?:(?:static|async|get|set|override|private|protected) )*(#?\w+)(?:<.*>)?\(.*\{$/.source,
  /^(\s+)(\w+): (?:async )?\(.*=> \{$/.source,
].join('|'));
const NOT_NAMES = new Set(['if', 'for', 'while', 'switch', 'catch', 'return', 'function']);

/**
 * Functions by their indentation, which the formatting makes reliable: one ends at the first line
 * that closes a brace at the column it began. Lines of functions inside it are not its own.
 */
export function functionSpans(text: string): Span[] {
  const lines = text.split('\n');
  const spans: Span[] = [];
  lines.forEach((line, index) => {
    const match = FUNCTION_START.exec(line);
    if (match === null) return;
    const [indent, name] = match.slice(1).filter((group) => group !== undefined) as string[];
    if (NOT_NAMES.has(name!)) return;
    const last = lines.findIndex((other, at) => at > index && other.startsWith(`${indent}}`));
    if (last === -1) return;
    spans.push({ name: name!, line: index + 1, last: last + 1, ownLines: last - index + 1 });
  });
  for (const inner of spans) {
    const outer = spans.filter((one) => one.line < inner.line && one.last >= inner.last);
    const nearest = outer.at(-1);
    if (nearest !== undefined) nearest.ownLines -= inner.last - inner.line + 1;
  }
  return spans;
}

/** A source file that no other file imports is dead, unless a process begins in it. */
export function deadFiles(files: readonly SourceFile[]): string[] {
  const imported = new Set(files.filter(isCode).flatMap((file) =>
    importsOf(file).map(({ target }) => target)));
  return files.filter(isSource)
    .filter(({ path }) => !path.endsWith('/main.ts') && !imported.has(path))
    .map(({ path }) => `${path}:1: nobody imports this file`);
}

/** Every source file says at its top what it promises. */
export function topComments(files: readonly SourceFile[]): string[] {
  return files.filter((file) => file.path.endsWith('.ts'))
    .filter(({ text }) => !/^(?:#!.*\n)?(?:\/\/|\/\*)/.test(text))
    .map(({ path }) => `${path}:1: no comment at the top that says what this file promises`);
}

/** A room or folder of source has tests at the same place below test/. */
export function mirrorTests(files: readonly SourceFile[]): string[] {
  const tests = files.map(({ path }) => path).filter((path) => /^test\/.*\.test\.ts$/.test(path));
  const folders = new Set(files.filter(isSource).map(({ path }) => posix.dirname(path)));
  return [...folders].filter((folder) => !tests.some((test) =>
    test.startsWith(`test/${folder}/`) || test === `test/${folder}.test.ts`))
    .map((folder) => `${folder}:1: no test below test/${folder}/`);
}

const NAME_BANS = /^(?:utils?|helpers?|common|managers?|services?|base|misc)$/;

/** Names say what is inside. */
export function fileNames(files: readonly SourceFile[]): string[] {
  return files.filter(isSource).filter(({ path }) =>
    path.replace(/\.ts$/, '').split('/').some((part) =>
      NAME_BANS.test(part) || !/^[a-z0-9_.]+$/.test(part)))
    .map(({ path }) => `${path}:1: the name must be a lower-case noun that says what is inside`);
}

const TEXT_BANS: ReadonlyArray<{ pattern: RegExp; why: string }> = [
  { pattern: /\b(?:TODO|FIXME|XXX|HACK)\b/, why: 'open an issue instead' },
  { pattern: /(?:^|[^A-Za-z0-9_.])\/(?:work|root|home\/\w+)\//, why: 'a path of one machine' },
  { pattern: /https?:\/\/(?:registry|deb|security)\./, why: 'the host of a package registry' },
  { pattern: /<{7} |>{7} /, why: 'a merge that was not finished' },
];

/** Left-over marks, paths of one machine, hosts of registries, in whatever is text. */
export function leftOvers(files: readonly SourceFile[]): string[] {
  const skipped = (path: string) => path.startsWith('test/tidy') || path === 'package-lock.json';
  return files.filter(({ path }) => !skipped(path)).flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => TEXT_BANS
      .filter(({ pattern }) => pattern.test(line))
      .map(({ why }) => `${path}:${index + 1}: ${line.trim().slice(0, 60)} (${why})`)));
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
