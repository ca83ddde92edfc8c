// What all detectors are: a look at where the agent runs that finds resource attributes.

import type { Attributes } from '../../../proto/otlp/model.ts';
import type { Environment } from '../../../config/substitution.ts';
import type { Log } from '../../../runtime/log.ts';
import type { World } from '../../../runtime/world.ts';

export interface DetectorContext {
  readonly world: World;
  readonly log: Log;
  readonly env: Environment;
}

export interface Detector {
  readonly name: string;
  /**
   * What is found; nothing when this machine is no place of that kind. Gives up when `abort`
   * fires. Rejects when it should have found something but could not.
   */
  detect(abort: AbortSignal): Promise<Attributes>;
}

/** Text attributes of those that are there, in the order given; absent and empty ones are left. */
export function textAttributes(found: Readonly<Record<string, string | undefined>>): Attributes {
  return Object.entries(found).flatMap(([key, value]) =>
    (value === undefined || value === '' ? [] : [{ key, value: { type: 'string', value } }]));
}

/**
 * The first attributes and those of `more` with other keys: what an earlier detector found stays.
 */
export function joinAttributes(first: Attributes, more: Attributes): Attributes {
  const keys = new Set(first.map(({ key }) => key));
  return [...first, ...more.filter(({ key }) => !keys.has(key))];
}
