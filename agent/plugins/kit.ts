// What a plugin is handed, since it cannot import what is bundled into the agent. Names that stand
// here stay; docs/plugins.md lists them.

import {
  any, array, boolean, discriminatedUnion, enum as oneOf, int, literal, NEVER, number, object,
  preprocess, record, strictObject, string, tuple, union, unknown,
} from 'zod';
import { pattern } from '../../config/pattern.ts';
import {
  byteSize, count, duration, endpoint, fault, optionalSection, percentage, secret, section,
} from '../../config/schema.ts';
import { Batch } from '../../proto/contract/batch.ts';
import { ACCEPTED, rejected, retryable } from '../../proto/contract/outcome.ts';
import { SIGNALS } from '../../proto/otlp/model.ts';
import { OperatorError } from '../../runtime/errors.ts';
import { sameValue, setAttribute, valueOf } from '../processors/edit/actions.ts';
import { editAttributes, editPoints, editRecords } from '../processors/edit/records.ts';

export const kit = Object.freeze({
  /** Of zod 4. */
  z: Object.freeze({
    any, array, boolean, discriminatedUnion, enum: oneOf, int, literal, NEVER, number, object,
    preprocess, record, strictObject, string, tuple, union, unknown,
  }),
  /** For settings; see config/schema.ts. */
  config: Object.freeze({
    byteSize, count, duration, endpoint, fault, optionalSection, pattern, percentage, secret,
    section,
  }),
  SIGNALS,
  Batch,
  ACCEPTED,
  rejected,
  retryable,
  /** For errors that the operator must mend: `new OperatorError(message, hint)`. */
  OperatorError,
  /** For records; see agent/processors/edit/. */
  edit: Object.freeze({
    attributes: editAttributes, points: editPoints, records: editRecords, sameValue, setAttribute,
    valueOf,
  }),
});

export type PluginKit = typeof kit;
