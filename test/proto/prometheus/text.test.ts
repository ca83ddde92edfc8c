// Proves the reader of Prometheus pages: what each form of a line means in both formats, that what
// is not of the format is refused with its line, that nothing but PageError is ever thrown, and
// that time grows with the page alone (a page twice as long takes about twice as long).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PageError, parseNumber, scanLabels } from '../../../proto/prometheus/series.ts';
import { PageReader, type PageFormat } from '../../../proto/prometheus/text.ts';

type Read = Record<string, unknown>;

function read(page: string, format: PageFormat): Read[] {
  const reader = new PageReader(page, format);
  const entries: Read[] = [];
  for (let entry = reader.next(); entry !== 'end'; entry = reader.next()) {
    if (entry !== 'sample') entries.push({ [entry]: reader.name, text: reader.text });
    else {
      const { value, timestampMs, exemplar } = reader;
      const labels = Object.fromEntries(reader.labels());
      entries.push({
        ...labels, value,
        ...(timestampMs === null ? {} : { timestampMs }),
        ...(exemplar === null ? {} : {
          exemplar: { ...exemplar, labels: Object.fromEntries(exemplar.labels) } }),
      });
    }
  }
  return entries;
}

const text = (page: string, ...want: Read[]) => assert.deepEqual(read(page, 'text'), want);
const open = (page: string, ...want: Read[]) =>
  assert.deepEqual(read(`${page}# EOF\n`, 'openmetrics'), want);
const refused = (format: PageFormat, page: string, line: number) =>
  assert.throws(() => read(page, format), (error: unknown) => {
    assert.ok(error instanceof PageError, String(error));
    assert.equal(error.line, line, error.message);
    return true;
  }, page);

test('page: samples of the text format', () => {
  text('a 1\n', { __name__: 'a', value: 1 });
  text('a:b_c 1e3', { __name__: 'a:b_c', value: 1000 });
  text('a{} 1\n', { __name__: 'a', value: 1 });
  text('a{b="c"} -2.5 1395066363000\n', {
    __name__: 'a', b: 'c', value: -2.5, timestampMs: 1395066363000,
  });
  text('  a \t{ b = "c" , d="e", }\t+Inf \t -1  \n', {
    __name__: 'a', b: 'c', d: 'e', value: Infinity, timestampMs: -1,
  });
  text('a{b="x\\\\y\\"z\\nw\\q} {"} NaN\n', { __name__: 'a', b: 'x\\y"z\nw\\q} {', value: NaN });
  text('a{b="é☃"} 1\n', { __name__: 'a', b: 'é☃', value: 1 });
  text('{"my.metric","my.label"="1",b="2"} 3\n', {
    __name__: 'my.metric', 'my.label': '1', b: '2', value: 3,
  });
  text('my_metric{"my.label"="1"} 3\n', { __name__: 'my_metric', 'my.label': '1', value: 3 });
});

test('page: comments of the text format', () => {
  text('# HELP a what\\nit \\\\ "is"\n# TYPE a counter\n', { help: 'a', text: 'what\nit \\ "is"' },
    { type: 'a', text: 'counter' });
  text('#HELP a b\n# just this\n#\n\n   \n# UNIT a b\n#  \tTYPE  a\t untyped \n',
    { type: 'a', text: 'unknown' });
  text('# HELP a\n', { help: 'a', text: '' });
  text('# TYPE "a.b" gauge\n', { type: 'a.b', text: 'gauge' });
});

test('page: what is not of the text format is refused, with its line', () => {
  for (const bad of ['a', 'a ', 'a b', 'a 1 b', 'a 1 1.5', 'a 1 1 1', 'a{b="c" 1', 'a{b=c} 1',
    'a{b} 1', 'a{="c"} 1', 'a{b="c" d="e"} 1', 'a{,} 1', 'a{b="c",,} 1', 'a{b="c"}x 1',
    'a{b="c} 1', 'a{b="1",b="2"} 1', '{b="c"} 1', 'a{"c"} 1', '{"a","b"} 1', 'ä 1', '1a 1',
    'a{1b="c"} 1', 'a{b:c="d"} 1', 'a 0x10', 'a 1_0', 'a 1 ä', '# TYPE a', '# TYPE a thing',
    '# TYPE 1a gauge', '# HELP ä x', '# TYPE a info', 'a 1\r', '{} 1', '{""} 1', 'a{b="c"}', '} 1',
    '"a" 1']) {
    refused('text', `ok 1\n${bad}\n`, 2);
  }
});

test('page: OpenMetrics has units, exemplars, times in seconds and an end', () => {
  open('# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds Say \\"a\\"\n'
    + 'a_seconds_total{b="c"} 1.0 1520879607.789\na_seconds_created{b="c"} 1520879607\n',
  { type: 'a_seconds', text: 'counter' }, { unit: 'a_seconds', text: 'seconds' },
  { help: 'a_seconds', text: 'Say "a"' },
  { __name__: 'a_seconds_total', b: 'c', value: 1, timestampMs: 1520879607789 },
  { __name__: 'a_seconds_created', b: 'c', value: 1520879607 });
  open('a_bucket{le="1"} 3 # {trace_id="x"} 0.5 1.5\n', {
    __name__: 'a_bucket', le: '1', value: 3,
    exemplar: { labels: { trace_id: 'x' }, value: 0.5, timestampMs: 1500 },
  });
  open('a_total 3 2 # {} 4\n', {
    __name__: 'a_total', value: 3, timestampMs: 2000,
    exemplar: { labels: {}, value: 4, timestampMs: null },
  });
  open('');
});

