// What a search for traces may say about several spans of one trace, and whether a trace is so. The
// operators are those of TraceQL (grafana.com/docs/tempo, "Structural operators"); inside of the
// brackets is the search language:
//
//     {service:shop} > {status:error}      a span of shop with a child that failed
//     {service:shop} >> {db.system:*}      a descendant, however deep
//     {service:shop} && {level:error}      both somewhere in the trace
//
// Several follow each other: `{a} > {b} >> {c}` is a chain; `&&` binds less than both arrows. An
// empty `{}` is any span. The first selector is the one that a result is listed by.

export const limits = {
  /** Selectors of a search; more are refused. */
  selectorsMax: 8,
} as const;

export type Relation = 'child' | 'descendant';

export interface Structure {
  /** The text of each selector, and where in the search it begins. */
  readonly selectors: ReadonlyArray<{ readonly text: string; readonly position: number }>;
  /** All of them must be found. */
  readonly chains: readonly Chain[];
}

export interface Chain {
  /** Index of a selector. */
  readonly first: number;
  readonly steps: ReadonlyArray<{ readonly relation: Relation; readonly selector: number }>;
}

export class StructureError extends Error {
  /** Character of the search, from 0. */
  readonly position: number;

  constructor(position: number, message: string) {
    super(message);
    this.position = position;
  }
}

export const isStructure = (text: string): boolean => text.trimStart().startsWith('{');

/** Throws StructureError. */
export function parseStructure(text: string): Structure {
  const selectors: Array<{ text: string; position: number }> = [];
  const chains: Array<{ first: number; steps: Chain['steps'][number][] }> = [];
  let at = 0;
  let relation: Relation | 'both' = 'both';
  for (;;) {
    at = afterBlanks(text, at);
    if (text[at] !== '{') throw new StructureError(at, 'here { must begin a span: {…} > {…}');
    const end = closingBrace(text, at);
    const selector = selectors.length;
    selectors.push({ text: text.slice(at + 1, end), position: at + 1 });
    if (selectors.length > limits.selectorsMax) {
      throw new StructureError(at, `a search has at most ${limits.selectorsMax} {…}`);
    }
    if (relation === 'both') chains.push({ first: selector, steps: [] });
    else chains.at(-1)!.steps.push({ relation, selector });
    at = afterBlanks(text, end + 1);
    if (at === text.length) return { selectors, chains };
    const operator = OPERATORS.find(([sign]) => text.startsWith(sign, at));
    if (operator === undefined) throw new StructureError(at, 'between {…} stands >, >> or &&');
    relation = operator[1];
    at += operator[0].length;
  }
}

/** Longer ones first. */
const OPERATORS = [['>>', 'descendant'], ['>', 'child'], ['&&', 'both']] as const;

function afterBlanks(text: string, from: number): number {
  let at = from;
  while (at < text.length && /\s/.test(text[at]!)) at += 1;
  return at;
}

/** Braces in quotes, and behind a backslash there, close nothing. */
function closingBrace(text: string, open: number): number {
  let isQuoted = false;
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    const sign = text[at]!;
    if (isQuoted && sign === '\\') at += 1;
    else if (sign === '"') isQuoted = !isQuoted;
    else if (!isQuoted && sign === '{') depth += 1;
    else if (!isQuoted && sign === '}') depth -= 1;
    if (depth === 0) return at;
  }
  throw new StructureError(open, isQuoted ? 'a " is not closed' : 'this { is not closed');
}

export interface StructureSpan {
  readonly spanId: string;
  readonly parentSpanId: string;
  /** Bit n: selector n matches. */
  readonly matches: number;
}

/** Whether the spans of one trace are as the chains say. */
export function hasStructure(
  spans: readonly StructureSpan[],
  { chains }: Pick<Structure, 'chains'>,
): boolean {
  return chains.every(({ first, steps }) => {
    let found = idsOf(spans.filter((span) => isMatch(span, first)));
    for (const { relation, selector } of steps) {
      const isBelow = relation === 'child'
        ? (span: StructureSpan) => found.has(span.parentSpanId) : descendantsOf(spans, found);
      found = idsOf(spans.filter((span) => isMatch(span, selector) && isBelow(span)));
    }
    return found.size > 0;
  });
}

const isMatch = ({ matches }: StructureSpan, selector: number): boolean =>
  (matches >> selector & 1) === 1;
const idsOf = (spans: readonly StructureSpan[]): Set<string> =>
  new Set(spans.map(({ spanId }) => spanId));

/** Whether a span has one of `above` over it. Each span is looked at once. */
function descendantsOf(
  spans: readonly StructureSpan[],
  above: ReadonlySet<string>,
): (span: StructureSpan) => boolean {
  const parents = new Map(spans.map(({ spanId, parentSpanId }) => [spanId, parentSpanId]));
  const isBelow = new Map<string, boolean>();
  const look = (spanId: string): boolean => {
    const path: string[] = [];
    let answer = false;
    for (let at = spanId; ;) {
      const known = isBelow.get(at);
      if (known !== undefined) {
        answer = known;
        break;
      }
      // Also what ends a ring of parents.
      isBelow.set(at, false);
      path.push(at);
      const parent = parents.get(at);
      if (parent === undefined || parent === '') break;
      if (above.has(parent)) {
        answer = true;
        break;
      }
      at = parent;
    }
    for (const one of path) isBelow.set(one, answer);
    return answer;
  };
  return ({ spanId }) => look(spanId);
}
