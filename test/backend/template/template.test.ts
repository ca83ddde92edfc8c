// Templates: a table of what goes in and comes out, as Go's text/template, Prometheus 3 and
// Alertmanager write it; what is refused and where; and random texts, of which none may throw, run
// on, or make more than the limits allow.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits, TemplateError } from '../../../backend/template/node.ts';
import { parseTemplate } from '../../../backend/template/parse.ts';
import { limits as renderLimits } from '../../../backend/template/render.ts';

const DATA = {
  dot: {
    Status: 'firing', Receiver: 'ops', GroupLabels: { service: 'shop', alertname: 'Slow' },
    Empty: [], Missing: null, Numbers: [1, 2, 3],
    Alerts: [
      { Status: 'firing', Labels: { host: 'a' }, StartsAt: '2026-08-01T10:20:30.250Z' },
      { Status: 'resolved', Labels: { host: 'b' }, StartsAt: '2026-08-01T10:20:30Z' },
    ],
  },
  variables: {
    labels: { service: 'shop', 'host.name': 'web-1', instance: 'web-1.example.org:9100' },
    value: 1234.5678, externalLabels: {}, externalURL: 'https://ops.example.org/binnacle',
  },
};

function render(text: string, variables: object = {}): string {
  const parsed = parseTemplate(text);
  assert.ok(parsed.ok, `${text}: ${parsed.ok ? '' : parsed.why}`);
  return parsed.template.render({ ...DATA, variables: { ...DATA.variables, ...variables } });
}

const check = (text: string, want: string, variables?: object) =>
  assert.equal(render(text, variables), want, text);

test('template: values, labels and fields', () => {
  check('plain } text { and $x', 'plain } text { and $x');
  check('{{ $labels.service }}: {{ $value }}', 'shop: 1234.5678');
  check('{{$labels.host.name}} {{ index $labels "host.name" }}', 'web-1 web-1');
  check('[{{ $labels.nothing }}][{{ .Missing }}][{{ .No.Field }}]', '[][][]');
  check('{{ .Status }} {{ .GroupLabels.service }} {{ $.Receiver }}', 'firing shop ops');
  check('{{ "a\\tb\\u00e9" }}{{ `raw\\n` }}{{ \'x\' }}', 'a\tbéraw\\n120');
  check('{{ true }} {{ 1.50 }} {{ 0x10 }} {{ -3 }}', 'true 1.5 16 -3');
  check('{{ $value }}', '1e+21', { value: 1e21 });
  check('{{ $value }}', '1e-05', { value: 0.00001 });
  check('{{ $value }}', '+Inf', { value: Infinity });
  check('{{ .Numbers }} {{ .GroupLabels }}', '[1 2 3] map[alertname:Slow service:shop]');
});

test('template: trimming and comments', () => {
  check('a  {{- 1 -}}  b', 'a1b');
  check('a\n{{- /* nothing */ -}}\nb', 'ab');
  check('a {{/* nothing {{ */}} b', 'a  b');
  check('a {{ -1 }} b', 'a -1 b');
  check('a {{ 1   -}}   b', 'a 1b');
});

test('template: pipes, brackets and variables', () => {
  check('{{ $value | humanize }}', '1.235k');
  check('{{ $labels.service | toUpper | printf "%s-%s" "x" }}', 'x-SHOP');
  check('{{ (index .Alerts 0).Labels.host }}', 'a');
  check('{{ $a := 1 }}{{ $b := $a }}{{ $a = 2 }}{{ $a }}{{ $b }}', '21');
  check('{{ printf "%d" (len .Numbers) }}', '3');
  check('{{ with $x := .Receiver }}{{ . }}{{ $x }}{{ end }}', 'opsops');
  check('{{ $a := 1 }}{{ if true }}{{ $a = 2 }}{{ $a := 3 }}{{ end }}{{ $a }}', '2');
});

test('template: if, with, range', () => {
  check('{{ if eq .Status "firing" }}a{{ else }}b{{ end }}', 'a');
  check('{{ if gt $value 2000.0 }}a{{ else if gt $value 1000.0 }}b{{ else }}c{{ end }}', 'b');
  check('{{ if .Empty }}a{{ end }}{{ if .Missing }}b{{ end }}{{ if 0 }}c{{ end }}', '');
  check('{{ with .Missing }}a{{ else with .Receiver }}{{ . }}{{ end }}', 'ops');
  check('{{ range .Numbers }}{{ . }},{{ end }}', '1,2,3,');
  check('{{ range $i, $n := .Numbers }}{{ $i }}={{ $n }} {{ end }}', '0=1 1=2 2=3 ');
  check('{{ range $k, $v := .GroupLabels }}{{ $k }}={{ $v }} {{ end }}',
    'alertname=Slow service=shop ');
  check('{{ range .Empty }}a{{ else }}none{{ end }}', 'none');
  check('{{ range .Numbers }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ . }}{{ end }}', '13');
  check('{{ range .Numbers }}{{ if eq . 2 }}{{ break }}{{ end }}{{ . }}{{ end }}', '1');
});

