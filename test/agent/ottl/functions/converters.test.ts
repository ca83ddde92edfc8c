// Proves what converters give, statement by statement, as the Collector documents them. Each table
// names the section of pkg/ottl/ottlfuncs/README.md (of opentelemetry-collector-contrib) that says
// so; where an example stands there, it is that one. Rows: an expression and its value, where
// bigints are ints and numbers doubles; a pattern is the message of a failure.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fails, valueOf, type Plain } from '../records.ts';

type Row = readonly [expression: string, want: Plain | RegExp];

function table(section: string, rows: readonly Row[]): void {
  test(`ottl converters: ${section}`, () => {
    for (const [expression, want] of rows) {
      if (want instanceof RegExp) fails(() => valueOf(expression), want);
      else assert.deepEqual(valueOf(expression), want, expression);
    }
  });
}

table('Base64Decode, Base64Encode, Decode', [
  ['Base64Decode("aGVsbG8gd29ybGQ=")', 'hello world'],
  ['Base64Decode("not base64!")', /not base64/],
  ['Base64Encode("test string")', 'dGVzdCBzdHJpbmc='],
  ['Base64Encode("a?>", "base64-raw-url")', 'YT8-'],
  ['Base64Encode("a", "base64-raw")', 'YQ'],
  ['Decode("aGVsbG8gd29ybGQ=", "base64")', 'hello world'],
  ['Decode("aGVsbG8gd29ybGQ", "base64-raw")', 'hello world'],
  ['Decode("plain", "us-ascii")', 'plain'],
]);

table('Bool: what is read as true and false, nil for the rest', [
  ['Bool("true")', true], ['Bool("0")', false], ['Bool("T")', true], ['Bool("yes")', null],
  ['Bool(2)', true], ['Bool(0.0)', false], ['Bool(nil)', null],
]);

table('Coalesce', [
  ['Coalesce([attributes["no"], attributes["http.path"], "unknown"])', '/health'],
  ['Coalesce([nil, nil])', null],
]);

// The vectors of the specification of Community ID, of which the README names the parts.
table('CommunityID', [
  ['CommunityID("1.2.3.4", 12345, "5.6.7.8", 80)', '1:0by3b/tE95hcOzccyt6d4kjgbZc='],
  ['CommunityID("5.6.7.8", 80, "1.2.3.4", 12345, "TCP")', '1:0by3b/tE95hcOzccyt6d4kjgbZc='],
  ['CommunityID("192.168.1.1", 53, "10.10.10.10", 53000, "UDP")',
    '1:gQ05/45srnixHs8V/2ejpkxhBwg='],
  ['CommunityID("2001:db8::1", 8080, "2001:db8::2", 443, "TCP")',
    '1:c5m26SNBLmvfaBQJNWKXZwUGGcM='],
  ['CommunityID("192.168.1.1", 12345, "192.168.1.2", 80, "TCP", 1234)',
    '1:v1n8p4IZW9jXIJnFANLbRU2ahdU='],
  ['CommunityID("x", 1, "10.0.0.1", 2)', /IP/],
  ['CommunityID("10.0.0.2", 1, "10.0.0.1", 65536)', /65535/],
]);

table('Concat', [
  ['Concat([attributes["http.path"], attributes["http.status_code"]], ": ")', '/health: 200'],
  ['Concat(["HTTP method is: ", "GET"], "")', 'HTTP method is: GET'],
  ['Concat([1, 2.5, true, nil], "-")', '1-2.5-true-<nil>'],
  ['Concat([trace_id, span_id], "/")', '0102030405060708090a0b0c0d0e0f10/0102030405060708'],
  ['Concat([], "-")', ''],
]);

table('ContainsValue, Index', [
  ['ContainsValue(attributes["tags"], "b")', true],
  ['ContainsValue([1, 2, 3, 4, 5], 3)', true],
  ['ContainsValue([1.1, 2.2], 2.2)', true],
  ['ContainsValue(["GET", "PUT"], "POST")', false],
  ['ContainsValue([1, 2], 2.0)', true],
  ['Index("hello world", "world")', 6n],
  ['Index(attributes["tags"], "b")', 1n],
  ['Index(attributes["tags"], "z")', -1n],
  ['Index(1, "z")', /string or list/],
]);

