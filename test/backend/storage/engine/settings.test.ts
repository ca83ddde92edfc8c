// What the engine's own rights keep from everybody who reaches it, us included: sources outside of
// its tables, and tables that are such sources. INSERT with a body still works (server.test.ts).

import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { TestEngine } from './test_engine.ts';

let store: TestEngine;
let connections = 0;
const listener = createServer((socket) => {
  connections += 1;
  socket.destroy();
});

before(async () => {
  store = await TestEngine.open();
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
});

after(async () => {
  await store?.close();
  listener.close();
});

test('rights: no source outside of the tables, also not for who may write', async () => {
  const secret = join(store.folder, 'secret.tsv');
  const out = join(store.folder, 'out.tsv');
  writeFileSync(secret, 'secret\n');
  const at = `127.0.0.1:${(listener.address() as AddressInfo).port}`;
  const refused = [
    `SELECT * FROM file('${secret}', 'TSV', 'a String')`,
    `SELECT * FROM filesystem('${store.folder}')`,
    `SELECT * FROM url('http://${at}/', 'TSV', 'a String')`,
    `SELECT * FROM s3('http://${at}/bucket/key', 'TSV', 'a String')`,
    `SELECT * FROM remote('${at}', system.one)`,
    `SELECT * FROM mysql('${at}', 'a', 'b', 'c', 'd')`,
    `SELECT * FROM sqlite('${secret}', 'x')`,
    `INSERT INTO FUNCTION file('${out}', 'TSV', 'a String') SELECT 'x'`,
    `INSERT INTO FUNCTION url('http://${at}/', 'TSV', 'a String') SELECT 'x'`,
    'CREATE TABLE files (a String) ENGINE = File(TSV)',
    `CREATE TABLE urls (a String) ENGINE = URL('http://${at}/', 'TSV')`,
    `CREATE DATABASE files ENGINE = Filesystem('${store.folder}')`,
    'CREATE FUNCTION f AS x -> x',
    'CREATE NAMED COLLECTION c AS a = 1',
    `CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(HTTP(url 'http://${at}/' format 'TSV'))
      LAYOUT(FLAT()) LIFETIME(1)`,
    `BACKUP DATABASE default TO File('${out}')`,
  ];
  for (const sql of refused) {
    const { body } = await store.ask('/', sql);
    assert.match(body.toString(), /^Code: 497\..*ACCESS_DENIED/s, sql);
  }
  assert.equal(existsSync(out), false);
  assert.equal(connections, 0);
});

test('rights: nothing tells the name of the machine unasked', async () => {
  const { body } = await store.ask('/', 'SELECT displayName()');
  assert.equal(body.toString(), 'binnacle\n');
});
