// How far the journal was read, on disk (sending/document.ts):
//
//   { "version": 1, "run",       which origins belong to it
//     "cursor",                  of the last entry with a verdict; empty: the beginning
//     "entries" }                how many of this run that were
//
// At a start the queues behind may know more than the document (sending/resume.ts): an origin of
// this receiver counts entries, and its state is the cursor.

import { join } from 'node:path';
import * as z from 'zod';
import type { Origin } from '../../../proto/contract/batch.ts';
import type { ComponentContext } from '../../../proto/contract/component.ts';
import { loadDocument } from '../sending/document.ts';
import { furthest } from '../sending/resume.ts';

export interface Position {
  readonly run: string;
  readonly cursor: string;
  readonly entries: number;
}

const VERSION = 1;
/** The journal is one content. */
export const CONTENT = 0;

export const positionPath = (folder: string): string => join(folder, 'position.json');

export const positionText = ({ run, cursor, entries }: Position): string =>
  JSON.stringify({ version: VERSION, run, cursor, entries });

const schema = () => z.object({
  version: z.literal(VERSION),
  run: z.string(),
  cursor: z.string(),
  entries: z.number().int().min(0),
});

/** Where to read on: a cursor, empty for the beginning; null at the very first start. */
export async function loadCursor(context: ComponentContext): Promise<string | null> {
  const { world: { files }, folder, log, counters, id } = context;
  const unusable = counters.counter('binnacle_journald_unusable_positions_total',
    'Starts that found a position they could not use.', { receiver: id });
  const saved = await loadDocument({
    files, log,
    path: positionPath(folder),
    otherwise: 'the journal is read from its beginning',
    quarantined: () => unusable.add(1),
  }, (document): Position | string => {
    const parsed = schema().safeParse(document);
    return parsed.success ? parsed.data : 'they are damaged';
  });
  if (saved === 'unusable') return '';
  return saved === null ? null : raised(saved, context.durable?.() ?? []);
}

function raised(
  { run, cursor, entries }: Position, queues: readonly (readonly Origin[])[],
): string {
  return furthest(queues, { run, content: CONTENT, from: entries })?.state ?? cursor;
}