table('ConvertCase, ToCamelCase, ToSnakeCase, ToLowerCase, ToUpperCase', [
  ['ConvertCase("MY_METRIC", "lower")', 'my_metric'],
  ['ConvertCase("my_metric", "upper")', 'MY_METRIC'],
  ['ConvertCase("myMetric", "snake")', 'my_metric'],
  ['ConvertCase("my_metric", "camel")', 'MyMetric'],
  ['ConvertCase("CPUUtilizationMetric", "snake")', 'cpu_utilization_metric'],
  ['ToCamelCase("my_metric_name")', 'MyMetricName'],
  ['ToLowerCase("MyMetricName")', 'mymetricname'],
  ['ToSnakeCase("MyMetricName")', 'my_metric_name'],
  ['ToUpperCase("MyMetricName")', 'MYMETRICNAME'],
  ['ConvertCase(nil, "upper")', /expected string, got nil/],
]);

table('Double, Int, String', [
  ['Double("2.0")', 2], ['Double(true)', 1], ['Double(7)', 7], ['Double("x")', null],
  ['Int(2.9)', 2n], ['Int(-2.9)', -2n], ['Int("17")', 17n], ['Int("x")', null],
  ['Int(false)', 0n], ['Int(attributes["http.status_code"])', 200n], ['Int([1])', null],
  ['String("test")', 'test'], ['String(333)', '333'], ['String(2.7)', '2.7'],
  ['String(55.0)', '55'], ['String(false)', 'false'], ['String([1,2,3])', '[1,2,3]'],
  ['String(0x7b)', '7b'], ['String(span_id)', '0102030405060708'], ['String(nil)', null],
  ['String({"b": 1, "a": true})', '{"a":true,"b":1}'],
]);

table('Duration, Hours, Minutes, Seconds, Milliseconds, Microseconds, Nanoseconds', [
  ['Duration("3s")', '3000000000ns'], ['Duration("333ms")', '333000000ns'],
  ['Duration("1h2m3.5s")', '3723500000000ns'], ['Duration("-1.5us")', '-1500ns'],
  ['Duration("3 parsecs")', /duration/], ['Duration(nil)', /got nil/],
  ['Hours(Duration("90m"))', 1.5], ['Minutes(Duration("1h"))', 60],
  ['Seconds(Duration("1h"))', 3600], ['Milliseconds(Duration("1h"))', 3_600_000n],
  ['Microseconds(Duration("1h"))', 3_600_000_000n],
  ['Nanoseconds(Duration("1h"))', 3_600_000_000_000n], ['Hours(1)', /expected duration/],
]);

table('ExtractPatterns', [
  ['ExtractPatterns("change GIT_SHA=abc1", "GIT_SHA=(?P<git_sha>\\\\w+)")', { git_sha: 'abc1' }],
  ['ExtractPatterns("Oct  4 host app[12]: hi", '
    + '"(?P<host>\\\\w+) (?P<app>\\\\w+)\\\\[(?P<pid>\\\\d+)\\\\]")',
    { host: 'host', app: 'app', pid: '12' }],
  ['ExtractPatterns("none", "a=(?P<a>\\\\d+)")', {}],
  ['ExtractPatterns("a=", "a=(?P<a>\\\\d+)?")', { a: '' }],
  ['ExtractPatterns(nil, "(?P<a>x)")', /got nil/],
]);

