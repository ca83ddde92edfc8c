// Proves the ready lists of operators: each on its own example, and those for the eight formats of
// loghub on all of their 16,000 lines. What time, severity and body a line must have is computed
// here from the columns that loghub's authors took apart, by other means than the operators'; the
// share of lines that agree is printed for each.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { PRESETS } from '../../../agent/operators/presets.ts';
import { follow } from '../receivers/file_log/following.ts';
import { problem, run, type Plain } from './running.ts';

const LOGHUB = new URL('../../../../shared/data/loghub', import.meta.url).pathname;

type Row = Readonly<Record<string, string>>;

interface DataSet {
  readonly preset: string;
  /** The time, as toISOString writes it, of a row. */
  readonly time: (row: Row) => string;
  readonly hasLevel: boolean;
}

const MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec';
const pad = (value: string | number, digits = 2): string => String(value).padStart(digits, '0');
const monthOf = (name: string): string => pad(MONTHS.indexOf(name) / 3 + 1);
/** Without a year: the clock of the tests stands at 2026-01-01, and a week ahead is this year. */
const yearless = (month: string, day: string): string =>
  `${month === '01' && Number(day) <= 8 ? 2026 : 2025}-${month}-${pad(day)}`;
const pairs = (text: string, between: string): string => text.match(/../g)!.join(between);

const SETS: Readonly<Record<string, DataSet>> = {
  Android: { preset: 'android', hasLevel: true, time: ({ Date: date, Time }) =>
    `${yearless(date!.slice(0, 2), date!.slice(3))}T${Time}` },
  Apache: { preset: 'apache_error', hasLevel: true, time: ({ Time }) => {
    const [, month, day, clock, year] = Time!.split(' ');
    return `${year}-${monthOf(month!)}-${pad(day!)}T${clock}.000`;
  } },
  HDFS: { preset: 'hdfs', hasLevel: true, time: ({ Date: date, Time }) =>
    `20${pairs(pad(date!, 6), '-')}T${pairs(pad(Time!, 6), ':')}.000` },
  Linux: { preset: 'syslog_file', hasLevel: false, time: ({ Month, Date: day, Time }) =>
    `${yearless(monthOf(Month!), day!)}T${Time}.000` },
  Mac: { preset: 'syslog_file', hasLevel: false, time: ({ Month, Date: day, Time }) =>
    `${yearless(monthOf(Month!), day!)}T${Time}.000` },
  // Its header is one column off: `Date` is the month.
  OpenSSH: { preset: 'syslog_file', hasLevel: false, time: ({ Date: month, Day, Time }) =>
    `${yearless(monthOf(month!), Day!)}T${Time}.000` },
  Spark: { preset: 'spark', hasLevel: true, time: ({ Date: date, Time }) =>
    `20${date!.replaceAll('/', '-')}T${Time}.000` },
  Zookeeper: { preset: 'zookeeper', hasLevel: true, time: ({ Date: date, Time }) =>
    `${date}T${Time!.replace(',', '.')}` },
};

/** The numbers of OTLP for the levels that occur. */
const SEVERITIES: Readonly<Record<string, number>> = {
  V: 1, D: 5, I: 9, W: 13, E: 17, F: 21, notice: 10, error: 17, warn: 13, info: 9,
  INFO: 9, WARN: 13, ERROR: 17, DEBUG: 5, FATAL: 21,
};

/** The rows of a CSV file whose quotes are doubled inside of quotes. */
function readRows(path: string): Row[] {
  const records: string[][] = [[]];
  const field = /(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\r?\n|$)/g;
  for (const match of readFileSync(path, 'utf8').matchAll(field)) {
    if (match[0] === '') break;
    records.at(-1)!.push(match[1]?.replaceAll('""', '"') ?? match[2]!);
    if (match[3] !== ',') records.push([]);
  }
  const [header, ...rows] = records.filter(({ length }) => length > 1);
  return rows.map((row) => Object.fromEntries(header!.map((name, index) => [name, row[index]!])));
}