test('template: comparison and logic', () => {
  check('{{ eq 1 2 1 }}{{ ne "a" "b" }}{{ lt 1 2 }}{{ le 2 2 }}{{ gt 1 2 }}{{ ge 2 2 }}',
    'truetruetruetruefalsetrue');
  check('{{ and 1 "" 2 }}|{{ or "" "x" }}|{{ not 0 }}', '|x|true');
  check('{{ or $labels.service (index .Empty 5) }}', 'shop');
});

test('template: printf', () => {
  check('{{ printf "%s %v %q %% %t" "a" 1.5 "b\\"" true }}', 'a 1.5 "b\\"" % true');
  check('{{ printf "%d|%5d|%-5d|%05d|%+d" 5 5 5 5 5 }}', '5|    5|5    |00005|+5');
  check('{{ printf "%f|%.2f|%8.3f|%e|%g|%.3g" 1.5 1.567 1.5 1500.0 0.5 1234.0 }}',
    '1.500000|1.57|   1.500|1.500000e+03|0.5|1.23e+03');
  check('{{ printf "%s %d" "a" }}', 'a %!d(MISSING)');
  check('{{ printf "%999999999d" 1 }}', '1'.padStart(100));
});

test('template: numbers as Prometheus writes them', () => {
  const many = (name: string, cases: readonly (readonly [number, string])[]) => {
    for (const [value, want] of cases) check(`{{ ${name} $value }}`, want, { value });
  };
  many('humanize', [[0, '0'], [1, '1'], [1e3, '1k'], [1234567, '1.235M'], [12345678901, '12.35G'],
    [0.1, '100m'], [0.0000001, '100n'], [-2000, '-2k'], [NaN, 'NaN'], [Infinity, '+Inf']]);
  many('humanize1024', [[0, '0'], [1, '1'], [1048576, '1Mi'], [1536, '1.5ki'], [-2048, '-2ki']]);
  many('humanizeDuration', [[0, '0s'], [1, '1s'], [60, '1m 0s'], [3600, '1h 0m 0s'],
    [86400, '1d 0h 0m 0s'], [90061, '1d 1h 1m 1s'], [0.001, '1ms'], [0.00001, '10us'],
    [-90, '-1m 30s'], [1.5, '1.5s'], [12.3456, '12.35s']]);
  many('humanizePercentage', [[0.1234567, '12.35%'], [1, '100%'], [0, '0%'], [0.0001, '0.01%']]);
  many('humanizeTimestamp', [[1435065584.128, '2015-06-23 13:19:44.128 +0000 UTC'],
    [0, '1970-01-01 00:00:00 +0000 UTC']]);
});

test('template: text functions of Prometheus and Alertmanager', () => {
  check('{{ title "hello world" }} {{ toUpper "a" }} {{ toLower "B" }}', 'Hello World A b');
  check('{{ match "^web-\\\\d+" $labels.host.name }}{{ match "x" "y" }}', 'truefalse');
  check('{{ reReplaceAll "(.*):(\\\\d+)" "$2 of $1" $labels.instance }}',
    '9100 of web-1.example.org');
  check('{{ reReplaceAll "a*" "-" "baac" }}', '-b-c-');
  check('{{ reReplaceAll "(a|ab)(c|bcd)" "[${1}|$2]" "abcd" }}', '[a|bcd]');
  check('{{ reReplaceAll "<(.+?)>" "$1" "<a><b>" }}', 'ab');
  check('{{ reReplaceAll "x(y)?" "<$1$$>" "xxy" }}', '<$><y$>');
  check('{{ externalURL }}{{ pathPrefix }}', 'https://ops.example.org/binnacle/binnacle');
  check('{{ stripPort "a:80" }} {{ stripDomain "a.b.c:80" }}', 'a a:80');
  check('{{ join ", " (stringSlice "a" "b") }} {{ trimSpace " a " }}', 'a, b a');
  check('{{ html "<a>" }} {{ safeHtml "<a>" }} {{ urlquery "a b&" }}', '&lt;a&gt; <a> a+b%26');
  check('{{ toJson .GroupLabels }}', '{"service":"shop","alertname":"Slow"}');
});

test('template: Alertmanager\'s data', () => {
  check('{{ len .Alerts.Firing }} {{ len .Alerts.Resolved }}', '1 1');
  check('{{ range .Alerts.Firing }}{{ .Labels.host }}{{ end }}', 'a');
  check('{{ range .GroupLabels.SortedPairs }}{{ .Name }}={{ .Value }};{{ end }}',
    'alertname=Slow;service=shop;');
  check('{{ join " " .GroupLabels.Values }}|{{ .GroupLabels.Names }}',
    'Slow shop|[alertname service]');
  check('{{ (.GroupLabels.Remove (stringSlice "alertname")).Names }}', '[service]');
  check('{{ .GroupLabels.SortedPairs.Values | join "-" }}', 'Slow-shop');
  check('{{ (index .Alerts 0).StartsAt.Format "Jan 2 15:04:05.000" }}', 'Aug 1 10:20:30.250');
});