table('ExtractGrokPatterns', [
  ['ExtractGrokPatterns("smith:pass123:1001:rest", '
    + '"%{USERNAME:user.name}:%{PASSWORD:user.password}:%{USERINFO}", true, '
    + '["PASSWORD=%{WORD}", "USERINFO=%{GREEDYDATA}"])',
    { 'user.name': 'smith', 'user.password': 'pass123' }],
  ['ExtractGrokPatterns("took 12 of 3.5", "took %{NUMBER:a:int} of %{NUMBER:b:double}", true)',
    { a: 12n, b: 3.5 }],
  ['ExtractGrokPatterns("see http://example.com/a?b=1 now", "%{URI}")',
    { URI: 'http://example.com/a?b=1' }],
  ['ExtractGrokPatterns("x", "%{INT:n}")', {}],
  ['ExtractGrokPatterns("127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] '
    + '\\"GET /a.gif HTTP/1.0\\" 200 2326", "%{COMMONAPACHELOG}", true)',
    {
      clientip: '127.0.0.1', ident: '-', auth: 'frank', timestamp: '10/Oct/2000:13:55:36 -0700',
      verb: 'GET', request: '/a.gif', httpversion: '1.0', response: '200', bytes: '2326',
    }],
]);

table('Format', [
  ['Format("%02d", [7])', '07'],
  ['Format("%04d-%02d-%02d", [Year(Now()), Month(Now()), Day(Now())])', '2026-01-02'],
  ['Format("%s/%5.1f|%-4s|%x|%q|%t|%v", ["a", 2.26, "b", 255, "c", true, nil])',
    'a/  2.3|b   |ff|"c"|true|<nil>'],
  ['Format("%d", ["hi"])', '%!d(string=hi)'],
  ['Format("%s %s", ["a"])', 'a %!s(MISSING)'],
  ['Format("a", [1])', 'a%!(EXTRA int64=1)'],
  ['Format("100%%", [])', '100%'],
]);

table('FormatTime, Time', [
  ['FormatTime(Time("02/04/2023", "%m/%d/%Y", "UTC"), "%A %h %e %Y")', 'Saturday Feb  4 2023'],
  ['Time("02/04/2023", "%m/%d/%Y", "UTC")', '2023-02-04T00:00:00.000Z'],
  ['Time("Feb 15, 2023", "%b %d, %Y", "UTC")', '2023-02-15T00:00:00.000Z'],
  ['Time("2023-05-26 12:34:56 HST", "%Y-%m-%d %H:%M:%S %Z")', '2023-05-26T22:34:56.000Z'],
  ['Time("1986-10-01T00:17:33 MST", "%Y-%m-%dT%H:%M:%S %Z")', '1986-10-01T07:17:33.000Z'],
  ['Time("2023-05-26 12:34:56", "%Y-%m-%d %H:%M:%S", "America/New_York")',
    '2023-05-26T16:34:56.000Z'],
  ['FormatTime(Time("2023-05-26 12:34:56", "%F %T", "America/New_York"), "%H:%M %z %j")',
    '12:34 -0400 -04:00'],
  ['FormatTime(Unix(1, 23456789), "%Y-%m-%dT%H:%M:%S.%L %f %s %I%p %y %D %T %%")',
    '1970-01-01T00:00:01.023 023456 023456789 12AM 70 01/01/70 00:00:01 %'],
  ['FormatTime(Unix(0), "2006-01-02 15:04:05 MST")', '1970-01-01 00:00:00 UTC'],
  ['Time("now", "%Y")', /does not fit/], ['Time(nil, "%Y")', /got nil/],
]);

table('FNV, MD5, SHA1, SHA256, SHA512, Murmur3Hash, Murmur3Hash128', [
  ['FNV("hello world")', 8618312879776256743n], ['FNV("")', -3750763034362895579n],
  ['FNV(10)', /got int/],
  ['MD5("hello world")', '5eb63bbbe01eeed093cb22bb8f5acdc3'],
  ['SHA1("hello world")', '2aae6c35c94fcfb415dbe95f408b9ce91ee846ed'],
  ['SHA256("hello world")', 'b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9'],
  ['Substring(SHA512("hello world"), 0, 16)', '309ecc489c12d6eb'],
  ['Murmur3Hash("Hello World")', 'ce837619'], ['Murmur3Hash("")', '00000000'],
  ['Murmur3Hash128("Hello World")', 'dbc2a0c1ab26631a27b4c09fcf1fe683'],
]);

