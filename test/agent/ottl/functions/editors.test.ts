// Proves what editors do to a log record, statement by statement, as the Collector documents them:
// the sections are those of pkg/ottl/ottlfuncs/README.md of opentelemetry-collector-contrib. Rows:
// attributes before, the statement, and the attributes after it or the message of its failure.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { after, fails, LOG, pairs, unpaired, viewOfAll, type Plain } from '../records.ts';

type Map = Record<string, Plain>;
type Row = readonly [before: Map, statement: string, want: Map | RegExp];

function table(section: string, rows: readonly Row[]): void {
  test(`ottl editors: ${section}`, () => {
    for (const [before, statement, want] of rows) {
      const view = viewOfAll({ log: { ...LOG, attributes: pairs(before) } });
      if (want instanceof RegExp) {
        fails(() => after(statement, 'log', view), want);
        continue;
      }
      after(statement, 'log', view);
      assert.deepEqual(unpaired(view.log!.attributes), want, statement);
    }
  });
}

table('append', [
  [{ tags: ['dev'] }, 'append(attributes["tags"], "prod")', { tags: ['dev', 'prod'] }],
  [{ tags: ['dev'] }, 'append(attributes["tags"], values = ["staging", "staging:east"])',
    { tags: ['dev', 'staging', 'staging:east'] }],
  [{ tags: 'dev' }, 'append(attributes["tags"], "prod")', { tags: ['dev', 'prod'] }],
  [{}, 'append(attributes["tags"], 1)', { tags: [1n] }],
]);

table('delete_index', [
  [{ tags: ['a', 'b', 'c'] }, 'delete_index(attributes["tags"], 0)', { tags: ['b', 'c'] }],
  [{ tags: ['a', 'b', 'c'] }, 'delete_index(attributes["tags"], Len(attributes["tags"]) - 1)',
    { tags: ['a', 'b'] }],
  [{ tags: ['a', 'b', 'c', 'd'] }, 'delete_index(attributes["tags"], 0, 3)', { tags: ['d'] }],
  [{ tags: ['a', 'b'] }, 'delete_index(attributes["tags"], Index(attributes["tags"], "b"))',
    { tags: ['a'] }],
  [{ tags: ['a'] }, 'delete_index(attributes["tags"], 0, 0)', { tags: ['a'] }],
  [{ tags: ['a'] }, 'delete_index(attributes["tags"], 3)', /list of 1/],
]);

table('delete_key, delete_keys', [
  [{ a: 1n, b: 2n }, 'delete_key(attributes, "a")', { b: 2n }],
  [{ a: 1n }, 'delete_key(attributes, "z")', { a: 1n }],
  [{ a: { x: 1n, y: 2n } }, 'delete_key(attributes["a"], "x")', { a: { y: 2n } }],
  [{ a: 1n }, 'delete_key(attributes["a"], "x")', /expected map, got int/],
  [{ a: 1n, b: 2n, c: 3n }, 'delete_keys(attributes, ["a", "c"])', { b: 2n }],
]);

table('delete_matching_keys, keep_matching_keys, keep_keys', [
  [{ password: 'x', DB_PASSWORD: 'y', c: 'z' },
    'delete_matching_keys(attributes, "(?i).*password.*")', { c: 'z' }],
  [{ version: '1', app_Version: '2', c: '3' },
    'keep_matching_keys(attributes, "(?i).*version.*")', { version: '1', app_Version: '2' }],
  [{ a: 1n, b: 2n }, 'keep_keys(attributes, ["a", "c"])', { a: 1n }],
  [{ a: 1n }, 'keep_keys(attributes, [])', {}],
]);