test('page: what is not OpenMetrics is refused, with its line', () => {
  const end = '\n# EOF\n';
  for (const bad of ['', 'a  1', 'a\t1', ' a 1', 'a 1 ', '# comment', '#TYPE a gauge',
    '# TYPE a untyped', '# UNIT a seconds', 'a 1 # ', 'a 1 # x', 'a 1 # {b="c"}',
    'a 1 # {b="c"} x', 'a 1 # {b="c"} 1 2 3', 'a 1 # {"n"} 1', 'a 1 1 1', 'a 1 #{} 1']) {
    refused('openmetrics', `ok 1\n${bad}${end}`, 2);
  }
  refused('openmetrics', 'a 1\n', 1);
  refused('openmetrics', '# EOF\na 1\n', 2);
  refused('openmetrics', '# EOF\n\n', 2);
});

test('page: numbers are those of Go', () => {
  const check = (written: string, want: number | null) =>
    assert.deepEqual(parseNumber(written), want, written);
  for (const [written, want] of [['1', 1], ['+1', 1], ['-1.', -1], ['.5', 0.5], ['1e-3', 0.001],
    ['1E+3', 1000], ['inf', Infinity], ['-INF', -Infinity], ['+Infinity', Infinity],
    ['nan', NaN]] as const) check(written, want);
  for (const written of ['', '.', '+', 'e1', '1e', '0x1', '1_0', ' 1', '1 ', '--1',
    'infin', '1f']) {
    check(written, null);
  }
});

test('page: anything else than PageError is never thrown', () => {
  const piece = fc.oneof(
    fc.constantFrom('a', '{', '}', '"', ',', '=', ' ', '\t', '\n', '\\', '#', '# TYPE ', '# HELP ',
      '# EOF', '# UNIT ', 'counter', '1', '.5', 'NaN', '\r', 'b="c"', '# {', '\ud800', '\0'),
    fc.string({ unit: 'binary', maxLength: 5 }),
  );
  const page = fc.array(piece, { maxLength: 60 }).map((parts) => parts.join(''));
  fc.assert(fc.property(page, fc.constantFrom('text', 'openmetrics'), (one, format) => {
    try {
      read(one, format as PageFormat);
    } catch (error) {
      if (!(error instanceof PageError)) throw error;
    }
  }), { numRuns: 20_000 });
});

test('page: a good page that is cut or changed anywhere is read or refused', () => {
  const good = '# HELP a_b Text\\n.\n# TYPE a_b histogram\na_b_bucket{le="1",c="x\\"y"} 3 # '
    + '{trace_id="1"} 0.5 1.5\na_b_count{c="x"} 3 12.5\n# EOF\n';
  for (const format of ['text', 'openmetrics'] as const) {
    for (let at = 0; at < good.length; at += 1) {
      for (const changed of [good.slice(0, at), `${good.slice(0, at)}"${good.slice(at)}`,
        `${good.slice(0, at)}\\${good.slice(at + 1)}`,
        `${good.slice(0, at)}${good.slice(at + 1)}`]) {
        try {
          read(changed, format);
        } catch (error) {
          assert.ok(error instanceof PageError, `${String(error)}: ${changed}`);
        }
      }
    }
  }
});

test('page: time grows with the page alone', () => {
  const spent = (build: (count: number) => string, count: number): number => {
    const page = build(count);
    let best = Infinity;
    for (let run = 0; run < 3; run += 1) {
      const began = process.cpuUsage();
      try {
        read(page, 'text');
      } catch (error) {
        assert.ok(error instanceof PageError);
      }
      const { user, system } = process.cpuUsage(began);
      best = Math.min(best, user + system);
    }
    return best;
  };
  const hostile: ((count: number) => string)[] = [
    (count) => 'a{b="c"} 1\n'.repeat(count),
    (count) => `a{b="${'\\'.repeat(count * 5)}`,
    (count) => `a{b="${'x'.repeat(count * 5)}\n`.repeat(2),
    (count) => `a{${'b="c",'.repeat(count)}`,
    (count) => `a ${' '.repeat(count * 10)}`,
    (count) => `${'{'.repeat(count * 10)}`,
    (count) => `# HELP a ${'\\n '.repeat(count * 5)}`,
    (count) => `# TYPE ${'a '.repeat(count * 5)}`,
    (count) => 'a{b="\n'.repeat(count),
    (count) => `a ${'9'.repeat(count * 10)}\n`,
  ];
  for (const build of hostile) {
    const small = spent(build, 20_000);
    const large = spent(build, 80_000);
    // Four times as long; what is quadratic would take sixteen times.
    assert.ok(large < small * 10 + 20_000, `${build}: ${small} µs, then ${large} µs`);
  }
});

test('page: labels of a series stand for themselves', () => {
  assert.deepEqual([...scanLabels('a{b="1"}')], [['__name__', 'a'], ['b', '1']]);
  assert.deepEqual([...scanLabels('{b="1"}', false)], [['b', '1']]);
});
