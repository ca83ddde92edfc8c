// Ready lists of operators for formats that many programs write, for the operator `preset`. Each
// takes a line apart into time, severity, body and attributes; the parts that became something else
// are no attributes any more.

/** Operators as they are written. `location` is the zone of times without one. */
export type Preset = (location: string) => readonly Readonly<Record<string, unknown>>[];

export interface PresetFacts {
  /** A line of the format. */
  readonly example: string;
  readonly attributes: readonly string[];
  readonly operators: Preset;
}

interface LineFormat {
  readonly regex: string;
  readonly layout: string;
  /** Levels besides those that are known by themselves; null: lines have none. */
  readonly levels: Readonly<Record<string, unknown>> | null;
  /** Attributes that a line may lack. */
  readonly optional?: readonly string[];
}

function linePreset({ regex, layout, levels, optional = [] }: LineFormat): Preset {
  return (location) => [
    {
      type: 'regex_parser', regex, body: 'attributes.message',
      timestamp: { parse_from: 'attributes.time', layout, location },
      ...(levels === null ? {}
        : { severity: { parse_from: 'attributes.level', mapping: levels } }),
    },
    ...['message', 'time', ...(levels === null ? [] : ['level'])].map((name) =>
      ({ type: 'remove', field: `attributes.${name}`, if: `attributes.${name} != nil` })),
    ...optional.map((name) =>
      ({ type: 'remove', field: `attributes.${name}`, if: `attributes.${name} == ""` })),
  ];
}

const SYSLOG_LEVELS = {
  fatal: 'emerg', error3: 'alert', error2: 'crit', info2: 'notice',
  trace: ['trace1', 'trace2', 'trace3', 'trace4', 'trace5', 'trace6', 'trace7', 'trace8'],
};
const LOG4J_LEVELS = { trace: 'ALL', fatal: ['SEVERE', 'CRITICAL'] };

const ACCESS = '^(?P<client>\\S+) (?P<ident>\\S+) (?P<user>\\S+) \\[(?P<time>[^\\]]+)\\] '
  + '"(?:(?P<method>[A-Z]+) (?P<path>[^" ]*)(?: HTTP/(?P<version>[\\d.]+))?|[^"]*)" '
  + '(?P<status>\\d{3}) (?P<size>\\d+|-)(?: "(?P<referer>[^"]*)" "(?P<agent>[^"]*)")?';
const ACCESS_PARTS = [
  'client', 'ident', 'user', 'method', 'path', 'version', 'status', 'size', 'referer', 'agent',
];

