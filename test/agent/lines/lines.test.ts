// Proves that lines arrive byte for byte: line ends, partial and long lines, encodings, records of
// several lines, and the eight log files of loghub. Splitting is also checked against itself: the
// same bytes in pieces of any size give the same records.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { createSeededRandom } from '../../../runtime/random.ts';
import { parseEncoding } from '../../../agent/lines/encoding.ts';
import { createSplit, type Multiline } from '../../../agent/lines/split.ts';
import { temporaryFolder } from '../../contract/fakes.ts';
import { attribute, follow, type Config } from '../receivers/file_log/following.ts';

const LOGHUB = new URL('../../../../shared/data/loghub', import.meta.url).pathname;

/** The bodies that a file of this content gives, also after its last line was waited for. */
async function read(content: string | Uint8Array, config: Config = {}): Promise<unknown[]> {
  const following = await follow({ ...config });
  following.write('a.log', content);
  await following.flush();
  const bodies = following.records().map(({ body }) => body!.value);
  await following.stop();
  return bodies;
}

test('file_log: the eight files of loghub, line by line, byte for byte', async (t) => {
  if (!existsSync(LOGHUB)) {
    t.skip(`no sample data at ${LOGHUB}`);
    return;
  }
  const names = readdirSync(LOGHUB).filter((name) => name.endsWith('.log'));
  assert.equal(names.length, 8);
  const following = await follow();
  for (const name of names) following.write(name, readFileSync(`${LOGHUB}/${name}`));
  await following.flush();
  for (const name of names) {
    // As the bytes are: latin1 gives each byte a character.
    const lines = readFileSync(`${LOGHUB}/${name}`, 'latin1').split('\r\n');
    if (lines.at(-1) === '') lines.pop();
    assert.equal(lines.length, 2000);
    const bodies = following.records()
      .filter((record) => attribute(record, 'log.file.name') === name)
      .map(({ body }) => Buffer.from(body!.value as string, 'utf8').toString('latin1'));
    assert.deepEqual(bodies, lines, name);
  }
  await following.stop();
});

test('file_log: LF, CR LF and neither; a CR elsewhere is a part of the line', async () => {
  assert.deepEqual(await read('one\ntwo\r\nth\rree\r\r\n four \n\tfive\t'),
    ['one', 'two', 'th\rree\r', ' four ', '\tfive\t']);
  assert.deepEqual(await read('\n\n one\n\r\n\n'), [' one']);
  assert.deepEqual(await read(''), []);
});

test('file_log: white space at the ends goes where the configuration says so', async () => {
  const content = ' \tone \n  \ntwo';
  const trim = (leading: boolean, trailing: boolean) => read(content, {
    preserve_leading_whitespaces: !leading, preserve_trailing_whitespaces: !trailing,
  });
  assert.deepEqual(await trim(true, true), ['one', 'two']);
  assert.deepEqual(await trim(true, false), ['one ', 'two']);
  assert.deepEqual(await trim(false, true), [' \tone', 'two']);
});

test('file_log: a last line waits for its end, or for force_flush_period', async () => {
  const following = await follow();
  following.write('a.log', 'one\ntw');
  await following.poll();
  assert.deepEqual(following.bodies(), ['one']);
  await following.clock.advance(400);
  following.append('a.log', 'o');
  await following.poll();
  await following.clock.advance(400);
  await following.poll();
  assert.deepEqual(following.bodies(), ['one'], 'it has grown');
  following.append('a.log', '\nthree');
  await following.flush();
  assert.deepEqual(following.bodies(), ['one', 'two', 'three']);
  // The line end of what was taken without it is no line of its own.
  following.append('a.log', '\r\nfour\n');
  await following.poll();
  following.append('a.log', '\n\nfive\n');
  await following.poll();
  assert.deepEqual(following.bodies(), ['one', 'two', 'three', 'four', 'five']);
  await following.stop();
});

test('file_log: what was taken without its line end is known after a restart', async () => {
  const first = await follow();
  first.write('a.log', 'one');
  await first.flush();
  first.append('a.log', '\ntwo\n');
  const second = await first.restart({ include_file_record_number: true });
  await second.poll();
  assert.deepEqual(second.bodies(), ['two']);
  assert.equal(attribute(second.records()[0]!, 'log.file.record_number'), 2n);
  await second.stop();
});

test('file_log: force_flush_period 0 never takes an incomplete line', async () => {
  const following = await follow({ force_flush_period: '0s' });
  following.write('a.log', 'one\ntwo');
  await following.flush();
  await following.clock.advance(100_000);
  await following.poll();
  assert.deepEqual(following.bodies(), ['one']);
  await following.stop();
});

