/**
 * Proves where a query text is cut: heads of INSERTs apart from their data, results into a file,
 * and what is refused. Table tests on texts; what the engine then does with the pieces is proven in
 * server.test.ts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError } from '../../../../backend/storage/engine/errors.ts';
import { findInsert, parseStatement } from '../../../../backend/storage/engine/statement.ts';

/** `before|after|data` of an INSERT. */
const cutInsert = (text: string): string => {
  const found = parseStatement(text);
  assert.equal(found.kind, 'insert', text);
  assert.ok('dataStart' in found);
  return `${found.before}|${found.after}|${text.slice(found.dataStart)}`;
};

/** `before|after` of a SELECT. */
const cutSelect = (text: string): string => {
  const found = parseStatement(text);
  assert.ok(found.kind === 'select', text);
  return `${found.before}|${found.after}`;
};

test('statement: an INSERT is cut before SETTINGS, FORMAT or VALUES, after one line end', () => {
  const check = (text: string, want: string): void => assert.equal(cutInsert(text), want);
  check('INSERT INTO t FORMAT CSV\n1,2', 'INSERT INTO t |FORMAT CSV|1,2');
  check('insert into t (a, b) format CSV 1,2', 'insert into t (a, b) |format CSV|1,2');
  check('INSERT INTO t FORMAT CSV;\n1', 'INSERT INTO t |FORMAT CSV|1');
  check('INSERT INTO t FORMAT RowBinary\r\n\n\n', 'INSERT INTO t |FORMAT RowBinary|\n\n');
  check('INSERT INTO t VALUES (1)', 'INSERT INTO t |FORMAT Values| (1)');
  check('INSERT t VALUES (1)', 'INSERT t |FORMAT Values| (1)');
  const quoted = "INSERT INTO t SETTINGS a='VALUES' FORMAT X\n";
  check(quoted, "INSERT INTO t |SETTINGS a='VALUES' FORMAT X|");
  check('INSERT INTO t SETTINGS a=1 VALUES(2)', 'INSERT INTO t |SETTINGS a=1 FORMAT Values|(2)');
  check('INSERT INTO TABLE db.values FORMAT A\n', 'INSERT INTO TABLE db.values |FORMAT A|');
  check('INSERT INTO format FORMAT A\n', 'INSERT INTO format |FORMAT A|');
  check('INSERT INTO `a FORMAT b` FORMAT A\n', 'INSERT INTO `a FORMAT b` |FORMAT A|');
  check('INSERT INTO t (`a``FORMAT X`) FORMAT A\n', 'INSERT INTO t (`a``FORMAT X`) |FORMAT A|');
  const comments = '-- FORMAT X\nINSERT /* VALUES */ INTO t ';
  check(`${comments}FORMAT A\n`, `${comments}|FORMAT A|`);
  check(
    "INSERT INTO FUNCTION file('FORMAT', 'CSV') FORMAT A\n",
    "INSERT INTO FUNCTION file('FORMAT', 'CSV') |FORMAT A|",
  );
});

test('statement: the head of an INSERT that may go on in the next piece is not taken', () => {
  const check = (text: string, want: boolean): void =>
    assert.equal(findInsert(text, false) !== null, want, text);
  check('INSERT INTO t FORMAT JSON', false);
  check('INSERT INTO t FORMAT', false);
  check('INSERT INTO t (a, b', false);
  check("INSERT INTO t SETTINGS a='x FORMAT CSV\n", false);
  check('INSERT INTO t FORMAT JSON\n', false);
  check('INSERT INTO t FORMAT JSON\n{', true);
  check('INSERT INTO t VALUES', false);
  check('INSERT INTO t VALUES (', true);
});

test('statement: INSERT … SELECT … FROM input() is cut around input()', () => {
  const text = "INSERT INTO t SELECT a+1 FROM input('a UInt8') WHERE a>0 FORMAT CSV\n1";
  const found = parseStatement(text);
  assert.ok(found.kind === 'input');
  assert.equal(found.before, 'INSERT INTO t SELECT a+1 FROM ');
  assert.equal(found.structure, "'a UInt8'");
  assert.equal(found.after, ' WHERE a>0 ');
  assert.equal(found.format, 'CSV');
  assert.equal(text.slice(found.dataStart), '1');
});

test('statement: a SELECT is cut before its FORMAT, or at its end', () => {
  const check = (text: string, want: string): void => assert.equal(cutSelect(text), want);
  check('SELECT 1', 'SELECT 1|');
  check('SELECT 1 ; -- end', 'SELECT 1|');
  check('SELECT 1 FORMAT JSON;', 'SELECT 1 |FORMAT JSON');
  check('SELECT 1 FORMAT JSON SETTINGS a=1', 'SELECT 1 |FORMAT JSON SETTINGS a=1');
  check('SELECT 1 SETTINGS a=1 FORMAT JSON', 'SELECT 1 SETTINGS a=1 |FORMAT JSON');
  check('SELECT format FROM t', 'SELECT format FROM t|');
  check("SELECT ' FORMAT JSON'", "SELECT ' FORMAT JSON'|");
  check('(SELECT 1) UNION ALL (SELECT 2)', '(SELECT 1) UNION ALL (SELECT 2)|');
  check('WITH 1 AS x SELECT x', 'WITH 1 AS x SELECT x|');
  check('SELECT $$ FORMAT A; $$', 'SELECT $$ FORMAT A; $$|');
  // A quote that never ends stays in the text, so that the engine can refuse it.
  check("SELECT 1, 'abc", "SELECT 1, 'abc|");
});

test('statement: what is no SELECT and carries no data is left as it is', () => {
  const check = (text: string): void => assert.equal(parseStatement(text).kind, 'other', text);
  check('INSERT INTO t SELECT 1');
  check('WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x');
  check('CREATE TABLE t (a UInt8) ENGINE = Memory AS SELECT 1');
  check('SHOW TABLES FORMAT JSON');
});

test('statement: several statements and INTO OUTFILE are refused, quoted ones are not', () => {
  const check = (text: string, code: number): void =>
    assert.throws(
      () => parseStatement(text),
      (error) => error instanceof EngineError && error.code === code,
    );
  check('', 62);
  check(' -- nothing\n;', 62);
  check('SELECT 1; SELECT 2', 62);
  check('CREATE TABLE a (x UInt8) ENGINE = Memory; DROP TABLE a', 62);
  check("SELECT 1 INTO OUTFILE '/tmp/x'", 358);
  check("SELECT 1 into /* */ outfile '/tmp/x'", 358);
  check("INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV", 48);
  assert.equal(parseStatement("SELECT '; SELECT 2', 'INTO OUTFILE'").kind, 'select');
});

test('statement: query_id in KILL QUERY is found outside of quotes', () => {
  const text = "KILL QUERY WHERE query_id = 'query_id' SYNC";
  const found = parseStatement(text);
  assert.ok(found.kind === 'kill');
  assert.deepEqual(found.idOffsets, [17]);
});

test('statement: a long text with a quote that never ends takes linear time', () => {
  const text = `SELECT '${'\\\\a'.repeat(300_000)}`;
  assert.equal(parseStatement(text).kind, 'select');
});