test('template: what cannot be filled in stays visible', () => {
  check('a {{ humanize "x" }} b', 'a {{ humanize "x" }} b');
  check('{{ index .Numbers 7 }}', '{{ index .Numbers 7 }}');
  check('{{ lt 1 "a" }}', '{{ lt 1 "a" }}');
  check('{{ if lt 1 "a" }}x{{ end }}y', '{{ if lt 1 "a" }}y');
  check('{{ match "(" "a" }}', '{{ match "(" "a" }}');
});

test('template: what is refused, and where', () => {
  const refused = (text: string, why: RegExp, at: number) => {
    const parsed = parseTemplate(text);
    assert.ok(!parsed.ok, text);
    assert.match(`${parsed.why}; ${parsed.hint}`, why);
    assert.equal(parsed.at, at, text);
  };
  refused('a {{ $value', /a \{\{ has no \}\}/, 2);
  refused('a {{ $vlaue }}', /no variable \$vlaue; did you mean \$value\?/, 5);
  refused('{{ humanise 1 }}', /no function humanise; did you mean humanize\?/, 3);
  refused('{{ if true }}', /has no \{\{ end \}\}/, 0);
  refused('{{ end }}', /no block/, 0);
  refused('{{ }}', /missing/, 3);
  refused('{{ "a }}', /no end/, 3);
  refused('{{ query "up" }}', /not supported; make a rule/, 3);
  refused('{{ template "x" . }}', /not supported/, 3);
  refused('{{ 1 2 }}', /a value cannot be given/, 7);
  refused('{{ (1 }}', /a \( has no \)/, 3);
  refused('{{ % }}', /means nothing/, 3);
  refused('{{ break }}', /outside of a range/, 0);
  refused('{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}', /no variable \$x/, 38);
  refused('x'.repeat(limits.charactersMax + 1), /more than/, limits.charactersMax);
});

test('template: uses of labels are told with their places', () => {
  const parsed = parseTemplate('{{ $labels.host.name }} {{ index $labels "a.b" }} {{ $value }}');
  assert.ok(parsed.ok);
  assert.deepEqual(parsed.uses, [
    { variable: 'labels', path: ['host', 'name'], at: 3 },
    { variable: 'labels', path: [], at: 33 },
    { variable: 'labels', path: ['a.b'], at: 24 },
    { variable: 'value', path: [], at: 53 },
  ]);
});

test('template: output and steps have limits', () => {
  const list = { list: Array.from({ length: 1000 }, (_, index) => index) };
  const nested = '{{ range $labels.list }}{{ range $labels.list }}xxxx{{ end }}{{ end }}';
  const text = render(nested, { labels: list });
  assert.ok(text.length <= renderLimits.outputCharactersMax + 1);
  assert.ok(text.endsWith('…'));
  const silent = '{{ range $labels.list }}{{ range $labels.list }}{{ end }}{{ end }}done';
  assert.equal(render(silent, { labels: list }), '…');
  const doubling = '{{ $a := "xxxxxxxxxxxxxxxx" }}{{ range $labels.list }}'
    + '{{ $a = print $a $a }}{{ end }}{{ $a }}';
  assert.ok(render(doubling, { labels: list }).length <= renderLimits.outputCharactersMax + 1);
});

test('template: random texts never throw', () => {
  const parts = ['{{', '}}', '{{-', '-}}', ' ', '.', '$', '$labels', '.service', 'range', 'if',
    'else', 'end', 'with', '"a"', '1', '(', ')', '|', ':=', '=', ',', '$x', 'eq', 'index', 'len',
    'printf', '"%s%d"', 'and', 'x', '\n', '/*', '*/', 'join', 'match', '"("', 'nil', 'break',
    'reReplaceAll', '.Alerts', '.SortedPairs', '-', '\\', '`', "'", 'slice', 'é'];
  let seed = 7;
  const next = (count: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return (seed >> 8) % count;
  };
  let rendered = 0;
  for (let round = 0; round < 20_000; round += 1) {
    const isWhole = next(2) === 0;
    const middle = Array.from({ length: 1 + next(10) }, () => parts[next(parts.length)]!)
      .join(next(2) === 0 ? ' ' : '');
    const parsed = parseTemplate(isWhole ? `{{ ${middle} }}` : middle);
    if (!parsed.ok) {
      assert.ok(parsed.at >= 0 && parsed.at <= middle.length + 6, middle);
      continue;
    }
    rendered += 1;
    const text = parsed.template.render(DATA);
    assert.ok(text.length <= renderLimits.outputCharactersMax + 1);
  }
  assert.ok(rendered > 500, String(rendered));
  assert.ok(new TemplateError('x', 1).at === 1);
});
