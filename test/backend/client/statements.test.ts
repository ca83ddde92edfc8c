// Where statements end, for every way in which ClickHouse hides a semicolon; which FORMAT they
// bring; and that one line of a statement means the same. A text made of pieces is split into
// exactly these pieces, whatever they are.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { inOneLine, isOpen, ownFormat, splitStatements }
  from '../../../backend/client/statements.ts';

const check = (text: string, ...want: string[]) =>
  assert.deepEqual(splitStatements(text).map(({ sql }) => sql), want, text);

test('statements: end at semicolons, but not in quotes, comments and here-documents', () => {
  check('SELECT 1', 'SELECT 1');
  check('SELECT 1; SELECT 2 ;\n', 'SELECT 1', 'SELECT 2');
  check(";;  ; -- only; this\n /* and; that */ ;#! x;\n");
  check("SELECT 'a;b', 'it''s;', 'back\\';', `c;d`, \"e;\"\"f\"; SELECT 2",
    "SELECT 'a;b', 'it''s;', 'back\\';', `c;d`, \"e;\"\"f\"", 'SELECT 2');
  check('SELECT 1 -- a;b\n; SELECT /* ; */ 2', 'SELECT 1 -- a;b', 'SELECT /* ; */ 2');
  check('SELECT $x$ ; $y$ ; $x$; SELECT $$;$$', 'SELECT $x$ ; $y$ ; $x$', 'SELECT $$;$$');
  check("SELECT 'open; SELECT 2", "SELECT 'open; SELECT 2");
  check('SELECT 4 - 2; SELECT 4 / 2; SELECT a$b', 'SELECT 4 - 2', 'SELECT 4 / 2', 'SELECT a$b');
});

test('statements: say where they begin and whether they ended', () => {
  assert.deepEqual(splitStatements('  SELECT 1;\n SELECT 2'), [
    { sql: 'SELECT 1', start: 2, ended: true }, { sql: 'SELECT 2', start: 13, ended: false },
  ]);
});

test('statements: what is put together comes apart again', () => {
  const piece = fc.array(fc.constantFrom("'a;b'", '"x""; "', '`;`', '/* ; */', '-- ;\n', '$$;$$',
    'SELECT', '1', ' ', '\n', '-', '/', '(', "'it''s'"), { minLength: 1, maxLength: 8 })
    .map((parts) => `S${parts.join(' ')}`.trim()).filter((sql) => !sql.endsWith('--'));
  fc.assert(fc.property(fc.array(piece, { maxLength: 5 }), (pieces) => {
    check(pieces.map((sql) => `${sql}\n;`).join(' '), ...pieces);
  }));
});

test('statements: a large quoted text is one', () => {
  const sql = `SELECT '${'x;'.repeat(1_000_000)}'`;
  assert.equal(splitStatements(sql).length, 1);
  const doubled = `SELECT '${"''".repeat(500_000)}'`;
  assert.equal(splitStatements(doubled).length, 1);
});

test('statements: open quotes and comments are told', () => {
  assert.equal(isOpen("SELECT 'a"), true);
  assert.equal(isOpen('SELECT /* a'), true);
  assert.equal(isOpen('SELECT 1 -- a'), true);
  assert.equal(isOpen("SELECT 'a'"), false);
});

test('statements: their own FORMAT is found', () => {
  const own = (sql: string, want: string | null) => assert.equal(ownFormat(sql), want, sql);
  own('SELECT 1 FORMAT CSV', 'CSV');
  own('SELECT 1 format JSON -- x', 'JSON');
  own('SELECT 1 FORMAT TSV SETTINGS a = 1', 'TSV');
  own("SELECT 'x FORMAT CSV'", null);
  own('SELECT format FROM t', null);
  own('SELECT format FROM t ORDER BY format DESC', null);
});

test('statements: in one line they are the same', () => {
  assert.equal(inOneLine("SELECT 1, -- one\n  'a\nb' /* two\nlines */\nFROM t"),
    "SELECT 1, 'a\\nb' /* two lines */ FROM t");
});