const NESTED: Map = {
  name: 'test', address: { street: 'first', house: 1234n }, occupants: ['user 1', 'user 2'],
};
table('flatten', [
  [NESTED, 'flatten(attributes)', {
    name: 'test', 'address.street': 'first', 'address.house': 1234n, 'occupants.0': 'user 1',
    'occupants.1': 'user 2',
  }],
  [NESTED, 'flatten(attributes, "app")', {
    'app.name': 'test', 'app.address.street': 'first', 'app.address.house': 1234n,
    'app.occupants.0': 'user 1', 'app.occupants.1': 'user 2',
  }],
  [{ 0: { 1: { 2: { 3: { 4: 'value' } } } } }, 'flatten(attributes, depth=2)',
    { '0.1.2': { 3: { 4: 'value' } } }],
  [NESTED, 'flatten(attributes, depth=0)', NESTED],
  [{
    address: { street: { number: 'first' }, house: '1234' },
    'address.street': { number: ['second', 'third'] },
    'address.street.number': 'fourth',
    occupants: ['user 1', 'user 2'],
  }, 'flatten(attributes, resolveConflicts=true)', {
    'address.street.number': 'first', 'address.house': '1234',
    'address.street.number.0': 'second', 'address.street.number.1': 'third',
    occupants: 'user 1', 'occupants.0': 'user 2', 'address.street.number.2': 'fourth',
  }],
]);

table('limit', [
  [{ a: 1n, b: 2n, c: 3n }, 'limit(attributes, 2, [])', { a: 1n, b: 2n }],
  [{ a: 1n, b: 2n, c: 3n }, 'limit(attributes, 2, ["c"])', { a: 1n, c: 3n }],
  [{ a: 1n }, 'limit(attributes, 2, [])', { a: 1n }],
]);

table('merge_maps', [
  [{ a: 1n, b: 2n }, 'merge_maps(attributes, {"b": 9, "c": 3}, "insert")',
    { a: 1n, b: 2n, c: 3n }],
  [{ a: 1n, b: 2n }, 'merge_maps(attributes, {"b": 9, "c": 3}, "update")', { a: 1n, b: 9n }],
  [{ a: 1n, b: 2n }, 'merge_maps(attributes, {"b": 9, "c": 3}, "upsert")',
    { a: 1n, b: 9n, c: 3n }],
  [{ a: 1n, j: '{"x": true}' }, 'merge_maps(attributes, ParseJSON(attributes["j"]), "upsert")',
    { a: 1n, j: '{"x": true}', x: true }],
  [{ a: 1n }, 'merge_maps(attributes, body, "upsert")', /expected map, got string/],
]);

table('replace_pattern', [
  [{ cmd: 'run password=secret now' },
    'replace_pattern(attributes["cmd"], "password\\\\=[^\\\\s]*(\\\\s?)", "password=*** ")',
    { cmd: 'run password=*** now' }],
  [{ name: 'kube_pod_info' },
    'replace_pattern(attributes["name"], "^kube_([0-9A-Za-z]+_)", "k8s.$1.")',
    { name: 'k8s.pod_.info' }],
  [{ name: 'kube_pod_info' },
    'replace_pattern(attributes["name"], "^kube_([0-9A-Za-z]+_)", "$1.", SHA256, "k8s.%s")',
    { name: 'k8s.6d84a506bd7fb1f256ed60c44bd7cd7fb1c12b2f531231e13db610d418021420info' }],
  [{ a: 'x1y2' }, 'replace_pattern(attributes["a"], "(?P<n>\\\\d)", "<${n}>$$")',
    { a: 'x<1>$y<2>$' }],
  [{ a: 'x1' }, 'replace_pattern(attributes["a"], "(\\\\d)", "$2!")', { a: 'x!' }],
  [{ a: 'x1' }, 'replace_pattern(attributes["a"], "(\\d)", "$3$4!")', { a: 'x!' }],
  [{ a: 5n }, 'replace_pattern(attributes["a"], "5", "6")', { a: 5n }],
  [{ a: 'b' }, 'replace_pattern(attributes["a"], "b", resource.attributes["service.name"])',
    { a: 'shop' }],
]);

