// One YAML text becomes a tree of nodes with positions, its `${…}` replaced.
//
// YAML 1.2 with string keys, anchors, aliases and the merge key `<<`. Everything that is wrong with
// the text is reported at once, each at its own place.

import {
  isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument,
  type Document, type Node, type Pair, type YAMLError,
} from 'yaml';
import type { ConfigProblem, Position } from './errors.ts';
import { substitute, typedValue, type Environment } from './substitution.ts';
import { nodeOf, type ConfigNode } from './tree.ts';

/** Beyond these the text is refused: aliases of aliases could make it grow without end. */
const limits = { depth: 64, nodes: 100_000 };

export interface Source {
  /** As problems name it; usually the path as the person wrote it. */
  readonly file: string;
  readonly text: string;
}

export interface SourceTree {
  /** Null when the text is empty or too broken to be read. */
  readonly root: ConfigNode | null;
  readonly problems: readonly ConfigProblem[];
}

/** Without `env` a `${…}` is a text like any other: files with texts of their own have such. */
export function parseSource(source: Source, env: Environment | null): SourceTree {
  const lineCounter = new LineCounter();
  const document = parseDocument(source.text, {
    lineCounter, logLevel: 'error', prettyErrors: false, stringKeys: true,
  });
  const broken = withoutFollowers([...document.errors, ...document.warnings]);
  const position = (offset: number): Position => {
    const { line, col } = lineCounter.linePos(Math.min(offset, source.text.length));
    return { file: source.file, line, column: Math.max(col, 1) };
  };
  if (broken.length > 0) {
    const problems = broken.map((error) => ({
      ...position(error.pos[0]), path: '', ...yamlMistake(error, source.text),
    }));
    return { root: null, problems };
  }
  const reader = createReader(document, position, env);
  const root = document.contents === null ? null : reader.read(document.contents, null, '', 0);
  return { root, problems: reader.problems };
}

interface Reader {
  readonly problems: ConfigProblem[];
  read(node: Node, key: Position | null, path: string, depth: number): ConfigNode;
}

function createReader(
  document: Document.Parsed,
  position: (offset: number) => Position,
  env: Environment | null,
): Reader {
  const problems: ConfigProblem[] = [];
  let nodes = 0;
  const report = (at: Position, path: string, why: string, hint: string) =>
    void problems.push({ ...at, path, why, hint });

  const read = (node: Node, key: Position | null, path: string, depth: number): ConfigNode => {
    const at = position(node.range?.[0] ?? 0);
    nodes++;
    if (nodes > limits.nodes || depth > limits.depth) {
      if (nodes === limits.nodes + 1 || nodes <= limits.nodes) {
        report(at, path, 'is too large or too deep', 'use fewer aliases and levels');
      }
      return { kind: 'scalar', value: null, key, at };
    }
    if (isAlias(node)) {
      const target = node.resolve(document);
      if (target !== undefined) return { ...read(target, key, path, depth + 1), key, at };
      const why = `there is no anchor &${node.source} above`;
      report(at, path, why, 'quote a text that begins with *');
      return { kind: 'scalar', value: null, key, at };
    }
    if (isMap(node)) {
      return { kind: 'map', entries: readEntries(node.items as Pair[], path, depth), key, at };
    }
    if (isSeq(node)) {
      const items = (node.items as Node[]).map((item, index) =>
        read(item, null, `${path}[${index}]`, depth + 1));
      return { kind: 'list', items, key, at };
    }
    return readScalar(node, key, path, at);
  };

  const readEntries = (pairs: readonly Pair[], path: string, depth: number) => {
    const merged = new Map<string, ConfigNode>();
    const own = new Map<string, ConfigNode>();
    for (const { key, value } of pairs) {
      if (!isScalar(key)) continue; // The parser has refused it: keys are text.
      const name = String(key.value);
      const at = position(key.range?.[0] ?? 0);
      const inner = path === '' ? name : `${path}.${name}`;
      // Nothing behind a key is a null that stands where the key does.
      const node = value === null
        ? { kind: 'scalar', value: null, key: at, at } as const
        : read(value as Node, at, inner, depth + 1);
      if (name === '<<' && key.type === 'PLAIN') mergeEntries(merged, node);
      else own.set(name, node);
    }
    return new Map([...merged, ...own]);
  };

  const readScalar = (node: Node, key: Position | null, path: string, at: Position): ConfigNode => {
    const value: unknown = isScalar(node) ? node.value : null;
    if (typeof value !== 'string' || env === null || !value.includes('$')) {
      return nodeOf(value, { key, at });
    }
    const result = substitute(value, env);
    if (!result.ok) {
      report(at, path, result.why, result.hint);
      return { kind: 'scalar', value: null, key, at };
    }
    const { text } = result;
    const typed = result.whole && isScalar(node) && node.type === 'PLAIN';
    return nodeOf(typed ? typedValue(text) : text, { key, at, text });
  };

  return { problems, read };
}

/** https://yaml.org/type/merge.html: a map or a list of maps; the first that has a key wins. */
function mergeEntries(target: Map<string, ConfigNode>, node: ConfigNode): void {
  const sources = node.kind === 'list' ? node.items : [node];
  for (const source of sources) {
    if (source.kind !== 'map') continue;
    for (const [key, entry] of source.entries) {
      if (!target.has(key)) target.set(key, entry);
    }
  }
}

/** After one mistake the parser stumbles over what follows; that would only hide the first. */
function withoutFollowers(errors: readonly YAMLError[]): readonly YAMLError[] {
  const ERRORS_MAX = 10; // More are told after these are mended.
  const first = errors[0];
  return errors.filter((error) => error === first || error.code !== 'UNEXPECTED_TOKEN')
    .slice(0, ERRORS_MAX);
}

function yamlMistake(error: YAMLError, text: string): { why: string; hint: string } {
  const { code, message, pos } = error;
  // What stands behind a colon is a piece of the file, which may be a secret.
  const own = code === 'TAG_RESOLVE_FAILED' ? message : message.split(/:(\s|$)/)[0]!;
  const sentence = YAML_SENTENCES[code] ?? own;
  const why = sentence.charAt(0).toLowerCase() + sentence.slice(1).replace(/\.$/, '');
  const lineStart = text.lastIndexOf('\n', pos[0] - 1) + 1;
  const unquoted = code === 'UNEXPECTED_TOKEN' && text.slice(lineStart, pos[0] + 1).includes('${');
  const hint = unquoted ? 'quote ${…} within { } and [ ]' : (YAML_HINTS[code] ?? '');
  return { why: `this is not YAML: ${why}`, hint };
}

/** Where the parser's own sentence would not help. */
const YAML_SENTENCES: Partial<Record<string, string>> = {
  MULTIPLE_DOCS: 'several documents in one file',
  MISSING_CHAR: 'a quote, bracket or comma is missing before this',
};

const YAML_HINTS: Partial<Record<string, string>> = {
  BAD_INDENT: 'keys of one group begin in the same column',
  BAD_SCALAR_START: 'quote a text that begins with @ or `',
  BLOCK_AS_IMPLICIT_KEY: 'check the indentation, and quote a text that has ": " in it',
  DUPLICATE_KEY: 'write the key once',
  MISSING_CHAR: 'check that quotes and brackets are closed',
  MULTIPLE_DOCS: 'remove the ---, or give two files',
  TAB_AS_INDENT: 'indent with spaces',
  TAG_RESOLVE_FAILED: 'remove the tag that begins with !',
};
