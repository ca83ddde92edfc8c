// The list of what an export has, `manifest.json` in its folder. It says what was asked, and names
// each piece that is complete; it is replaced as a whole when a piece has its name, so that an
// export that was broken off goes on behind it.
//
//     { "version": 1, "asked": {…}, "from": "…", "to": "…", "complete": false,
//       "pieces": [{ "from": "…", "to": "…", "file": "…" | null, "rows": 0, "bytes": 0 }, …] }

import { join } from 'node:path';
import { OperatorError } from '../../runtime/errors.ts';
import type { Files } from '../../runtime/files.ts';

/** What a person asked; another question needs another folder. */
export interface ExportAsked {
  readonly what: string;
  readonly format: string;
  readonly from: string;
  readonly to: string;
  readonly every: string;
}

export interface ExportPiece {
  /** ISO 8601, UTC; `to` is not inside. */
  readonly from: string;
  readonly to: string;
  /** Null when there was nothing. */
  readonly file: string | null;
  readonly rows: number;
  readonly bytes: number;
}

export interface Manifest {
  readonly version: 1;
  readonly asked: ExportAsked;
  /** What `asked` meant when it began. */
  readonly from: string;
  readonly to: string;
  readonly complete: boolean;
  /** In the order of time. */
  readonly pieces: readonly ExportPiece[];
}

const NAME = 'manifest.json';

/** Null when there is none. Throws OperatorError for one that is not of this question. */
export async function readManifest(
  files: Files,
  folder: string,
  asked: ExportAsked,
): Promise<Manifest | null> {
  const path = join(folder, NAME);
  const text = await files.readText(path);
  if (text === null) return null;
  const manifest = parsed(text);
  if (manifest === null) {
    throw new OperatorError(`cannot read ${path}: it is no list of an export`,
      'take another folder, or remove it');
  }
  if (JSON.stringify(manifest.asked) === JSON.stringify(asked)) return manifest;
  const differs = (Object.keys(asked) as (keyof ExportAsked)[])
    .filter((key) => manifest.asked[key] !== asked[key]);
  throw new OperatorError(`${folder} holds another export: ${differs.map((key) =>
    `${key} is ${manifest.asked[key]}`).join(', ')}`, 'take another folder');
}

export const writeManifest = (files: Files, folder: string, manifest: Manifest): Promise<void> =>
  files.replace(join(folder, NAME), `${JSON.stringify(manifest, null, 1)}\n`);

function parsed(text: string): Manifest | null {
  try {
    const found = JSON.parse(text) as Manifest;
    return found.version === 1 && Array.isArray(found.pieces) && typeof found.asked === 'object'
      ? found : null;
  } catch {
    return null;
  }
}

/** Pieces from the first on whose files are as they were written. */
export async function intactPieces(
  files: Files,
  folder: string,
  pieces: readonly ExportPiece[],
): Promise<ExportPiece[]> {
  const intact: ExportPiece[] = [];
  for (const piece of pieces) {
    const stat = piece.file === null ? null : await files.stat(join(folder, piece.file));
    if (piece.file === null || stat?.sizeBytes === piece.bytes) intact.push(piece);
  }
  return intact;
}