export const PRESETS: Readonly<Record<string, PresetFacts>> = {
  access_log: {
    example: '192.0.2.1 - ann [02/Jan/2026:03:04:05 +0100] "GET / HTTP/1.1" 200 12 "-" "curl/8"',
    attributes: ACCESS_PARTS,
    operators: (location) => [
      {
        type: 'regex_parser', regex: ACCESS,
        timestamp: { parse_from: 'attributes.time', layout: '%d/%b/%Y:%H:%M:%S %z', location },
        severity: {
          parse_from: 'attributes.status',
          mapping: { info: ['2xx', '3xx', { min: 100, max: 199 }], warn: '4xx', error: '5xx' },
        },
      },
      { type: 'remove', field: 'attributes.time', if: 'attributes.time != nil' },
      ...ACCESS_PARTS.map((name) => ({
        type: 'remove', field: `attributes.${name}`, if: `attributes.${name} in ["", "-"]`,
      })),
    ],
  },
  android: {
    example: '03-17 16:13:38.811  1702  2395 D WindowManager: text',
    attributes: ['pid', 'tid', 'component'],
    operators: linePreset({
      regex: '^(?P<time>\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d\\.\\d+) +(?P<pid>\\d+) +(?P<tid>\\d+) '
        + '(?P<level>[VDIWEFA]) +(?P<component>[^:]*?) *: ?(?P<message>.*)$',
      layout: '%m-%d %H:%M:%S.%L',
      levels: { trace: 'V', debug: 'D', info: 'I', warn: 'W', error: 'E', fatal: ['F', 'A'] },
    }),
  },
  apache_error: {
    example: '[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 3:tid 4] [client 192.0.2.1] text',
    attributes: ['module', 'pid', 'tid', 'client'],
    operators: linePreset({
      regex: '^\\[(?P<time>[^\\]]+)\\] \\[(?:(?P<module>[^:\\]]*):)?(?P<level>\\w+)\\] '
        + '(?:\\[pid (?P<pid>\\d+)(?::tid (?P<tid>\\d+))?\\] )?'
        + '(?P<message>(?:\\[client (?P<client>[^\\]]+)\\] )?.*)$',
      layout: '%a %b %d %H:%M:%S %Y',
      levels: SYSLOG_LEVELS,
      optional: ['module', 'pid', 'tid', 'client'],
    }),
  },
  hdfs: {
    example: '081109 203615 148 INFO dfs.DataNode$PacketResponder: text',
    attributes: ['pid', 'component'],
    operators: linePreset({
      regex: '^(?P<time>\\d{6} \\d{6}) (?P<pid>\\d+) (?P<level>[A-Z]+) (?P<component>[^:]+): '
        + '(?P<message>.*)$',
      layout: '%y%m%d %H%M%S',
      levels: LOG4J_LEVELS,
    }),
  },
  logfmt: {
    example: 'time=2026-01-02T03:04:05Z level=info msg="text" user=ann',
    attributes: [],
    operators: (location) => [
      { type: 'key_value_parser' },
      ...['time', 'ts'].map((name) => ({
        type: 'time_parser', parse_from: `attributes.${name}`, layout_type: 'gotime',
        layout: '2006-01-02T15:04:05.999999999Z07:00', location,
        if: `(attributes.${name} ?? "") matches "^[0-9]{4}-[0-9]{2}-[0-9]{2}T"`,
      })),
      ...['level', 'lvl'].map((name) => ({
        type: 'severity_parser', parse_from: `attributes.${name}`, if: `attributes.${name} != nil`,
        mapping: { ...SYSLOG_LEVELS, trace: 'trac', fatal: ['panic', 'dpanic', 'crit'] },
      })),
      { type: 'move', from: 'attributes.msg', to: 'body', if: 'attributes.msg != nil' },
    ],
  },
  nginx_error: {
    example: '2026/01/02 03:04:05 [error] 29#29: *1 text',
    attributes: ['pid', 'tid'],
    operators: linePreset({
      regex: '^(?P<time>\\d{4}/\\d\\d/\\d\\d \\d\\d:\\d\\d:\\d\\d) \\[(?P<level>\\w+)\\] '
        + '(?P<pid>\\d+)#(?P<tid>\\d+): (?P<message>.*)$',
      layout: '%Y/%m/%d %H:%M:%S',
      levels: SYSLOG_LEVELS,
    }),
  },
  spark: {
    example: '17/06/09 20:10:40 INFO spark.SecurityManager: text',
    attributes: ['component'],
    operators: linePreset({
      regex: '^(?P<time>\\d\\d/\\d\\d/\\d\\d \\d\\d:\\d\\d:\\d\\d) (?P<level>[A-Z]+) '
        + '(?P<component>[^:]+): (?P<message>.*)$',
      layout: '%y/%m/%d %H:%M:%S',
      levels: LOG4J_LEVELS,
    }),
  },
  syslog_file: {
    example: 'Jan  2 03:04:05 host sshd[24200]: text',
    attributes: ['hostname', 'appname', 'proc_id', 'origin'],
    operators: linePreset({
      regex: '^(?P<time>[A-Z][a-z]{2} [ \\d]\\d \\d\\d:\\d\\d:\\d\\d) (?P<hostname>\\S+) '
        + '(?:(?P<appname>[^\\[:]+?)(?:\\[(?P<proc_id>\\d+)\\])?(?: \\((?P<origin>[^)]*)\\))?: ?)?'
        + '(?P<message>.*)$',
      layout: '%b %e %H:%M:%S',
      levels: null,
      optional: ['appname', 'proc_id', 'origin'],
    }),
  },
  zookeeper: {
    example: '2015-07-29 17:41:44,747 - INFO  [QuorumPeer[myid=1]:FastLeaderElection@774] - text',
    attributes: ['component'],
    operators: linePreset({
      regex: '^(?P<time>\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d,\\d+) - (?P<level>[A-Z]+) +'
        + '\\[(?P<component>.*?)\\] - (?P<message>.*)$',
      layout: '%Y-%m-%d %H:%M:%S,%L',
      levels: LOG4J_LEVELS,
    }),
  },
};
