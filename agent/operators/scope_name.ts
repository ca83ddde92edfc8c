// The scope's name: from a field of an entry to the instrumentation scope of its record.

import { field, getField, type Field } from './entry.ts';
import { operatorKeys, stepOperator, type Step } from './step.ts';

/** The keys, for `scope_name` blocks and for scope_name_parser. */
export const scopeNameKeys = () => ({
  parse_from: field().describe('Field that holds the name of the scope.'),
});

export const scopeNameParser = stepOperator({
  keys: () => ({ ...operatorKeys(), ...scopeNameKeys() }),
  create: (config) => createScopeName(config),
});

export function createScopeName({ parse_from: from }: { parse_from: Field }): Step {
  return (entry) => {
    const value = getField(entry, from);
    if (value === undefined) return 'the field of the scope name is not there';
    if (typeof value !== 'string') return 'the scope name is no text';
    entry.scopeName = value;
    return null;
  };
}