test('file_log: long lines are split between characters, whatever comes when', async () => {
  const long = 'ä€😀x'.repeat(100);
  const config = { max_log_size: 64 };
  const bodies = await read(`a\n${long}\nb\n`, config) as string[];
  assert.equal(bodies.slice(1, -1).join(''), long);
  assert.ok(bodies.every((body) => Buffer.byteLength(body) <= 64));
  const exact = 'e'.repeat(64);
  assert.deepEqual(await read(`${exact}\n${exact}\r\n${exact}f\n`, config),
    [exact, exact, exact, 'f']);
  const following = await follow(config);
  for (const byte of Buffer.from(`${long}\nb\n`)) {
    following.write('a.log', Buffer.from([byte]));
    break;
  }
  const rest = Buffer.from(`${long}\nb\n`).subarray(1);
  for (let at = 0; at < rest.length; at += 13) {
    following.append('a.log', rest.subarray(at, at + 13));
    await following.poll();
  }
  assert.deepEqual(following.bodies(), bodies.slice(1));
  await following.stop();
});

test('file_log: a line longer than what is read at one time', async () => {
  const line = 'x'.repeat(5_000_000);
  const bodies = await read(`${line}\nend\n`) as string[];
  assert.deepEqual(bodies.map(({ length }) => length),
    [1048576, 1048576, 1048576, 1048576, 805696, 3]);
  assert.deepEqual(await read(`${line}\nend\n`, { max_log_size: '8MiB' }), [line, 'end']);
});

test('file_log: bytes that are not UTF-8: replaced and counted, or kept as bytes', async () => {
  const content = Buffer.concat([Buffer.from('gr\u00fcn\nb'), Buffer.from([0xff, 0x0a]),
    Buffer.from('€\n')]);
  assert.deepEqual(await read(content), ['grün', 'b\ufffd', '€']);
  assert.deepEqual(await read(content, { encoding: 'utf-8-raw' }),
    ['grün', Uint8Array.of(0x62, 0xff), '€']);
  const following = await follow();
  following.write('a.log', content);
  await following.poll();
  assert.equal(following.counters.total('binnacle_file_log_mended_records_total'), 1);
  await following.stop();
});

test('file_log: encodings', async () => {
  const text = 'one\nzwölf €\r\n\u0a0a\u0d0a \ud83d\ude00\nlast';
  const lines = ['one', 'zwölf €', '\u0a0a\u0d0a \ud83d\ude00', 'last'];
  const little = Buffer.from(text, 'utf16le');
  const big = Buffer.from(little).swap16();
  assert.deepEqual(await read(little, { encoding: 'utf-16le' }), lines);
  assert.deepEqual(await read(big, { encoding: 'utf-16be' }), lines);
  const marked = Buffer.concat([Buffer.from([0xff, 0xfe]), little]);
  assert.deepEqual(await read(marked, { encoding: 'UTF-16' }), lines);
  const latin = Buffer.from('zwölf\nÿ\n', 'latin1');
  assert.deepEqual(await read(latin, { encoding: 'latin1' }), ['zwölf', 'ÿ']);
  assert.deepEqual(await read(latin, { encoding: 'ascii' }), ['zw\ufffdlf', '\ufffd']);
  assert.deepEqual(await read(Buffer.from([0x80, 0x0a]), { encoding: 'windows-1252' }), ['€']);
  assert.deepEqual(await read(Buffer.from([0xa4, 0xa4, 0x0a]), { encoding: 'big5' }), ['中']);
  assert.deepEqual(await read(Buffer.from([1, 10, 0xff]), { encoding: 'nop' }),
    [Uint8Array.of(1, 10, 0xff)]);
});

test('file_log: long lines of UTF-16 are split between characters', async () => {
  const line = '😀'.repeat(50);
  const bodies = await read(Buffer.from(`x${line}\n`, 'utf16le'),
    { encoding: 'utf-16le', max_log_size: 66 }) as string[];
  assert.equal(bodies.join(''), `x${line}`);
  assert.ok(bodies.every((body) => !/[\ud800-\udfff]/u.test(body)));
});

const TRACES = [
  '2026-01-01 12:00:00 ERROR first\n  at a (b.java:1)\n\n  at c (d.java:2)',
  '2026-01-01 12:00:01 INFO second',
  '2026-01-01 12:00:02 ERROR thïrd\r\n\tat e',
];

