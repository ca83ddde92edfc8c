// Holds the tracked files to the house rules of test/tidy/rules.ts, and every rule to an example
// that it must catch and one that it must let pass.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  deadFiles, fileNames, forbiddenCalls, functionSpans, importDirection, leftOvers, mirrorTests,
  sizes, topComments, type SourceFile,
} from './tidy/rules.ts';

/** Breaches that are known today, by `path: rule`. The list may only shrink. */
const EXCEPTIONS: readonly string[] = [];

const root = new URL('..', import.meta.url).pathname;
const TEXT = /\.(?:ts|mjs|js|json|md|ya?ml|sql|proto|sh)$|(?:^|\/)(?:Dockerfile\S*|run)$/;

function trackedFiles(): SourceFile[] {
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  return listed.split('\n')
    .filter((path) => TEXT.test(path) && existsSync(root + path))
    .map((path) => ({ path, text: readFileSync(root + path, 'utf8') }));
}

const inCheckout = existsSync(`${root}.git`);
const files = inCheckout ? trackedFiles() : [];

const RULES = {
  importDirection, forbiddenCalls, sizes, deadFiles, topComments, mirrorTests, fileNames, leftOvers,
};

for (const [name, rule] of Object.entries(RULES)) {
  const skip = inCheckout ? false : 'this is no git checkout, so there is no list of files';
  test(`tidy: ${name}`, { skip }, () => {
    const breaches = rule(files).filter((breach) =>
      !EXCEPTIONS.includes(`${breach.split(':')[0]}: ${name}`));
    assert.deepEqual(breaches, [], `${breaches.length} breaches`);
  });
}

test('tidy: no exception without a breach', { skip: !inCheckout && 'no git checkout' }, () => {
  const breaches = new Set(Object.entries(RULES).flatMap(([name, rule]) =>
    rule(files).map((breach) => `${breach.split(':')[0]}: ${name}`)));
  assert.deepEqual(EXCEPTIONS.filter((exception) => !breaches.has(exception)), []);
});

const file = (path: string, text: string): SourceFile => ({ path, text });

test('tidy rules: import direction', () => {
  const check = (path: string, target: string, count: number) =>
    assert.equal(importDirection([file(path, `import { a } from '${target}';`)]).length, count);
  check('agent/graph/graph.ts', '../../backend/api/x.ts', 1);
  check('backend/main.ts', '../agent/main.ts', 1);
  check('runtime/log.ts', '../proto/contract/batch.ts', 1);
  check('config/loader.ts', '../proto/contract/batch.ts', 1);
  check('agent/graph/graph.ts', '../../proto/contract/batch.ts', 0);
  check('agent/receivers/otlp.ts', './file_log/receiver.ts', 1);
  check('agent/receivers/file_log/config.ts', '../../operators/pipeline.ts', 0);
  check('agent/operators/pipeline.ts', '../receivers/otlp.ts', 1);
  check('agent/operators/pipeline.ts', './entry.ts', 0);
  check('agent/operators/time.ts', '../times/layout.ts', 0);
  check('agent/times/moment.ts', '../operators/entry.ts', 1);
  check('agent/series/table.ts', '../processors/edit/records.ts', 1);
  check('agent/connectors/count.ts', '../series/table.ts', 0);
  check('agent/receivers/otlp.ts', '../exporters/otlp.ts', 1);
  check('agent/receivers/file_log/tail.ts', './lines.ts', 0);
  check('agent/exporters/otlp.ts', './sending/delivery.ts', 0);
  check('agent/exporters/sending/delivery.ts', './slots.ts', 0);
  check('agent/exporters/sending/delivery.ts', '../otlp.ts', 1);
  check('agent/receivers/otlp.ts', '../exporters/sending/delivery.ts', 1);
  check('agent/receivers/otlp.ts', '../processors/edit/records.ts', 1);
  check('agent/connectors/forward.ts', '../processors/edit/records.ts', 0);
  check('agent/processors/resource_detection/processor.ts', '../edit/actions.ts', 0);
});

test('tidy rules: forbidden calls', () => {
  const check = (path: string, text: string, count: number) =>
    assert.equal(forbiddenCalls([file(path, text)]).length, count);
  check('agent/graph/graph.ts', 'const a = Date.now();', 1);
  check('agent/graph/graph.ts', '// Date.now() is not used here.', 0);
  check('runtime/clock.ts', 'const a = Date.now();', 0);
  check('proto/x.ts', "import { readFile } from 'node:fs/promises';", 1);
  check('proto/x.ts', 'export default a;', 1);
  check('test/a.test.ts', "test.only('x', () => {});", 1);
});

test('tidy rules: sizes', () => {
  const lines = (count: number) => 'a;\n'.repeat(count);
  assert.equal(sizes([file('agent/a.ts', lines(400))]).length, 0);
  assert.equal(sizes([file('agent/a.ts', lines(401))]).length, 1);
  assert.equal(sizes([file('agent/a.ts', 'x'.repeat(101))]).length, 1);
  const long = `function f() {\n${lines(69)}}\n`;
  assert.equal(sizes([file('agent/a.ts', long)]).length, 1);
});

test('tidy rules: lines of an inner function are not those of the outer one', () => {
  const text = 'function outer() {\n  function inner() {\n    a;\n  }\n  b;\n}\n';
  const own = functionSpans(text).map(({ name, ownLines }) => [name, ownLines]);
  assert.deepEqual(own, [['outer', 3], ['inner', 3]]);
});

test('tidy rules: dead files, top comments, mirror tests, names, left-overs', () => {
  const a = file('agent/a.ts', '// A.\n');
  assert.equal(deadFiles([a]).length, 1);
  assert.equal(deadFiles([a, file('binnacle.ts', "import './agent/a.ts';")]).length, 0);
  assert.equal(topComments([file('agent/a.ts', 'const a = 1;')]).length, 1);
  assert.equal(topComments([a]).length, 0);
  assert.equal(mirrorTests([a]).length, 1);
  assert.equal(mirrorTests([a, file('test/agent/b.test.ts', '')]).length, 0);
  assert.equal(fileNames([file('agent/utils.ts', '')]).length, 1);
  assert.equal(fileNames([file('agent/fooBar.ts', '')]).length, 1);
  assert.equal(leftOvers([file('README.md', `see /home/me/x and FIX${'ME'}`)]).length, 2);
});
