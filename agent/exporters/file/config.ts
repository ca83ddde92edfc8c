// The configuration of the file exporter, with the keys and defaults of the Collector's.

import * as z from 'zod';
import {
  count, duration, fault, optionalSection, refusedKey, section, strictObject,
} from '../../../config/schema.ts';

/** Stands in `path` for the value of the resource attribute. */
export const PLACEHOLDER = '*';

export const createSchema = () => strictObject({
  path: z.string().min(1).describe('The file; with group_by it has one * for the attribute.'),
  rotation: optionalSection({
    max_megabytes: count({ min: 1 }).describe('MiB at which a file is put aside.').default(100),
    max_days: count().describe('Days that files are kept; 0: for ever.').default(0),
    max_backups: count().describe('Files that are kept besides; 0: all.').default(100),
    localtime: z.boolean().describe('Local time in names of files instead of UTC.').default(false),
  }).describe('Puts files aside when they are large; absent: one file that grows.'),
  format: z.enum(['json', 'proto']).describe('A line of OTLP JSON for each batch, or protobuf.')
    .default('json'),
  compression: z.literal('', 'is not supported: Node.js 20 has no zstd')
    .describe('None: zstd needs a later Node.js; compress what was rotated.').default(''),
  append: z.boolean().describe('Keep what is in the file at the start; always with rotation.')
    .default(false),
  flush_interval: duration()
    .describe('How often what was written is synced to the disk; 0s: before it is accepted.')
    .prefault('1s'),
  group_by: section({
    enabled: z.boolean().describe('A file for each value of a resource attribute.').default(false),
    resource_attribute: z.string().min(1).describe('Its value takes the place of * in the path.')
      .default('fileexporter.path_segment'),
    max_open_files: count({ min: 1, max: 10_000 })
      .describe('With more files, that which was used least recently is closed.').default(100),
  }).describe('Several files instead of one.'),
  create_directory: z.boolean().describe('Make the folder of the file when it is not there.')
    .default(false),
  directory_permissions: z.string().regex(/^0?[0-7]{3}$/, 'must be octal, such as 0755')
    .describe('Of folders that are made.').default('0755'),
  encoding: refusedKey('format is json or proto'),
}).superRefine(({ path, rotation, append, group_by: group }, ctx) => {
  const stars = path.split(PLACEHOLDER).length - 1;
  if (group.enabled && stars !== 1) {
    fault(ctx, 'must have one * for group_by', 'write a path such as ./out/*.json', ['path']);
  }
  if (group.enabled && !path.slice(0, path.indexOf(PLACEHOLDER)).includes('/')) {
    fault(ctx, 'needs a folder in front of the *', 'write a path such as ./out/*.json', ['path']);
  }
  if (append && rotation !== undefined) {
    fault(ctx, 'contradicts rotation, which always appends', 'leave it out', ['append']);
  }
});

export type FileConfig = z.output<ReturnType<typeof createSchema>>;