test('file_log: records that begin with a pattern', async () => {
  const multiline = { line_start_pattern: '^\\d{4}-\\d\\d-\\d\\d' };
  const content = `no head\n${TRACES.join('\n')}\n`;
  assert.deepEqual(await read(content, { multiline }), ['no head', ...TRACES]);
  assert.deepEqual(await read(Buffer.from(content, 'utf16le'),
    { multiline, encoding: 'utf-16le' }), ['no head', ...TRACES]);
  assert.deepEqual(await read('a ONE b ONE c\nONE d', {
    multiline: { line_start_pattern: 'ONE', omit_pattern: true },
  }), ['a ', ' b ', ' c', ' d']);
  assert.deepEqual(await read('größe 1\nx\ngröße 2\n', {
    multiline: { line_start_pattern: '(?i)GRÖSSE|größe' },
  }), ['größe 1\nx', 'größe 2']);
});

test('file_log: records that end with a pattern', async () => {
  const read2 = (content: string, omit: boolean) => read(content, {
    multiline: { line_end_pattern: 'END(?P<n>\\d)?$', omit_pattern: omit },
  });
  assert.deepEqual(await read2('a\nb END\nc END1\r\nd END2', false),
    ['a\nb END', 'c END1\r\nd END2'], 'only LF is a line end');
  assert.deepEqual(await read2('a\nb END\nc END1\nrest', true), ['a\nb ', 'c ', 'rest']);
});

test('file_log: the last record of several lines waits for the next one', async () => {
  const following = await follow({ multiline: { line_start_pattern: '^\\d{4}' } });
  following.write('a.log', `${TRACES[0]}\n`);
  await following.poll();
  assert.deepEqual(following.bodies(), []);
  following.append('a.log', `${TRACES[1]}\n`);
  await following.poll();
  assert.deepEqual(following.bodies(), [TRACES[0]]);
  await following.flush();
  assert.deepEqual(following.bodies(), TRACES.slice(0, 2));
  await following.stop();
});

test('file_log: splitting does not depend on how the bytes come in', () => {
  const random = createSeededRandom(3);
  const words = ['a', 'é', '€', '😀', '\n', '\r\n', '\r', '2026', 'END', ' '];
  const multilines: (Multiline | undefined)[] = [
    undefined,
    { line_start_pattern: /^2026/gm, omit_pattern: false },
    { line_start_pattern: /2026/gm, omit_pattern: true },
    { line_end_pattern: /END/gm, omit_pattern: false },
  ];
  for (let round = 0; round < 400; round++) {
    const multiline = multilines[round % multilines.length];
    const text = Array.from({ length: Math.floor(random.float() * 60) },
      () => words[Math.floor(random.float() * words.length)]!).join('');
    const content = Buffer.from(text);
    const split = createSplit({
      encoding: parseEncoding('utf-8')!,
      // Pieces of a record that is too long may look like beginnings: not with several lines.
      maxBytes: multiline === undefined ? 4 + Math.floor(random.float() * 20) : 1000,
      recordsMax: 1 + Math.floor(random.float() * 5),
      ...(multiline === undefined ? {} : { multiline }),
    });
    const pieces = (step: () => number): string[] => {
      const records: string[] = [];
      let at = 0;
      const after = (end: number) => Math.min(end + step(), content.length);
      for (let end = after(0); ; end = after(end)) {
        for (let moved = true; moved;) {
          const spans = { starts: [] as number[], ends: [] as number[] };
          const next = split(content.subarray(0, end), at, end === content.length, spans);
          spans.starts.forEach((start, index) =>
            records.push(content.toString('utf8', start, spans.ends[index])));
          moved = next > at;
          at = next;
        }
        if (end === content.length) return records;
      }
    };
    const whole = pieces(() => content.length);
    const parts = pieces(() => 1 + Math.floor(random.float() * 7));
    assert.deepEqual(parts, whole, JSON.stringify(text));
    assert.ok(whole.every((record) => !record.includes('\ufffd')), JSON.stringify(text));
  }
});

test('file_log: a small own sample with odd bytes', async () => {
  const folder = temporaryFolder();
  const odd = 'a\x00b\x1b[31mred\x1b[0m\t\u2028\u0085end\r\n"quoted\\n"\r\n\ufeffmark\r\n';
  writeFileSync(`${folder}/odd`, odd);
  assert.deepEqual(await read(readFileSync(`${folder}/odd`)),
    odd.split('\r\n').filter((line) => line !== ''));
});