table('HasPrefix, HasSuffix, TrimPrefix, TrimSuffix, Trim', [
  ['HasPrefix("ingest_service", "ingest_")', true], ['HasPrefix("a", "b")', false],
  ['HasSuffix("ingest_service", "_service")', true], ['HasSuffix(nil, "b")', /got nil/],
  ['TrimPrefix("ingest_service", "ingest_")', 'service'],
  ['TrimPrefix("service", "x")', 'service'],
  ['TrimSuffix("ingest_service", "_service")', 'ingest'],
  ['Trim(" this is a test ", " ")', 'this is a test'],
  ['Trim("!!this is a test!!", "!!")', 'this is a test'],
  ['Trim("  a ")', 'a'], ['Trim(" a ", "")', ' a '],
]);

table('Hex', [
  ['Hex(1.1)', '3ff199999999999a'], ['Hex("1")', '31'], ['Hex(true)', '01'], ['Hex(12)', 'c'],
  ['Hex(0x02)', '02'], ['Hex(nil)', null],
]);

table('IsBool, IsDouble, IsInt, IsString, IsMap, IsList, IsEmpty', [
  ['IsBool(false)', true], ['IsBool(42)', false], ['IsDouble(attributes["ratio"])', true],
  ['IsInt(attributes["http.status_code"])', true], ['IsInt(1.0)', false],
  ['IsString(body)', true], ['IsMap(attributes["nested"])', true], ['IsMap(body)', false],
  ['IsList(attributes["tags"])', true], ['IsList("a")', false],
  ['IsEmpty("")', true], ['IsEmpty(0)', true], ['IsEmpty(false)', true], ['IsEmpty(nil)', true],
  ['IsEmpty({})', true], ['IsEmpty([])', true], ['IsEmpty(body)', false],
  ['IsEmpty(TraceID(0x00000000000000000000000000000000))', true], ['IsEmpty(trace_id)', false],
]);

table('IsInCIDR', [
  ['IsInCIDR("192.168.3.4", ["192.168.0.0/16"])', true],
  ['IsInCIDR("11.1.1.1", ["192.168.0.0/16", "10.0.0.0/8"])', false],
  ['IsInCIDR("10.255.0.1", ["192.168.0.0/16", "10.0.0.0/8"])', true],
  ['IsInCIDR("2001:db8::5", ["2001:db8::/32"])', true],
  ['IsInCIDR("192.168.1.130", ["192.168.1.128/25"])', true],
  ['IsInCIDR("192.168.1.127", ["192.168.1.128/25"])', false],
  ['IsInCIDR("x", ["10.0.0.0/8"])', /IP/],
]);

table('IsMatch', [
  ['IsMatch("string", ".*ring")', true], ['IsMatch(attributes["http.path"], "foo")', false],
  ['IsMatch(attributes["http.status_code"], "^20\\\\d$")', true], ['IsMatch(nil, ".*")', false],
  ['IsMatch(attributes["tags"], "\\"a\\",\\"b\\"")', true], ['IsMatch(true, "tru")', true],
]);

table('IsValidLuhn', [
  ['IsValidLuhn("17893729974")', true], ['IsValidLuhn("17893729975")', false],
  ['IsValidLuhn(17893729974)', true], ['IsValidLuhn("a")', /digits/],
]);

table('Keys, Values, Len', [
  ['Keys({"k1":"v1", "k2": "v2"})', ['k1', 'k2']],
  ['Values({"key1": "value1", "key2": 5, "key3": [1,2]})', ['value1', 5n, [1n, 2n]]],
  ['Keys("x")', /expected map/], ['Len("abc")', 3n], ['Len(attributes["tags"])', 2n],
  ['Len(attributes)', 6n], ['Len(5)', /Len/],
]);

table('Log', [
  ['Log(1)', 0], ['Log("1.0")', 0], ['Log(true)', 0], ['Log(0)', /above zero/], ['Log(nil)', /nil/],
]);

