// All editors and converters that every signal knows.

import type { FunctionSpec } from './function.ts';
import { LIST_FUNCTIONS } from './lists.ts';
import { HASH_FUNCTIONS } from './hashes.ts';
import { MAP_EDITORS } from './map_editors.ts';
import { PARSE_FUNCTIONS } from './parsing.ts';
import { REPLACE_EDITORS } from './replace_editors.ts';
import { TEXT_FUNCTIONS } from './texts.ts';
import { TIME_FUNCTIONS } from './times.ts';
import { TYPE_FUNCTIONS } from './types.ts';

export const FUNCTIONS: readonly FunctionSpec[] = [
  ...MAP_EDITORS, ...REPLACE_EDITORS, ...TYPE_FUNCTIONS, ...TEXT_FUNCTIONS, ...LIST_FUNCTIONS,
  ...HASH_FUNCTIONS, ...PARSE_FUNCTIONS, ...TIME_FUNCTIONS,
];

const BY_NAME: ReadonlyMap<string, FunctionSpec> = byName(FUNCTIONS);

/** All functions by name, with more that a processor brings. */
export function functionsWith(more: readonly FunctionSpec[]): ReadonlyMap<string, FunctionSpec> {
  return more.length === 0 ? BY_NAME : new Map([...BY_NAME, ...byName(more)]);
}

function byName(functions: readonly FunctionSpec[]): ReadonlyMap<string, FunctionSpec> {
  return new Map(functions.map((spec) => [spec.name, spec]));
}
