// The syntax tree that ClickHouse prints for EXPLAIN AST, read back:
//
//     SelectWithUnionQuery (children 1)
//      ExpressionList (children 1)
//       SelectQuery (children 2)
//        ExpressionList (children 1)
//         Function count (alias c) (children 1)
//
// One line is one node, and one blank of indentation one level. A name may hold any character, so
// a line break in one would forge nodes: the gate refuses such names before (`checkNames`). The
// print leaves things out: names of CTEs, functions of APPLY, values of SETTINGS, and all of a
// SHOW statement; whoever walks the tree must know what its nodes do not say.

export interface Node {
  /** The first word, such as `Function`. */
  readonly kind: string;
  /** What follows on the line: a name or a value; '' for none. */
  readonly value: string;
  readonly alias: string | null;
  readonly children: readonly Node[];
}

/** The tree of a text; null when it is not one. */
export function parseTree(text: string): Node | null {
  const open: Node[] = [];
  let root: Node | null = null;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const depth = line.search(/[^ ]/);
    if (depth < 0 || depth > open.length || (depth === 0 && root !== null)) return null;
    const node = nodeOf(line.slice(depth));
    open.length = depth;
    const parent = open.at(-1);
    if (parent === undefined) root = node;
    else (parent.children as Node[]).push(node);
    open.push(node);
  }
  return root;
}

const CHILDREN = ' (children ';
const ALIAS = ' (alias ';

/** `Kind value (alias name) (children 2)`, each but the first left out where there is none. */
function nodeOf(line: string): Node {
  const [start, children] = cut(line, CHILDREN);
  const counted = children !== null && /^\d+$/.test(children);
  const [said, alias] = cut(counted ? start : line, ALIAS);
  const space = said.indexOf(' ');
  const kind = space < 0 ? said : said.slice(0, space);
  return { kind, value: space < 0 ? '' : said.slice(space + 1), alias, children: [] };
}

/** What stands before the last `begin`, and what from there to a bracket at the end. */
function cut(line: string, begin: string): [string, string | null] {
  const at = line.endsWith(')') ? line.lastIndexOf(begin) : -1;
  return at < 0 ? [line, null] : [line.slice(0, at), line.slice(at + begin.length, -1)];
}

/** A node and all below it, from the top, in the order of the text. */
export function* nodesOf(node: Node): Generator<Node> {
  const waiting = [node];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    yield next;
    waiting.push(...next.children.toReversed());
  }
}

/** The arguments of a Function node. */
export const argumentsOf = (node: Node): readonly Node[] =>
  node.children[0]?.kind === 'ExpressionList' ? node.children[0].children : [];

/** What a Literal node of a string says, still escaped; null for other literals. */
export function literalText(node: Node | undefined): string | null {
  return node?.kind === 'Literal' && /^'.*'$/.test(node.value) ? node.value : null;
}
