/**
 * Proves that the engine's texts become ClickHouse's: code, name, message without the repeated
 * wrappers and without our own paths, and the status of a server.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEngineError, statusOf } from '../../../../backend/storage/engine/errors.ts';

test('errors: wrappers and versions are taken off, code and name stay', () => {
  const error = parseEngineError(
    'Code: 73. DB::Exception: Code: 73. DB::Exception: Unknown format Nope. Maybe you meant: ' +
      "['One','Npy']. (UNKNOWN_FORMAT) (version 26.7.2.1). (UNKNOWN_FORMAT)",
  );
  assert.equal(error.code, 73);
  assert.equal(error.status, 404);
  assert.equal(
    error.body('26.7.2.1'),
    "Code: 73. DB::Exception: Unknown format Nope. Maybe you meant: ['One','Npy']. " +
      '(UNKNOWN_FORMAT) (version 26.7.2.1)\n',
  );
});

test('errors: paths of spool files are not told', () => {
  const error = parseEngineError(
    'Code: 27. DB::Exception: Cannot parse input: (at row 2)\n: (in file/uri /x/y): While ' +
      'executing Native: While executing File: data for INSERT was parsed from file. ' +
      '(CANNOT_PARSE_INPUT_ASSERTION_FAILED)',
    ['/x/y'],
  );
  assert.equal(error.code, 27);
  assert.doesNotMatch(error.message, /\/x\/y|INFILE|from file/);
});

test('errors: a text of unknown shape is an UNKNOWN_EXCEPTION with status 500', () => {
  const error = parseEngineError('something else');
  assert.deepEqual(
    [error.code, error.type, error.status, error.message],
    [1002, 'UNKNOWN_EXCEPTION', 500, 'something else'],
  );
});

test('errors: statuses are those of a server', () => {
  const check = (code: number, want: number): void => assert.equal(statusOf(code), want);
  check(62, 400);
  check(60, 404);
  check(159, 408);
  check(229, 413);
  check(48, 501);
  check(241, 500);
});
