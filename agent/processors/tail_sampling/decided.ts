// What was decided about traces, for spans of them that come later. Each kind is kept in two
// generations: when the younger is half of what may be kept, the older is forgotten; what is looked
// at becomes young again. So at least half of the size is remembered, and at most all of it.

import type { Decision } from './decision.ts';

export interface Decided {
  get(traceId: string): Decision | undefined;
  set(traceId: string, decision: Decision): void;
}

export interface DecidedSizes {
  readonly sampled: number;
  readonly others: number;
}

export function createDecided(sizes: DecidedSizes): Decided {
  const sampled = new Generations(sizes.sampled);
  const others = new Generations(sizes.others);
  return {
    get: (traceId) => sampled.get(traceId) ?? others.get(traceId),
    set: (traceId, decision) =>
      (decision.kind === 'sampled' ? sampled : others).set(traceId, decision),
  };
}

class Generations {
  readonly #half: number;
  #young = new Map<string, Decision>();
  #old = new Map<string, Decision>();

  constructor(size: number) {
    this.#half = Math.max(1, Math.ceil(size / 2));
  }

  get(traceId: string): Decision | undefined {
    const young = this.#young.get(traceId);
    if (young !== undefined) return young;
    const old = this.#old.get(traceId);
    if (old !== undefined) this.set(traceId, old);
    return old;
  }

  set(traceId: string, decision: Decision): void {
    if (this.#young.size >= this.#half && !this.#young.has(traceId)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(traceId, decision);
  }
}
