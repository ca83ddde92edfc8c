// Records are refused only for what values cause. Everything else that ClickHouse may answer makes
// senders come again, and what a person must mend is said in the log as an error. The errors come
// from a server that answers as ClickHouse does, and from a real engine that is maltreated.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { ClickHouseError } from '@clickhouse/client';
import { Connection } from '../../../../backend/storage/clickhouse/client.ts';
import {
  insertFailure, OVERLOAD_CODES, VALUE_CODES,
} from '../../../../backend/storage/clickhouse/errors.ts';
import { createWriter } from '../../../../backend/storage/clickhouse/writer.ts';
import { Batch } from '../../../../proto/contract/batch.ts';
import { ACCEPTED } from '../../../../proto/contract/outcome.ts';
import { createRecordingLog, makeBatch, NEVER } from '../../../contract/fakes.ts';
import { startEngine } from '../engine_fixture.ts';
import { countRows, startStorage, storageOptions } from './storage_fixture.ts';

const batch = Batch.fromBytes('logs', makeBatch('logs', 3).bytes, 'a/1/1');

/** What the writer answers when ClickHouse answers an insert so. */
async function storeInto(status: number, body: string) {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(status).end(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const log = createRecordingLog();
  const options = { ...storageOptions(url, {}), log };
  const connection = new Connection(options);
  const writer = createWriter({ ...options, connection });
  try {
    const outcomes = [await writer.consume(batch, NEVER), await writer.consume(batch, NEVER, 1)];
    return { outcomes, log };
  } finally {
    await writer.stop(AbortSignal.timeout(5000));
    await connection.close();
    server.close();
  }
}

const exception = (code: number, message: string, name: string): string =>
  `Code: ${code}. DB::Exception: ${message}. (${name}) (version 26.7.2.1 (official build))`;

const FAILURES: readonly (readonly [string, number, string])[] = [
  ['a wrong password', 403,
    exception(516, 'Authentication failed: password is incorrect', 'AUTHENTICATION_FAILED')],
  ['an unknown user', 403, exception(192, 'There is no user `x`', 'UNKNOWN_USER')],
  ['a missing grant', 403, exception(497, 'default: Not enough privileges', 'ACCESS_DENIED')],
  ['a missing table', 404,
    exception(60, 'Table default.otel_logs does not exist', 'UNKNOWN_TABLE')],
  ['a missing database', 404, exception(81, 'Database x does not exist', 'UNKNOWN_DATABASE')],
  ['a missing column', 500, exception(16, 'No such column BatchId', 'NO_SUCH_COLUMN_IN_TABLE')],
  ['a read-only user', 500, exception(164, 'Cannot execute query in readonly mode', 'READONLY')],
  ['a setting that is fixed', 500,
    exception(452, 'It should not be changed', 'SETTING_CONSTRAINT_VIOLATION')],
  ['a setting of another version', 404, exception(115, 'Unknown setting', 'UNKNOWN_SETTING')],
  ['a quota that is used up', 500, exception(201, 'Quota exceeded', 'QUOTA_EXCEEDED')],
  ['a full disk', 500,
    exception(243, 'Cannot reserve 1.00 MiB, not enough space', 'NOT_ENOUGH_SPACE')],
  ['a broken disk', 500, exception(75, 'Cannot write to file', 'CANNOT_WRITE_TO_FILE_DESCRIPTOR')],
  ['a view that names a lost column', 404, exception(47, 'Missing columns', 'UNKNOWN_IDENTIFIER')],
  ['a bug of the store', 500, exception(49, 'Bad cast', 'LOGICAL_ERROR')],
  ['an error of tomorrow', 500, exception(1999, 'What is this?', 'NEW_ERROR')],
];

for (const [name, status, body] of FAILURES) {
  test(`errors: ${name} refuses nothing, and a person is told`, async () => {
    const { outcomes, log } = await storeInto(status, body);
    for (const outcome of outcomes) {
      assert.equal(outcome.status, 'retryable', outcome.reason);
      assert.ok(outcome.status === 'retryable' && outcome.retryAfterMs! >= 5000);
    }
    const said = log.lines.filter(({ level }) => level === 'error');
    assert.equal(said.length, 2, JSON.stringify(log.lines));
    for (const { message } of said) assert.match(message, /cannot (insert|look up) logs: /);
  });
}

test('errors: a store that has too much to do refuses nothing, and nobody is woken', async () => {
  const texts = [
    [500, exception(241, '(total) memory limit exceeded', 'MEMORY_LIMIT_EXCEEDED')],
    [500, exception(252, 'Too many parts (3001 with average size of 1.00 MiB) in table \'x\'',
      'TOO_MANY_PARTS')],
    [500, exception(252, 'Too many parts (100001) in all partitions in total', 'TOO_MANY_PARTS')],
    [502, '<html>Bad Gateway</html>'],
    [403, '<html>Forbidden by a proxy</html>'],
  ] as const;
  for (const [status, text] of texts) {
    const { outcomes, log } = await storeInto(status, text);
    for (const outcome of outcomes) assert.equal(outcome.status, 'retryable', outcome.reason);
    assert.deepEqual(log.lines.filter(({ level }) => level === 'error'), []);
  }
});

test('errors: of all numbers, those of values alone refuse', () => {
  for (let code = 0; code < 2000; code++) {
    const error = new ClickHouseError({ code: String(code), type: 'X', message: '' });
    const failure = insertFailure(error);
    assert.equal(failure.transient, !VALUE_CODES.has(code), String(code));
    assert.equal(failure.needsPerson, !VALUE_CODES.has(code) && !OVERLOAD_CODES.has(code));
  }
});

test('errors: the store knows the numbers by our names; a lost table costs nothing', async () => {
  const engine = await startEngine();
  const fixture = await startStorage(engine.url, { database: 'errors' });
  try {
    for (const [code, name] of [...VALUE_CODES, ...OVERLOAD_CODES]) {
      assert.deepEqual(await fixture.rows(`SELECT errorCodeToName(${code}) AS name`), [{ name }]);
    }
    await fixture.rows('RENAME TABLE otel_logs TO elsewhere');
    const { writer } = fixture.storage;
    for (const attempt of [0, 1]) {
      assert.equal((await writer.consume(batch, NEVER, attempt)).status, 'retryable');
    }
    await fixture.rows('RENAME TABLE elsewhere TO otel_logs');
    for (const attempt of [2, 3]) {
      assert.deepEqual(await writer.consume(batch, NEVER, attempt), ACCEPTED);
    }
    assert.equal(await countRows(fixture.storage, 'otel_logs'), 3);
  } finally {
    await fixture.stop();
    await engine.stop();
  }
});