table('ParseCSV', [
  ['ParseCSV("999-999-9999,Joe Smith,joe.smith@example.com", "phone,name,email")',
    { phone: '999-999-9999', name: 'Joe Smith', email: 'joe.smith@example.com' }],
  ['ParseCSV("a|b", "x|y", delimiter="|")', { x: 'a', y: 'b' }],
  ['ParseCSV("a|b \\"c\\" d", "x,y", delimiter="|", headerDelimiter=",", mode="lazyQuotes")',
    { x: 'a', y: 'b "c" d' }],
  ['ParseCSV("\\"555-555-5556,Joe Smith\\",joe.smith@example.com", "phone,name,email", '
    + 'mode="ignoreQuotes")',
    { phone: '"555-555-5556', name: 'Joe Smith"', email: 'joe.smith@example.com' }],
  ['ParseCSV("\\"a,\\"\\"b\\",c\\n", "x,y")', { x: 'a,"b', y: 'c' }],
  ['ParseCSV("a,b \\"c\\"", "x,y")', /no row/], ['ParseCSV("a,b", "x")', /2 fields for 1/],
]);

table('ParseInt', [
  ['ParseInt("12345", 10)', 12345n], ['ParseInt("0xAA", 0)', 170n], ['ParseInt("AA", 16)', 170n],
  ['ParseInt("-20", 8)', -16n], ['ParseInt("0b1111_0000", 0)', 240n],
  ['ParseInt("0b10110", 0)', 22n], ['ParseInt("0xFF", 0)', 255n], ['ParseInt("-0xFF", 0)', -255n],
  ['ParseInt("-0o123", 0)', -83n], ['ParseInt("notANumber", 10)', /int/],
  ['ParseInt("1", -2)', /base/], ['ParseInt("9223372036854775808", 10)', /64 bits/],
]);

table('ParseJSON', [
  ['ParseJSON("{\\"attr\\":true}")', { attr: true }],
  ['ParseJSON("[\\"attr1\\",\\"attr2\\"]")', ['attr1', 'attr2']],
  ['ParseJSON("{\\"n\\":1,\\"z\\":null,\\"m\\":{\\"a\\":[1.5]}}")',
    { n: 1, z: null, m: { a: [1.5] } }],
  ['ParseJSON("{\\"a\\":[{\\"b\\":7}]}")["a"][0]["b"]', 7], ['ParseJSON("{")', /JSON/],
  ['ParseJSON(nil)', /got nil/],
]);

table('ParseKeyValue', [
  ['ParseKeyValue("k1=v1 k2=v2 k3=v3")', { k1: 'v1', k2: 'v2', k3: 'v3' }],
  ['ParseKeyValue("k1!v1_k2!v2_k3!v3", "!", "_")', { k1: 'v1', k2: 'v2', k3: 'v3' }],
  ['ParseKeyValue("a=\\"b c\\"  d=\'e\'")', { a: 'b c', d: 'e' }],
  ['ParseKeyValue("")', /empty/], ['ParseKeyValue("a")', /delimiter/],
]);

const MAPPING = '{"info":[{"equals": ["inf"]}, {"range":{"min":200, "max":299}}], '
  + '"error":[{"range":"4xx"}]}';
table('ParseSeverity', [
  [`ParseSeverity("inf", ${MAPPING})`, 'info'], [`ParseSeverity(250, ${MAPPING})`, 'info'],
  [`ParseSeverity(404, ${MAPPING})`, 'error'], [`ParseSeverity(500, ${MAPPING})`, /no level/],
  ['ParseSeverity(1, {"info": "x"})', /list/],
]);

table('SliceToMap', [
  ['SliceToMap([{"name": "foo", "value": 2}, {"name": "bar", "value": 5}], ["name"])',
    { foo: { name: 'foo', value: 2n }, bar: { name: 'bar', value: 5n } }],
  ['SliceToMap([{"name": "foo", "value": 2}])', { 0: { name: 'foo', value: 2n } }],
  ['SliceToMap([{"name": "foo", "value": 2}], ["name"], ["value"])', { foo: 2n }],
  ['SliceToMap([{"name": 1}], ["name"])', /string/],
]);

table('Sort', [
  ['Sort([3, 1, 2])', [1n, 2n, 3n]], ['Sort([1, 2.5, 0.5], "desc")', [2.5, 1n, 0.5]],
  ['Sort(["b", "a"])', ['a', 'b']], ['Sort([true, false])', [false, true]],
  ['Sort(["b", 10, 9.5])', [10n, 9.5, 'b']], ['Sort([{}])', /cannot be sorted/],
]);

