// What a list of operators becomes: each hands its entries to the next in the list, or to those
// that its `output` names; what comes out at the end is emitted.
//
// A failure is counted and logged (rate-limited, without the text); `on_error` decides whether the
// entry goes on as it is (`send`) or is dropped, counted too.

import { DEFINITIONS } from './definitions.ts';
import { duplicate, duplicateMap, type Entry } from './entry.ts';
import { idsOf, type OperatorConfig } from './pipeline.ts';
import type { Holder, Links, Making, Take } from './step.ts';

/** Who hears what becomes of entries. */
export interface Listener {
  /** What comes out at the end. */
  readonly emit: Take;
  /** A failure; `quiet` when nobody wants to read of it. */
  readonly failed: (operator: string, fault: string, quiet: boolean) => void;
  /** An entry was dropped after a failure. */
  readonly dropped: () => void;
  /** An entry was dropped because somebody wants it so. */
  readonly filtered: () => void;
}

export interface Flow {
  /** Gives an entry to the first operator. */
  readonly push: Take;
  /** Those who may hold entries back, in the order of the list. */
  readonly holders: readonly Holder[];
}

export function createFlow(
  operators: readonly OperatorConfig[], making: Making, listener: Listener,
): Flow {
  const ids = idsOf(operators);
  const holders: Holder[] = [];
  // Backwards, so that most know the next one; those whose output stands before look it up later.
  const takes: Take[] = new Array<Take>(operators.length);
  const takeOf = (id: string): Take => {
    const index = ids.indexOf(id);
    return takes[index] ?? ((entry) => takes[index]!(entry));
  };
  for (let index = operators.length - 1; index >= 0; index--) {
    const config = operators[index]!;
    const send = config.output === undefined ? takes[index + 1] ?? listener.emit
      : toAll(config.output.map(takeOf));
    const links: Links = {
      send,
      sendTo: (outputs) => toAll(outputs.map(takeOf)),
      fail: failing(config, ids[index]!, send, listener),
      filtered: listener.filtered,
      holds: (holder) => holders.unshift(holder),
    };
    const take = DEFINITIONS[config.type]!.create(config, making, links);
    takes[index] = withCondition(config, take, links);
  }
  return { push: takes[0] ?? listener.emit, holders };
}

/** All but the last get copies: entries are changed in place. */
function toAll(takes: readonly Take[]): Take {
  const last = takes.at(-1)!;
  if (takes.length === 1) return last;
  return (entry) => {
    for (const take of takes.slice(0, -1)) take(copyOf(entry));
    last(entry);
  };
}

function copyOf(entry: Entry): Entry {
  return {
    ...entry,
    body: duplicate(entry.body),
    attributes: duplicateMap(entry.attributes),
    resource: duplicateMap(entry.resource),
  };
}

function failing(
  { on_error: onError }: OperatorConfig, id: string, send: Take, listener: Listener,
): Links['fail'] {
  const drops = onError === 'drop' || onError === 'drop_quiet';
  const quiet = onError === 'send_quiet' || onError === 'drop_quiet';
  return (entry, fault) => {
    listener.failed(id, fault, quiet);
    if (drops) listener.dropped();
    else send(entry);
  };
}

function withCondition(
  { if: condition }: OperatorConfig, take: Take, { send, fail }: Links,
): Take {
  if (condition === undefined) return take;
  return (entry) => {
    const holds = condition(entry);
    if (holds === true) take(entry);
    else if (holds === false) send(entry);
    else fail(entry, holds);
  };
}