table('replace_all_patterns', [
  [{ a: '/account/1234', b: 'x', c: 5n },
    'replace_all_patterns(attributes, "value", "/account/\\\\d{4}", "/account/{accountId}")',
    { a: '/account/{accountId}', b: 'x', c: 5n }],
  [{ '/account/1234': 'a' },
    'replace_all_patterns(attributes, "key", "/account/\\\\d{4}", "/account/{accountId}")',
    { '/account/{accountId}': 'a' }],
  [{ kube_pod_x: 1n, other: 2n },
    'replace_all_patterns(attributes, "key", "^kube_([0-9A-Za-z]+_)", "k8s.$1.")',
    { 'k8s.pod_.x': 1n, other: 2n }],
  [{ a: 'secret' }, 'replace_all_patterns(attributes, "value", "secret", "s", MD5, "[%s]")',
    { a: '[03c7c0ace395d80182db07ae2c30f034]' }],
]);

table('replace_match, replace_all_matches', [
  [{ t: '/user/7/list/9' },
    'replace_match(attributes["t"], "/user/*/list/*", "/user/{userId}/list/{listId}")',
    { t: '/user/{userId}/list/{listId}' }],
  [{ t: '/user/7/8/list/9' }, 'replace_match(attributes["t"], "/user/*/list/*", "x")',
    { t: '/user/7/8/list/9' }],
  [{ t: '/user/7/list/9' },
    'replace_match(attributes["t"], "/user/*/list/*", "s", MD5, "/user/%s")',
    { t: '/user/03c7c0ace395d80182db07ae2c30f034' }],
  [{ a: '/user/7/list/9', b: 'x', c: 1n },
    'replace_all_matches(attributes, "/user/*/list/*", "/user/{userId}/list/{listId}")',
    { a: '/user/{userId}/list/{listId}', b: 'x', c: 1n }],
  [{ a: 'b1', b: 'c' }, 'replace_all_matches(attributes, "[a-b]?", "y")', { a: 'y', b: 'c' }],
]);

table('set', [
  [{}, 'set(attributes["http.path"], "/foo")', { 'http.path': '/foo' }],
  [{ a: 1n }, 'set(attributes["b"], attributes["a"])', { a: 1n, b: 1n }],
  [{ a: 1n }, 'set(attributes["b"], attributes["none"])', { a: 1n }],
  [{ a: 1n }, 'set(attributes["a"], 2) where attributes["a"] == 1', { a: 2n }],
  [{ a: 1n }, 'set(attributes["a"], 2) where attributes["a"] == 5', { a: 1n }],
  [{}, 'set(attributes, {"x": {"y": [1, "2", 3.0]}})', { x: { y: [1n, '2', 3] } }],
  [{ a: 'x' }, 'set(attributes["a"]["b"], 1)', /string has no keys/],
]);

table('stringify_all', [
  [{ a: 42n, b: 3.14, c: true, d: 'x', e: [1n, 'y'], f: { k: 1n }, g: null },
    'stringify_all(attributes)',
    { a: '42', b: '3.14', c: 'true', d: 'x', e: '[1,"y"]', f: '{"k":1}', g: '' }],
]);

table('truncate_all', [
  [{ a: 'abcdef', b: 'ab', c: 5n }, 'truncate_all(attributes, 3)', { a: 'abc', b: 'ab', c: 5n }],
  [{ a: 'ééé' }, 'truncate_all(attributes, 3)', { a: 'é' }],
  [{ a: 'abcdefgh' }, 'truncate_all(attributes, 6, false, "(…)")', { a: 'a(…)' }],
  [{ a: 'abcdefgh' }, 'truncate_all(attributes, 5, truncation_marker = "..")', { a: 'abc..' }],
  [{ a: 'abc' }, 'truncate_all(attributes, 1, true, "...")', /longer than the limit/],
]);
