// The order of the roles, on which what they may do is built.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ROLES } from '../../../backend/access/roles.ts';

test('roles: from the least to the most', () => {
  assert.deepEqual(ROLES, ['writer', 'viewer', 'analyst', 'operator', 'admin']);
});
