// What a statement is made of, once it is read: a tree whose leaves are literals, paths and names.
// `at` is the offset in the text where a part begins, for errors.
//
//   statement   editor(argument, …) [where condition]
//   condition   and, or, not, comparisons, parentheses; true, false, a converter that says one
//   value       literal | path | ENUM | Converter(argument, …)[key]… | [value, …]
//               | {"key": value, …} | value + - * / value | (value)
//   argument    value | name = value | the name of a converter
//   path        name[key]….name…   keys: text, int, or a value

export type MathOperator = '+' | '-' | '*' | '/';
export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=';

export type Literal =
  | { readonly kind: 'nil'; readonly at: number }
  | { readonly kind: 'bool'; readonly value: boolean; readonly at: number }
  | { readonly kind: 'int'; readonly value: bigint; readonly at: number }
  | { readonly kind: 'float'; readonly value: number; readonly at: number }
  | { readonly kind: 'string'; readonly value: string; readonly at: number }
  | { readonly kind: 'bytes'; readonly value: Uint8Array; readonly at: number };

export interface PathSegment {
  readonly name: string;
  readonly keys: readonly Node[];
  readonly at: number;
}

export interface PathNode {
  readonly kind: 'path';
  readonly segments: readonly PathSegment[];
  readonly at: number;
}

/** A name in capitals, or that of a converter without parentheses. */
export interface NameNode {
  readonly kind: 'name';
  readonly name: string;
  readonly at: number;
}

export interface Argument {
  /** Undefined for one that is given by its place. */
  readonly name: string | undefined;
  readonly value: Node;
  readonly at: number;
}

export interface CallNode {
  readonly kind: 'call';
  readonly name: string;
  readonly arguments: readonly Argument[];
  readonly keys: readonly Node[];
  readonly at: number;
  /** The offset of the closing parenthesis, where a missing argument would stand. */
  readonly end: number;
}

export type Node =
  | Literal
  | PathNode
  | NameNode
  | CallNode
  | { readonly kind: 'list'; readonly items: readonly Node[]; readonly at: number }
  | {
      readonly kind: 'map';
      readonly entries: readonly { readonly key: string; readonly value: Node }[];
      readonly at: number;
    }
  | {
      readonly kind: 'math';
      readonly operator: MathOperator;
      readonly left: Node;
      readonly right: Node;
      readonly at: number;
    }
  | {
      readonly kind: 'compare';
      readonly operator: Comparison;
      readonly left: Node;
      readonly right: Node;
      readonly at: number;
    }
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Node[]; readonly at: number }
  | { readonly kind: 'not'; readonly inner: Node; readonly at: number };

export interface StatementNode {
  readonly editor: CallNode;
  readonly condition: Node | undefined;
}

/** All nodes below and including one, for whoever looks for paths and calls. */
export function* nodesOf(node: Node): Generator<Node> {
  yield node;
  for (const inner of innerNodes(node)) yield* nodesOf(inner);
}

function innerNodes(node: Node): readonly Node[] {
  switch (node.kind) {
    case 'path':
      return node.segments.flatMap(({ keys }) => keys);
    case 'call':
      return [...node.arguments.map(({ value }) => value), ...node.keys];
    case 'list':
      return node.items;
    case 'map':
      return node.entries.map(({ value }) => value);
    case 'math':
    case 'compare':
      return [node.left, node.right];
    case 'and':
    case 'or':
      return node.parts;
    case 'not':
      return [node.inner];
    default:
      return [];
  }
}