table('SpanID, TraceID', [
  ['SpanID("0102030405060708")', 'id 0102030405060708'],
  ['SpanID(0x0000000000000000)', 'id 0000000000000000'],
  ['TraceID("a389023abaa839283293ed323892389d")', 'id a389023abaa839283293ed323892389d'],
  ['TraceID(0x00)', /16 bytes/], ['SpanID("xyz")', /hexadecimal/],
]);

table('Split, Substring', [
  ['Split("A|B|C", "|")', ['A', 'B', 'C']], ['Split("A|B|C", "|")[1]', 'B'],
  ['Split(nil, "|")', /got nil/], ['Substring("123456789", 0, 3)', '123'],
  ['Substring("一二三", 0, 4, true)', '一'], ['Substring("123", 2, 5)', /more than/],
]);

table('ToKeyValueString', [
  ['ToKeyValueString({"k1":"v1","k2":"v2","k3":"v3"})', 'k1=v1 k2=v2 k3=v3'],
  ['ToKeyValueString({"k1":"v1","k2":{"k3":"v3","k4":["v4","v5"]}})',
    'k1=v1 k2={\\"k3\\":\\"v3\\",\\"k4\\":[\\"v4\\",\\"v5\\"]}'],
  ['ToKeyValueString({"k1":"v1","k2":"v=2","k3":"\\"v=3\\""})', 'k1=v1 k2="v=2" k3="\\"v=3\\""'],
  ['ToKeyValueString({"b":1,"a":true}, ":", ",", true)', 'a:true,b:1'],
]);

table('TruncateTime, Unix, UnixMicro, UnixMilli, UnixNano, UnixSeconds, Now', [
  ['TruncateTime(time, Duration("1s"))', '2023-11-14T22:13:20.000Z'],
  ['TruncateTime(Unix(1672527600), Duration("24h"))', '2022-12-31T00:00:00.000Z'],
  ['Unix(1672527600)', '2022-12-31T23:00:00.000Z'], ['UnixMicro(time)', 1_700_000_000_123_456n],
  ['UnixMilli(time)', 1_700_000_000_123n], ['UnixNano(time)', 1_700_000_000_123_456_789n],
  ['UnixSeconds(time)', 1_700_000_000n], ['UnixSeconds(Now())', 1_767_323_045n],
  ['UnixNano(1)', /expected time/],
]);

table('Year, Month, Day, Hour, Minute, Second, Nanosecond, Weekday', [
  ['Year(Now())', 2026n], ['Month(Now())', 1n], ['Day(Now())', 2n], ['Hour(Now())', 3n],
  ['Minute(Now())', 4n], ['Second(Now())', 5n], ['Nanosecond(Now())', 6n], ['Weekday(Now())', 5n],
  ['Day(5)', /expected time/],
]);

table('URL', [
  ['URL("http://www.example.com")', {
    'url.original': 'http://www.example.com', 'url.scheme': 'http',
    'url.domain': 'www.example.com', 'url.path': '',
  }],
  ['URL("http://myusername:mypassword@www.example.com:80/foo.gif?key1=val1&key2=val2#fragment")', {
    'url.original':
      'http://myusername:mypassword@www.example.com:80/foo.gif?key1=val1&key2=val2#fragment',
    'url.scheme': 'http', 'url.domain': 'www.example.com', 'url.path': '/foo.gif', 'url.port': 80n,
    'url.extension': 'gif', 'url.query': 'key1=val1&key2=val2', 'url.fragment': 'fragment',
    'url.user_info': 'myusername:mypassword', 'url.username': 'myusername',
    'url.password': 'mypassword',
  }],
  ['URL("http://a b")', /URL/],
]);

table('UUID, UUIDv7', [
  ['UUID()', '11111111-2222-4333-8444-555555555555'],
  ['UUIDv7()', '019b7ca9-8c88-7bab-abab-abababababab'],
]);
