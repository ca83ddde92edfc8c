// What a person writes under `receivers.journald`: the keys and defaults of the Collector's, with
// these differences:
//
// - The position in the journal is always kept on disk, in the agent's own folder; `storage` is
//   accepted and says nothing more. `retry_on_failure.enabled` likewise, and `max_elapsed_time`
//   defaults to 0, for ever.
// - start_at: end begins after the newest entry; the Collector's shows the last ten first.

import * as z from 'zod';
import { fault, section } from '../../../config/schema.ts';
import { operatorList } from '../../operators/pipeline.ts';
import { retryOnFailure } from '../sending/settings.ts';

const flag = (describe: string, fallback = false) => z.boolean().describe(describe)
  .default(fallback);

const list = (describe: string) => z.array(z.string().min(1)).describe(describe).default([]);

/** What journalctl takes for a value: it must not look like an option. */
const word = () => z.string().min(1);

const PRIORITIES = 'emerg|alert|crit|err|warning|notice|info|debug|[0-7]';
const PRIORITY = new RegExp(`^(${PRIORITIES})(\\.\\.(${PRIORITIES}))?$`);

const texts = () => z.record(
  z.string().min(1),
  z.union([z.string(), z.number(), z.boolean()]).transform(String)
    .refine((text) => !/^EXPR\(/.test(text), 'expressions are not supported'),
);

const match = () => z.record(
  z.string().regex(/^[A-Z0-9_]+$/, 'must be the name of a field of the journal, such as _UID'),
  z.union([z.string(), z.number()]).transform(String),
).refine((fields) => Object.keys(fields).length > 0, 'names no field');

const source = () => ({
  directory: word().describe('Folder of journal files; absent: the journal of this machine.')
    .optional(),
  files: list('Journal files, or globs of them, instead of a folder.'),
  namespace: word().describe('A namespace of the journal; * for all.').optional(),
  merge: flag('Entries of all machines whose journals are there.'),
  journalctl_path: word().describe('The program that reads the journal.').default('journalctl'),
  root_path: z.string().startsWith('/', 'must begin with /')
    .describe('A root folder in which journalctl is run, by chroot; only for root.').optional(),
  start_at: z.enum(['end', 'beginning']).describe('Where to start at the very first start.')
    .default('end'),
});

const choice = () => ({
  units: list('Only entries of these units, or patterns of them.'),
  identifiers: list('Only entries with these syslog identifiers.'),
  matches: z.array(match()).describe('Only entries with these fields; any of the list.')
    .default([]),
  priority: z.union([z.string(), z.int()]).transform(String)
    .refine((text) => PRIORITY.test(text), 'is not a priority: write 0 to 7, emerg, alert, crit, '
      + 'err, warning, notice, info, debug, or a range such as err..warning')
    .describe('Only entries of this priority and more important ones, or of a range.')
    .default('info'),
  grep: word().describe('Only entries whose message this expression (PCRE2) fits.').optional(),
  dmesg: flag('Only messages of the kernel, since the boot.'),
  all: flag('Also fields that are very long, or not text.'),
});

const records = () => ({
  convert_message_bytes: flag('A message that is not text becomes text, as far as it is UTF-8.'),
  attributes: texts().describe('Attributes that every record gets.').default({}),
  resource: texts().describe('Attributes of the resource.').default({}),
  operators: operatorList().default([]),
  storage: z.string().describe('Accepted; the position is always kept on disk.').optional(),
  retry_on_failure: retryOnFailure(),
});

export const journaldSchema = () => section({ ...source(), ...choice(), ...records() })
  .superRefine(({ directory, files, root_path: root, journalctl_path: path }, ctx) => {
    if (directory !== undefined && files.length > 0) {
      fault(ctx, 'cannot stand beside directory', 'write one of them', ['files']);
    }
    if (root !== undefined && !path.startsWith('/')) {
      fault(ctx, 'must be a whole path when root_path is set',
        'write where journalctl is below it, such as /usr/bin/journalctl', ['journalctl_path']);
    }
  });

export type JournaldConfig = z.output<ReturnType<typeof journaldSchema>>;
