// How far the logs of all containers were read, on disk (sending/document.ts):
//
//   { "version": 1, "run",                     which origins belong to it
//     "began",                                 where containers begin that are not in it: when the
//                                              receiver was first started, or 0
//     "containers": { "<id>": { "content",     its number in this run
//                               "messages",    how many of this run have their verdict
//                               "place" } } }  [since, skip, newest]: place.ts
//
// At a start the queues behind may know more (sending/resume.ts): an origin counts messages of a
// container, and its state is JSON, ["<id>", place].

import { join } from 'node:path';
import * as z from 'zod';
import type { Origin } from '../../../proto/contract/batch.ts';
import type { ComponentContext } from '../../../proto/contract/component.ts';
import { loadDocument } from '../sending/document.ts';
import { furthest } from '../sending/resume.ts';
import { decodePlace, encodePlace, type Place } from './place.ts';

export interface Saved {
  readonly content: number;
  readonly messages: number;
  readonly place: Place;
}

export interface Places {
  /** Messages before it are not read. */
  readonly beganNs: bigint;
  readonly containers: Map<string, Place>;
}

const VERSION = 1;

export const placesPath = (folder: string): string => join(folder, 'places.json');

export function placesText(
  run: string, beganNs: bigint, containers: Iterable<readonly [string, Saved]>,
): string {
  return JSON.stringify({
    version: VERSION, run,
    began: String(beganNs),
    containers: Object.fromEntries([...containers].map(([id, { content, messages, place }]) =>
      [id, { content, messages, place: encodePlace(place) }])),
  });
}

export const encodeState = (id: string, place: Place): string =>
  JSON.stringify([id, encodePlace(place)]);

const whole = () => z.number().int().min(0);
const schema = () => z.object({
  version: z.literal(VERSION),
  run: z.string(),
  began: z.string().regex(/^\d{1,20}$/).transform(BigInt),
  containers: z.record(z.string(), z.object({
    content: whole(), messages: whole(),
    place: z.unknown().transform((value) => decodePlace(value)).refine((place) => place !== null),
  })),
});

/** Null at the very first start. */
export async function loadPlaces(context: ComponentContext): Promise<Places | null> {
  const { world: { files }, folder, log, counters, id } = context;
  const unusable = counters.counter('binnacle_docker_unusable_places_total',
    'Starts that found places they could not use.', { receiver: id });
  const saved = await loadDocument({
    files, log,
    path: placesPath(folder),
    otherwise: 'all containers are read from the beginning of their logs',
    quarantined: () => unusable.add(1),
  }, (document) => {
    const parsed = schema().safeParse(document);
    return parsed.success ? parsed.data : 'they are damaged';
  });
  if (saved === 'unusable') return { beganNs: 0n, containers: new Map() };
  if (saved === null) return null;
  const containers = new Map<string, Place>();
  const contents = new Map<number, number>();
  for (const [container, { content, messages, place }] of Object.entries(saved.containers)) {
    containers.set(container, place!);
    contents.set(content, messages);
  }
  raise(containers, saved.run, contents, context.durable?.() ?? []);
  return { beganNs: saved.began, containers };
}

/** Also containers that began after the document was written. */
function raise(
  places: Map<string, Place>,
  run: string,
  known: ReadonlyMap<number, number>,
  queues: readonly (readonly Origin[])[],
): void {
  const contents = new Set(queues.flat().filter((one) => one.run === run)
    .map(({ content }) => content));
  for (const content of contents) {
    const reached = furthest(queues, { run, content, from: known.get(content) ?? -1 });
    const state = reached === null ? null : decodeState(reached.state);
    if (state !== null) places.set(state.id, state.place);
  }
}

function decodeState(text: string): { readonly id: string; readonly place: Place } | null {
  try {
    const [id, encoded] = JSON.parse(text) as [unknown, unknown];
    const place = decodePlace(encoded);
    return typeof id === 'string' && place !== null ? { id, place } : null;
  } catch {
    return null;
  }
}
