// The Drain algorithm (He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree",
// ICWS 2017): lines become templates, in which tokens that vary are `<*>`.
//
// A line is looked for among the clusters that have as many tokens and begin with the same ones (a
// tree of fixed depth: number of tokens, first token, …). It joins the one with which most tokens
// agree, if that is at least the threshold; what differs becomes `<*>`. Else it is a new cluster.
// Tokens with digits, and those for which a node has no room, go under `<*>`.
//
// Clusters, nodes and tokens are bounded: the cluster that was met longest ago is forgotten; when
// there is no room for a node, a line goes under `<*>`.

export const WILDCARD = '<*>';

export interface TreeOptions {
  /** At least 3: the root, the number of tokens, and the clusters; beyond it, first tokens. */
  readonly depth: number;
  /** 0 to 1: the share of tokens that must agree. */
  readonly threshold: number;
  readonly childrenMax: number;
  readonly clustersMax: number;
  readonly nodesMax: number;
}

export interface Cluster {
  /** Its template; replaced when it becomes more general. */
  tokens: readonly string[];
  /** The same as text. */
  template: string;
  /** False when it was forgotten. */
  isKnown: boolean;
  /** When it was met last, in lines. */
  metAt: number;
}

interface Node {
  readonly children: Map<string, Node>;
  clusters: Cluster[];
}

export interface Tree {
  /** The cluster that the line belongs to now. */
  add(tokens: readonly string[]): Cluster;
  /** Clusters that are known. */
  size(): number;
}

export function createTree(options: TreeOptions): Tree {
  const { threshold, clustersMax } = options;
  const root: Node = { children: new Map(), clusters: [] };
  const clusters = new Set<Cluster>();
  const nodes = { count: 0 };
  let lines = 0;
  const forgetOldest = () => {
    // In the order in which they were met.
    const oldest = clusters.values().next().value!;
    clusters.delete(oldest);
    oldest.isKnown = false;
  };
  return {
    add: (tokens) => {
      lines += 1;
      const leaf = leafFor(root, tokens, options, nodes);
      const found = bestOf(leaf, tokens, threshold);
      const cluster = found ?? {
        tokens, template: tokens.join(' '), isKnown: true, metAt: lines,
      };
      if (found === null) {
        leaf.clusters = leaf.clusters.filter(({ isKnown }) => isKnown);
        leaf.clusters.push(cluster);
      } else generalize(cluster, tokens);
      touch(clusters, cluster, lines, clustersMax);
      if (clusters.size > clustersMax) forgetOldest();
      return cluster;
    },
    size: () => clusters.size,
  };
}

/** Moves it to the end; one that was so a moment ago stays where it is. */
function touch(clusters: Set<Cluster>, cluster: Cluster, line: number, sizeMax: number): void {
  if (clusters.has(cluster) && line - cluster.metAt < sizeMax / 8) return;
  clusters.delete(cluster);
  clusters.add(cluster);
  cluster.metAt = line;
}

/** The node whose clusters the line may belong to; made where there is room. */
function leafFor(
  root: Node, tokens: readonly string[], options: TreeOptions, nodes: { count: number },
): Node {
  let node = childOf(root, String(tokens.length), nodes);
  const levels = Math.min(options.depth - 3, tokens.length);
  for (let level = 0; level < levels; level++) node = step(node, tokens[level]!, options, nodes);
  return node;
}

function step(
  node: Node, token: string, { childrenMax, nodesMax }: TreeOptions, nodes: { count: number },
): Node {
  const known = node.children.get(token);
  if (known !== undefined) return known;
  const { size } = node.children;
  const hasWildcard = node.children.has(WILDCARD);
  // One place is kept for the wildcard.
  const hasRoom = hasWildcard ? size < childrenMax : size + 1 < childrenMax;
  if (HAS_DIGIT.test(token) || !hasRoom || nodes.count >= nodesMax) {
    return childOf(node, WILDCARD, nodes);
  }
  return childOf(node, token, nodes);
}

const HAS_DIGIT = /\d/;

function childOf(node: Node, token: string, nodes: { count: number }): Node {
  const known = node.children.get(token);
  if (known !== undefined) return known;
  const child: Node = { children: new Map(), clusters: [] };
  node.children.set(token, child);
  nodes.count += 1;
  return child;
}

/** The most similar one; of equals the more general one. Null when none is similar enough. */
function bestOf(leaf: Node, tokens: readonly string[], threshold: number): Cluster | null {
  let best: Cluster | null = null;
  let bestSame = -1;
  let bestWild = -1;
  for (const cluster of leaf.clusters) {
    if (!cluster.isKnown) continue;
    let same = 0;
    let wild = 0;
    for (let index = 0; index < tokens.length; index++) {
      const token = cluster.tokens[index]!;
      if (token === WILDCARD) wild += 1;
      else if (token === tokens[index]) same += 1;
    }
    if (same < bestSame || (same === bestSame && wild <= bestWild)) continue;
    best = cluster;
    bestSame = same;
    bestWild = wild;
  }
  const share = tokens.length === 0 ? 1 : bestSame / tokens.length;
  return best !== null && share >= threshold ? best : null;
}

function generalize(cluster: Cluster, tokens: readonly string[]): void {
  if (cluster.tokens.every((token, index) => token === WILDCARD || token === tokens[index])) return;
  cluster.tokens = cluster.tokens.map((token, index) =>
    (token === tokens[index] ? token : WILDCARD));
  cluster.template = cluster.tokens.join(' ');
}
