// recombine: consecutive entries of a source become one, told apart by their first or their last.
// Which entries are held back, and for how long, is what batches.ts is told.

import * as z from 'zod';
import { byteSize, count, duration, fault } from '../../config/schema.ts';
import { field, getField, type Field } from './entry.ts';
import { condition } from './expression/expression.ts';
import { Joining, sourceOf } from './joining.ts';
import { flowOperator, operatorKeys } from './step.ts';

const FILE_PATH: Field = { root: 'attributes', keys: ['log.file.path'] };

export const recombine = flowOperator({
  keys: () => ({
    ...operatorKeys(),
    is_first_entry: condition().describe('Holds for the first entry of a series.').optional(),
    is_last_entry: condition().describe('Holds for the last entry of a series.').optional(),
    combine_field: field().describe('Field whose text is put together.'),
    combine_with: z.string().describe('What stands between the texts.').default('\n'),
    source_identifier: field().describe('Field that tells sources apart.').default(FILE_PATH),
    overwrite_with: z.enum(['oldest', 'newest'])
      .describe('Which entry the other fields are of.').default('newest'),
    max_batch_size: count().describe('Entries of one series at most; 0: no bound.').default(1000),
    max_unmatched_batch_size: count()
      .describe('The same before the first or last one was seen; 1: they stay single.')
      .default(100),
    max_log_size: byteSize().describe('Bytes of one text after which it is sent; 0: no bound.')
      .prefault(0),
    max_sources: count({ min: 1, max: 100_000 }).describe('Sources with entries held back; with '
      + 'more of them all are sent.').default(1000),
    force_flush_period: duration({ min: '1ms', max: '1h' })
      .describe('Entries are held back at most so long.').prefault('5s'),
  }),
  check: ({ is_first_entry: first, is_last_entry: last }, ctx) => {
    if ((first === undefined) === (last === undefined)) {
      fault(ctx, 'needs is_first_entry or is_last_entry, one of them');
    }
  },
  create: (config, _making, { send, fail, holds }) => {
    const { combine_field: from, source_identifier: identifier } = config;
    const isFirst = config.is_first_entry !== undefined;
    const matches = (config.is_first_entry ?? config.is_last_entry)!;
    const joining = new Joining({
      field: from,
      between: config.combine_with,
      keep: config.overwrite_with,
      entriesMax: config.max_batch_size,
      unmatchedMax: config.max_unmatched_batch_size,
      bytesMax: config.max_log_size,
      sourcesMax: config.max_sources,
      holdMs: config.force_flush_period,
    }, send);
    holds(joining);
    return (entry) => {
      const matched = matches(entry);
      if (typeof matched === 'string') return fail(entry, matched);
      const text = getField(entry, from);
      if (typeof text !== 'string') return fail(entry, 'combine_field is not there, or no text');
      const source = sourceOf(entry, identifier);
      if (matched && isFirst) joining.send(source);
      joining.add(source, entry, text, matched);
      if (matched && !isFirst) joining.send(source);
    };
  },
});
