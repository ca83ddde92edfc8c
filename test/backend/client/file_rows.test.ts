// Rows of files are counted in their bytes, however these are cut into chunks, and what is no whole
// file is told. Parquet files of the engine itself are counted in export.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRowCounter, type FileFormat } from '../../../backend/client/file_rows.ts';

function check(format: FileFormat, content: string | Buffer, want: number | null): void {
  const bytes = Buffer.from(content as string);
  for (const size of [1, 3, bytes.length + 1]) {
    const counter = createRowCounter(format);
    for (let at = 0; at < bytes.length; at += size) counter.add(bytes.subarray(at, at + size));
    assert.equal(counter.rows(), want, `${format} in chunks of ${size}`);
  }
}

test('file rows: csv has a header, and line feeds within quotes', () => {
  check('csv', '"a"\n', 0);
  check('csv', '"a","b"\n1,"x\ny"\n2,"it""s\n"\n', 2);
  check('csv', '"a"\n1,"x\n', null);
  check('csv', '"a"\n1', null);
});

test('file rows: ndjson has a line for each', () => {
  check('ndjson', '{"a":1}\n{"a":"x\\n"}\n', 2);
  check('ndjson', '', 0);
  check('ndjson', '{"a":1', null);
});

/** A footer with version 2, a schema of one element and `rows`. */
function parquet(rows: number[]): Buffer {
  const schema = [0x19, 0x1c, 0x48, 0x06, ...Buffer.from('schema'), 0x00];
  const footer = Buffer.from([0x15, 0x04, ...schema, 0x16, ...rows, 0x00]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(footer.length);
  return Buffer.concat([Buffer.from('PAR1data'), footer, length, Buffer.from('PAR1')]);
}

test('file rows: parquet says it in its footer', () => {
  check('parquet', parquet([0x06]), 3);
  check('parquet', parquet([0x80, 0xfa, 0x01]), 16_000);
  check('parquet', parquet([0x06]).subarray(0, -1), null);
  check('parquet', '', null);
  const damaged = parquet([0x06]);
  damaged[10] = 0x1f;
  check('parquet', damaged, null);
});