const timeOf = ({ time }: Plain): string => time.slice(0, 23);

for (const [name, { preset, time, hasLevel }] of Object.entries(SETS)) {
  test(`presets: ${preset} takes the lines of loghub's ${name} apart`,
    { skip: existsSync(LOGHUB) ? false : 'needs ../shared/data/loghub' }, async (t) => {
      const lines = readFileSync(`${LOGHUB}/${name}_2k.log`, 'utf8').split(/\r?\n/)
        .filter((line) => line !== '');
      const rows = readRows(`${LOGHUB}/${name}_2k.log_structured.csv`);
      assert.equal(lines.length, rows.length);
      assert.equal(lines.length, 2000);
      const records = await run(lines, [{ type: 'preset', name: preset, location: 'UTC' }]);
      assert.equal(records.length, lines.length);
      const share = (agrees: (record: Plain, row: Row) => boolean): number =>
        records.filter((record, index) => agrees(record, rows[index]!)).length / lines.length;
      const times = share((record, row) => timeOf(record) === time(row));
      const severities = hasLevel ? share((record, { Level }) =>
        record.severity === `${SEVERITIES[Level!]} ${Level}`) : null;
      const bodies = share(({ body }, { Content }) => String(body).trim() === Content!.trim());
      const percent = (part: number | null) =>
        (part === null ? 'none in the lines' : `${(part * 100).toFixed(2)} %`);
      t.diagnostic(`${name}: time ${percent(times)}, severity ${percent(severities)}, `
        + `body ${percent(bodies)}`);
      assert.ok(times >= 0.99, `times: ${times}`);
      assert.ok((severities ?? 1) >= 0.99, `severities: ${severities}`);
      assert.ok(bodies >= 0.99, `bodies: ${bodies}`);
    });
}

test('presets: each takes its own example apart, and lets other lines pass', async () => {
  for (const [name, { example, attributes }] of Object.entries(PRESETS)) {
    const operators = [{ type: 'preset', name, location: 'UTC', on_error: 'send_quiet' }];
    const [record, other] = await run([example, 'something else: entirely'], operators);
    assert.equal(await faults(example, operators), 0, name);
    assert.notEqual(record!.time, '', name);
    assert.notEqual(record!.severity, name === 'syslog_file' ? '' : '0 ', name);
    if (name !== 'access_log') assert.match(String(record!.body), /text$/, name);
    for (const key of Object.keys(record!.attributes)) {
      assert.ok(name === 'logfmt' || attributes.includes(key), `${name}: ${key}`);
    }
    assert.equal(other!.body, 'something else: entirely', name);
  }
});

/** How many operators fail on a line. */
async function faults(line: string, operators: unknown[]): Promise<number> {
  const following = await follow({ operators });
  following.write('a.log', `${line}\n`);
  await following.poll();
  await following.stop();
  return following.counters.total('binnacle_operator_errors_total');
}

test('presets: access_log, and what is wrong with a preset', async () => {
  const operators = [{ type: 'preset', name: 'access_log' }];
  const [combined, common] = await run([PRESETS['access_log']!.example,
    '::1 - - [02/Jan/2026:03:04:05 +0000] "\\x16\\x03" 400 -'], operators);
  assert.deepEqual(combined!.attributes, {
    client: '192.0.2.1', user: 'ann', method: 'GET', path: '/', version: '1.1', status: '200',
    size: '12', agent: 'curl/8',
  });
  assert.deepEqual([combined!.time, combined!.severity],
    ['2026-01-02T02:04:05.000000000', '9 200']);
  assert.deepEqual(common!.attributes, { client: '::1', status: '400' });
  assert.equal(common!.severity, '13 400');
  assert.match(problem({ type: 'preset', name: 'x' }), /^name/);
  assert.match(problem({ type: 'preset', name: 'spark', location: 'Mars' }), /^location/);
});
