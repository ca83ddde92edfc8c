// Which context a group of statements or conditions runs in, when nobody says so: the widest one
// from which all its paths can be seen and where all its functions can be used. So what only looks
// at resources runs once for each of them.

import { knownHint } from '../../config/errors.ts';
import type { Signal } from '../../proto/otlp/model.ts';
import { contextOf, NOT_BUILT, VISIBLE } from './contexts.ts';
import { OttlFault } from './fault.ts';
import type { FunctionSpec } from './functions/function.ts';
import { nodesOf, type Node } from './syntax.ts';
import type { OttlContextName } from './view.ts';

/** The contexts of a signal, widest first. */
export const CONTEXTS_OF: Readonly<Record<Signal, readonly OttlContextName[]>> = {
  traces: ['resource', 'scope', 'span', 'spanevent'],
  metrics: ['resource', 'scope', 'metric', 'datapoint'],
  logs: ['resource', 'scope', 'log'],
};

/** Where to run what looks at nothing. */
const RECORD_CONTEXT: Readonly<Record<Signal, OttlContextName>> = {
  traces: 'span', metrics: 'metric', logs: 'log',
};

/** `texts` are the trees of each text. Throws OttlFault, a MisfitFault where they do not fit. */
export function inferContext(
  texts: readonly (readonly Node[])[],
  signal: Signal,
  functions: ReadonlyMap<string, FunctionSpec>,
): OttlContextName {
  let candidates = CONTEXTS_OF[signal];
  let lookedAt = false;
  for (const [index, roots] of texts.entries()) {
    for (const node of roots.flatMap((root) => [...nodesOf(root)])) {
      const fitting = placesOf(node, signal, functions);
      if (fitting === undefined) continue;
      lookedAt = true;
      const left = candidates.filter((context) => fitting.includes(context));
      if (left.length === 0) throw new MisfitFault(node, index, candidates);
      candidates = left;
    }
  }
  return lookedAt ? candidates[0]! : RECORD_CONTEXT[signal];
}

/** A node that does not fit to those before it. */
export class MisfitFault extends OttlFault {
  /** Of the text in which it stands. */
  readonly index: number;

  constructor(node: Node, index: number, candidates: readonly OttlContextName[]) {
    const what = node.kind === 'call' ? node.name
      : node.kind === 'path' ? node.segments[0]!.name : node.kind;
    super(node.at, `"${what}" does not fit to the rest, which needs ${candidates.join(' or ')}`,
      'put it in a group of statements of its own');
    this.index = index;
  }
}

/** The contexts in which a node can be used; undefined for those that do not care. */
function placesOf(
  node: Node, signal: Signal, functions: ReadonlyMap<string, FunctionSpec>,
): readonly OttlContextName[] | undefined {
  if (node.kind === 'call') return functions.get(node.name)?.contexts;
  if (node.kind !== 'path') return undefined;
  const { name, at } = node.segments[0]!;
  const context = contextOf(name);
  const known = CONTEXTS_OF[signal];
  if (context !== undefined && known.includes(context)) {
    return known.filter((candidate) => VISIBLE[candidate].includes(context));
  }
  const notBuilt = Object.hasOwn(NOT_BUILT, name) ? NOT_BUILT[name] : undefined;
  if (notBuilt !== undefined) throw new OttlFault(at, `"${name}" is not supported`, notBuilt);
  if (context !== undefined) {
    throw new OttlFault(at, `"${name}" cannot be seen in statements for ${signal}`,
      `known: ${known.join(', ')}`);
  }
  const hint = node.segments.length > 1 ? knownHint(name, known)
    : `write ${RECORD_CONTEXT[signal]}.${name}, or say the context`;
  throw new OttlFault(at, `path "${name}" does not begin with a context`, hint);
}
