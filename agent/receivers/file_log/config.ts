// What a person writes under `receivers.file_log`: the keys and defaults of the Collector's filelog
// receiver, with these differences:
//
// - preserve_leading_whitespaces and preserve_trailing_whitespaces are true: a line is stored byte
//   for byte, without its line end. The Collector trims unless told otherwise.
// - Checkpoints are always kept on disk, in the agent's own folder; `storage` is accepted and says
//   nothing more. `retry_on_failure.enabled` likewise: what the next part cannot take now is always
//   sent again, and `max_elapsed_time` defaults to 0, for ever.
// - compression: gzip and auto are the same; a packed file is known by its first bytes. Without it
//   packed files are no text, and are read only as far as they go on what was read before.
// - Keys for what is not built are refused by name with what to do instead.

import * as z from 'zod';
import { pattern } from '../../../config/pattern.ts';
import {
  byteSize, count, duration, fault, ignoredKey, optionalSection, refusedKey, strictObject,
} from '../../../config/schema.ts';
import { fixedTexts } from '../../operators/fixed.ts';
import { operatorList } from '../../operators/pipeline.ts';
import { forBytes } from '../../lines/byte_pattern.ts';
import { parseEncoding } from '../../lines/encoding.ts';
import { retryOnFailure } from '../sending/settings.ts';

const flag = (describe: string, fallback: boolean) => z.boolean().describe(describe)
  .default(fallback);

const globs = () => z.union([z.string().transform((glob) => [glob]), z.array(z.string().min(1))]);

const sources = () => ({
  include: globs().refine((list) => list.length > 0, 'needs at least one glob')
    .describe('Globs of the files to read; ** stands for any folders.'),
  exclude: globs().describe('Globs of files not to read.').default([]),
  exclude_older_than: duration().describe('Files not changed for so long are not read.')
    .optional(),
  start_at: z.enum(['end', 'beginning'])
    .describe('Where to start in files that are there at the very first start.').default('end'),
  poll_interval: duration({ min: '10ms', max: '1h' }).describe('Time between looks at the files.')
    .prefault('200ms'),
  max_concurrent_files: count({ min: 2, max: 65_536 })
    .describe('Files kept open at the same time.').default(1024),
  fingerprint_size: byteSize({ min: '16', max: '64KiB' })
    .describe('First bytes of a file that tell it from others.').prefault('1kb'),
  initial_buffer_size: ignoredKey('buffers have a fixed size'),
  max_batches: ignoredKey('files take turns in any number'),
});

const records = () => ({
  encoding: z.string().refine((name) => parseEncoding(name) !== null, 'is not an encoding; '
    + 'known: utf-8, utf-8-raw, utf-16le, utf-16be, ascii, latin1, nop, windows-1252, big5, …')
    .describe('How the bytes of a file become text.').default('utf-8'),
  max_log_size: byteSize({ min: '64', max: '16MiB' })
    .describe('A longer record is split into several.').prefault('1MiB'),
  max_log_size_behavior: z.literal('split', 'is not supported: longer records are split')
    .describe('What happens to longer records.').default('split'),
  multiline: optionalSection({
    line_start_pattern: pattern('gm').describe('Begins a record.').optional(),
    line_end_pattern: pattern('gm').describe('Ends a record.').optional(),
    omit_pattern: flag('Leave what matches the pattern out of the record.', false),
  }).describe('How records of several lines are told apart.'),
  force_flush_period: duration({ max: '1h' })
    .describe('A last line without line end is taken after so long without growth; 0: never.')
    .prefault('500ms'),
  compression: z.enum(['', 'gzip', 'auto']).describe('gzip, auto: packed files are read, too; '
    + 'empty: only what was not read of a file before it was packed.').default(''),
  preserve_leading_whitespaces: flag('Keep white space in front of a record.', true),
  preserve_trailing_whitespaces: flag('Keep white space behind a record.', true),
});

const attributes = () => ({
  include_file_name: flag('Attribute log.file.name.', true),
  include_file_path: flag('Attribute log.file.path.', false),
  include_file_name_resolved: flag('Attribute log.file.name_resolved, links resolved.', false),
  include_file_path_resolved: flag('Attribute log.file.path_resolved, links resolved.', false),
  include_file_owner_name: flag('Attribute log.file.owner.name.', false),
  include_file_owner_group_name: flag('Attribute log.file.owner.group.name.', false),
  include_file_record_number: flag('Attribute log.file.record_number, from 1.', false),
  include_file_record_offset: flag('Attribute log.file.record_offset, in bytes.', false),
  attributes: fixedTexts().describe('Attributes that every record gets; EXPR(…) is asked of '
    + 'each.').default({}),
  resource: fixedTexts().describe('Attributes of the resource; EXPR(…) is asked of each '
    + 'record.').default({}),
});

const delivery = () => ({
  operators: operatorList().default([]),
  storage: z.string().describe('Accepted; positions are always kept on disk.').optional(),
  retry_on_failure: retryOnFailure(),
});

const refusals = () => ({
  header: refusedKey('drop the header lines with the operator filter, '
    + 'and set what they say with add'),
  delete_after_read: refusedKey('let logrotate or a timer delete old files'),
  acquire_fs_lock: refusedKey('leave it out; files are read while others write'),
  ordering_criteria: refusedKey('narrow include and exclude to the files that matter'),
  polls_to_archive: refusedKey('leave it out; positions of missing files are kept for a day'),
  on_truncate: refusedKey('leave it out; a truncated file is read from its beginning'),
  file_cache_advise: refusedKey('leave it out'),
});

export const fileLogSchema = () => strictObject({
  ...sources(), ...records(), ...attributes(), ...delivery(), ...refusals(),
}).superRefine(({ multiline, encoding }, ctx) => {
  if (multiline === undefined) return;
  const path = ['multiline'];
  const { line_start_pattern: start, line_end_pattern: end } = multiline;
  if ((start === undefined) === (end === undefined)) {
    fault(ctx, 'needs line_start_pattern or line_end_pattern, one of them', '', path);
  }
  const known = parseEncoding(encoding);
  if (known?.kind === 'nop') {
    fault(ctx, 'cannot be used with encoding nop', 'choose another encoding', path);
  }
  for (const key of ['line_start_pattern', 'line_end_pattern'] as const) {
    const expression = multiline[key];
    if (known?.unitBytes !== 1 || expression === undefined) continue;
    if (forBytes(expression) !== null) continue;
    fault(ctx, 'may hold only ASCII in brackets, and no classes such as \\p{L}',
      'write (ä|ö) for [äö], and [^\\x00-\\x7F] for whatever is beyond ASCII', [...path, key]);
  }
});

export type FileLogConfig = z.output<ReturnType<typeof fileLogSchema>>;
