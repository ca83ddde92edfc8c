// What analysts, dashboards and drivers ask: each passes the gate and runs. `{p}` texts are given
// as parameters by the test: from, to (DateTime64), service (String), services (Array(String)),
// n (UInt32).

/** Fragments that Grafana's macros become. */
const DURING = 'Timestamp >= toDateTime(1767348000) AND Timestamp <= toDateTime(1767351600)';
const BUCKET = 'toStartOfInterval(toDateTime(Timestamp), INTERVAL 60 second) AS time';

export const ANALYSTS: readonly string[] = [
  // Plain reading.
  'SELECT 1',
  'SELECT count() FROM otel_logs',
  'select * from otel_logs limit 3',
  'SELECT * FROM default.otel_logs LIMIT 3',
  'SELECT * FROM `default`.`otel_logs` LIMIT 3',
  'SELECT * FROM "otel_logs" LIMIT 3;',
  'FROM otel_logs SELECT count()',
  'SELECT TOP 3 Body FROM otel_logs',
  'SELECT DISTINCT ServiceName FROM otel_logs ORDER BY ALL',
  'SELECT DISTINCT ON (ServiceName) ServiceName, Body FROM otel_logs',
  'SELECT Body FROM otel_logs ORDER BY Timestamp DESC LIMIT 5 OFFSET 1',
  'SELECT Body FROM otel_logs ORDER BY Timestamp LIMIT 1, 2',
  'SELECT Body FROM otel_logs ORDER BY SeverityNumber LIMIT 2 WITH TIES',
  'SELECT ServiceName, Body FROM otel_logs ORDER BY Timestamp DESC LIMIT 1 BY ServiceName',
  'SELECT Body FROM otel_logs ORDER BY Body OFFSET 1 ROW FETCH FIRST 2 ROWS ONLY',
  "SELECT 'it''s', 'a\\nb', 'ä', $$a'b$$, x'41', b'01000001'",
  'SELECT 1 AS `größe (ms)`, 2 AS "p95 (ms)", 3 AS `a.b`, 4 AS `50%`',
  'SELECT 1 -- a comment; with a semicolon',
  'SELECT /* file(x) */ 1',
  "SELECT 'file(/etc/passwd)', 'system.tables', 'DROP TABLE x; --'",
  'SELECT 1 AS file, 2 AS hostname, 3 AS user ORDER BY hostname',
  "SELECT ResourceAttributes['host.name'] AS hostname, count() FROM otel_logs GROUP BY hostname",
  // Filters.
  'SELECT count() FROM otel_logs PREWHERE SeverityNumber >= 17 WHERE ServiceName != \'\'',
  "SELECT count() FROM otel_logs WHERE Body ILIKE '%TIMEOUT%'",
  "SELECT count() FROM otel_logs WHERE Body LIKE '%timeout%' AND NOT Body LIKE '%x%'",
  "SELECT count() FROM otel_logs WHERE match(Body, 'time.*out')",
  "SELECT count() FROM otel_logs WHERE Body REGEXP '[0-9]+'",
  "SELECT count() FROM otel_logs WHERE hasToken(Body, 'timeout')",
  "SELECT count() FROM otel_logs WHERE hasAnyTokens(Body, ['timeout', 'refused'])",
  "SELECT count() FROM otel_logs WHERE multiSearchAny(Body, ['timeout', 'refused'])",
  "SELECT count() FROM otel_logs WHERE positionCaseInsensitive(Body, 'TIMEOUT') > 0",
  "SELECT count() FROM otel_logs WHERE ServiceName IN ('shop', 'pay')",
  "SELECT count() FROM otel_logs WHERE (ServiceName, SeverityNumber) IN (('shop', 17))",
  "SELECT count() FROM otel_logs WHERE ServiceName NOT IN ['shop']",
  'SELECT count() FROM otel_logs WHERE TraceId IN (SELECT TraceId FROM otel_traces)',
  'SELECT count() FROM otel_logs WHERE TraceId GLOBAL IN (SELECT TraceId FROM otel_traces)',
  'SELECT count() FROM otel_logs WHERE SeverityNumber BETWEEN 9 AND 17',
  "SELECT count() FROM otel_logs WHERE LogAttributes['http.route'] = '/cart'",
  "SELECT count() FROM otel_logs WHERE mapContains(LogAttributes, 'http.route')",
  "SELECT count() FROM otel_logs WHERE has(mapKeys(LogAttributes), 'http.route')",
  'SELECT count() FROM otel_logs WHERE TraceId IS NOT NULL AND isNotNull(SpanId)',
  'SELECT count() FROM otel_logs WHERE EXISTS(SELECT 1 FROM otel_traces)',
  'SELECT count() FROM otel_logs WHERE Timestamp >= now() - INTERVAL 1 HOUR',
  "SELECT count() FROM otel_logs WHERE Timestamp > now64() - INTERVAL '1 day'",
  `SELECT count() FROM otel_logs WHERE ${DURING}`,
  // Parameters.
  'SELECT count() FROM otel_logs WHERE ServiceName = {service:String}',
  'SELECT count() FROM otel_logs WHERE ServiceName IN {services:Array(String)}',
  'SELECT count() FROM otel_logs WHERE has({services:Array(String)}, ServiceName)',
  'SELECT Body FROM otel_logs WHERE Timestamp >= {from:DateTime64(9)} LIMIT {n:UInt32}',
  'SELECT {n:UInt32} + 1 AS next, {service: String} AS name',
  'SELECT {n:Nullable(UInt32)}, {services:Array(LowCardinality(String))}',
  // Aggregates.
  'SELECT ServiceName, count() AS c FROM otel_logs GROUP BY ServiceName ORDER BY c DESC',
  'SELECT ServiceName, SeverityText, count() FROM otel_logs GROUP BY 1, 2 ORDER BY 3 DESC',
  'SELECT ServiceName, count() FROM otel_logs GROUP BY ALL',
  'SELECT ServiceName, count() FROM otel_logs GROUP BY ServiceName WITH TOTALS',
  'SELECT ServiceName, SeverityText, count() FROM otel_logs GROUP BY ROLLUP(ServiceName, '
    + 'SeverityText)',
  'SELECT ServiceName, count() FROM otel_logs GROUP BY CUBE(ServiceName)',
  'SELECT ServiceName, grouping(ServiceName), count() FROM otel_logs GROUP BY GROUPING SETS '
    + '((ServiceName), ())',
  'SELECT ServiceName, count() FROM otel_logs GROUP BY ServiceName HAVING count() > 1',
  "SELECT countIf(SeverityNumber >= 17) / count() AS errors FROM otel_logs",
  'SELECT count() FILTER (WHERE SeverityNumber >= 17) FROM otel_logs',
  'SELECT uniq(TraceId), uniqExact(TraceId), uniqCombined64(SpanId) FROM otel_logs',
  'SELECT count(DISTINCT TraceId), countDistinct(SpanId) FROM otel_logs',
  'SELECT quantile(0.95)(Duration) / 1e6 FROM otel_traces',
  'SELECT quantiles(0.5, 0.95, 0.99)(Duration) FROM otel_traces',
  'SELECT quantilesDD(0.01, 0.5, 0.95, 0.99)(Duration) FROM otel_traces',
  'SELECT quantilesTDigestIf(0.5, 0.99)(Duration, SpanKind = \'Server\') FROM otel_traces',
  'SELECT quantileExactWeighted(0.9)(Duration, 1) FROM otel_traces',
  'SELECT median(Duration), avg(Duration), stddevPop(Duration) FROM otel_traces',
  'SELECT topK(10)(SpanName), topKWeighted(5)(SpanName, Duration) FROM otel_traces',
  'SELECT approx_top_count(3)(ServiceName) FROM otel_logs',
  'SELECT argMax(SpanName, Duration), argMin(SpanName, Duration) FROM otel_traces',
  'SELECT any(Body), anyLast(Body), first_value(Body) FROM otel_logs',
  'SELECT groupArray(10)(Body), groupUniqArray(ServiceName) FROM otel_logs',
  "SELECT groupConcat(', ')(ServiceName) FROM otel_logs",
  'SELECT histogram(5)(Duration) FROM otel_traces',
  'SELECT sumMap(map(ServiceName, 1)) FROM otel_logs',
  'SELECT corr(Duration, SeverityNumber) FROM otel_traces AS t, otel_logs AS l',
  'SELECT simpleLinearRegression(toUnixTimestamp(Timestamp), Duration) FROM otel_traces',
  'SELECT skewPop(Duration), kurtPop(Duration), entropy(SpanName) FROM otel_traces',
  "SELECT sparkbar(9)(toUnixTimestamp(Timestamp), 1) FROM otel_logs",
  'SELECT SUM(Duration), AVG(Duration), MIN(Duration), MAX(Duration), COUNT(*) FROM otel_traces',
  'SELECT sumOrNull(Duration), avgOrDefault(Duration) FROM otel_traces',
  'SELECT quantileMerge(0.9)(s) FROM (SELECT quantileState(0.9)(Duration) AS s FROM otel_traces)',
  'SELECT finalizeAggregation(uniqState(TraceId)) FROM otel_logs',
  "SELECT windowFunnel(60)(toDateTime(Timestamp), SeverityNumber = 9, SeverityNumber = 17) "
    + 'FROM otel_logs',
  "SELECT sequenceMatch('(?1)(?2)')(toDateTime(Timestamp), SeverityNumber = 9, "
    + 'SeverityNumber = 17) FROM otel_logs',
  'SELECT retention(SeverityNumber = 9, SeverityNumber = 17) FROM otel_logs',
  'SELECT deltaSum(Value), boundingRatio(toUnixTimestamp(TimeUnix), Value) FROM otel_metrics_sum',
  // Time.
  'SELECT toStartOfMinute(Timestamp) AS t, count() FROM otel_logs GROUP BY t ORDER BY t',
  'SELECT toStartOfInterval(Timestamp, INTERVAL 5 MINUTE) AS t, count() FROM otel_logs GROUP BY t',
  "SELECT date_trunc('hour', Timestamp) AS t, count() FROM otel_logs GROUP BY t",
  "SELECT toStartOfDay(Timestamp, 'Europe/Berlin') FROM otel_logs LIMIT 1",
  "SELECT formatDateTime(Timestamp, '%Y-%m-%d %H:%i:%S') FROM otel_logs LIMIT 1",
  "SELECT dateDiff('second', min(Timestamp), max(Timestamp)) FROM otel_logs",
  'SELECT date_add(DAY, 1, today()), dateSub(HOUR, 2, now()), timestamp_add(now(), INTERVAL 1 DAY)',
  'SELECT extract(YEAR FROM now()), toHour(now()), toDayOfWeek(now()), toISOWeek(now())',
  "SELECT toTimeZone(now(), 'America/New_York'), now('UTC'), yesterday()",
  "SELECT parseDateTimeBestEffort('2026-01-02T10:00:00Z'), toDateTime64('2026-01-02 10:00:00', 3)",
  "SELECT fromUnixTimestamp64Nano(1767348000000000000), toUnixTimestamp64Milli(now64(3))",
  'SELECT age(\'day\', toDate(\'2026-01-01\'), today()), timeSlot(now())',
  'SELECT toStartOfMinute(Timestamp) AS t, count() AS c FROM otel_logs GROUP BY t ORDER BY t '
    + "WITH FILL FROM toDateTime('2026-01-02 10:00:00') TO toDateTime('2026-01-02 10:10:00') "
    + 'STEP INTERVAL 1 MINUTE INTERPOLATE (c AS c + 1)',
  'SELECT number AS n FROM numbers(3) ORDER BY n WITH FILL TO 10 STEP 2',
  'SELECT tumbleStart(toDateTime(Timestamp), INTERVAL 1 MINUTE) FROM otel_logs LIMIT 1',
  // Maps, arrays, tuples.
  "SELECT LogAttributes['http.route'] AS route, count() FROM otel_logs GROUP BY route",
  'SELECT arrayJoin(mapKeys(LogAttributes)) AS k, count() FROM otel_logs GROUP BY k ORDER BY 2 '
    + 'DESC',
  'SELECT DISTINCT arrayJoin(LogAttributes.keys) AS key FROM otel_logs LIMIT 1000',
  'SELECT k, v FROM otel_logs ARRAY JOIN mapKeys(LogAttributes) AS k, mapValues(LogAttributes) '
    + 'AS v',
  'SELECT kv.1, kv.2 FROM otel_logs LEFT ARRAY JOIN LogAttributes AS kv LIMIT 3',
  'SELECT Events.Name FROM otel_traces LIMIT 1',
  'SELECT e FROM otel_traces ARRAY JOIN Events.Name AS e LIMIT 1',
  'SELECT arrayMap(x -> x * 2, [1, 2]), arrayFilter(x -> x > 1, [1, 2]), arraySum([1, 2])',
  'SELECT arrayMap((x, y) -> x + y, [1, 2], [3, 4]), arrayZip([1], [2])',
  'SELECT arrayMap(toString, [1, 2]), arrayMap(upper, [\'a\'])',
  'SELECT arraySort(x -> -x, [1, 3, 2]), arrayReverse([1, 2]), arrayDistinct([1, 1])',
  'SELECT arrayFold((acc, x) -> acc + x, [1, 2, 3], toInt64(0))',
  "SELECT arrayReduce('max', [1, 2, 3]), arrayReduce('quantile(0.5)', [1, 2, 3])",
  "SELECT arrayStringConcat(arraySlice(splitByChar('/', '/a/b/c'), 2), '-')",
  'SELECT mapFilter((k, v) -> k LIKE \'http%\', LogAttributes) FROM otel_logs LIMIT 1',
  "SELECT mapApply((k, v) -> (upper(k), v), map('a', 1)), mapUpdate(map('a', 1), map('b', 2))",
  'SELECT tuple(1, \'a\').2, (1, 2) = (1, 2), untuple((1, 2))',
  'SELECT [1, 2, 3][-1], map(\'a\', 1)[\'a\'], length([1, 2])',
  'WITH (x -> x * 2) AS twice SELECT twice(2), arrayMap(twice, [1])',
  'WITH [1, 2, 3] AS xs SELECT 2 IN xs',
  // JSON and text.
  "SELECT JSONExtractString('{\"a\": \"b\"}', 'a'), JSON_VALUE('{\"a\":1}', '$.a')",
  "SELECT JSONExtract('{\"a\": [1, 2]}', 'a', 'Array(UInt8)'), isValidJSON('{}')",
  "SELECT '{\"a\": {\"b\": 1}}'::JSON AS j, j.a.b, j.a.b.:Int64, j.^a",
  'SELECT JSONLength(Body), JSONHas(Body, \'a\') FROM otel_logs LIMIT 1',
  "SELECT toJSONString(LogAttributes), toJSONString(map('a', 1)) FROM otel_logs LIMIT 1",
  "SELECT replaceRegexpAll(Body, '[0-9]+', '#') AS pattern, count() FROM otel_logs GROUP BY "
    + "pattern",
  "SELECT extractAll(Body, '[0-9]+'), extract(Body, '([0-9]+)') FROM otel_logs LIMIT 1",
  "SELECT extractKeyValuePairs('a:1, b:2'), splitByString(', ', 'a, b')",
  "SELECT substring(Body, 1, 5), left(Body, 3), upper(Body), lengthUTF8(Body) FROM otel_logs "
    + "LIMIT 1",
  "SELECT format('{} of {}', ServiceName, Body), concat(ServiceName, ':', Body) FROM otel_logs",
  "SELECT ServiceName || ':' || Body AS text FROM otel_logs",
  "SELECT trim(BOTH ' ' FROM ' a '), position('b' IN 'abc'), substring('abc' FROM 2 FOR 1)",
  "SELECT levenshteinDistance('a', 'b'), ngramDistance('abc', 'abd'), soundex('x')",
  "SELECT domain('https://a.b/c?d=e'), path('https://a.b/c'), extractURLParameter('x?d=e', 'd')",
  "SELECT toIPv4('10.0.0.1'), isIPAddressInRange('10.0.0.1', '10.0.0.0/8'), IPv4NumToString(1)",
  "SELECT cityHash64('a'), sipHash64('a'), hex(MD5('a')), xxHash64('a'), lower(hex(SHA256('a')))",
  "SELECT base64Encode('a'), unhex('41'), toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0')",
  'SELECT generateUUIDv4() != generateUUIDv7(), rand() >= 0, randomPrintableASCII(3) != \'\'',
  "SELECT formatReadableSize(123456789), formatReadableTimeDelta(3600), formatRow('CSV', 1, 'a')",
  'SELECT geoDistance(0, 0, 1, 1), geohashEncode(1.5, 1.5), h3IsValid(0::UInt64)',
  // Types and conditions.
  "SELECT CAST(1 AS String), CAST('1', 'UInt8'), 1::Float64, '[1]'::Array(UInt8), toUInt8('1')",
  "SELECT if(1, 2, 3), multiIf(0, 1, 2), CASE 1 WHEN 1 THEN 'a' ELSE 'b' END, coalesce(NULL, 1)",
  'SELECT 1 ? 2 : 3, NOT 1, -1, 5 % 2, 7 DIV 2, 1 <=> NULL, nullIf(1, 1), ifNull(NULL, 2)',
  'SELECT round(1.234, 2), floor(1.5), exp(1), log10(100), pow(2, 3), greatest(1, 2), bitAnd(3, 1)',
  "SELECT toTypeName(Timestamp), toString(SeverityNumber), reinterpretAsUInt64('a') FROM otel_logs",
  "SELECT transform(SeverityNumber, [9, 17], ['info', 'error'], 'other') FROM otel_logs",
  // Joins, unions, subqueries.
  'SELECT l.Body, t.SpanName FROM otel_logs AS l INNER JOIN otel_traces AS t USING (TraceId)',
  'SELECT l.Body, t.SpanName FROM otel_logs l LEFT JOIN otel_traces t ON l.TraceId = t.TraceId '
    + 'AND l.SpanId = t.SpanId WHERE t.Duration > 0',
  'SELECT count() FROM otel_logs AS l ANY LEFT JOIN otel_traces AS t ON l.TraceId = t.TraceId',
  'SELECT count() FROM otel_logs AS l SEMI JOIN otel_traces AS t ON l.TraceId = t.TraceId',
  'SELECT count() FROM otel_logs AS l ANTI JOIN otel_traces AS t ON l.TraceId = t.TraceId',
  'SELECT l.Body, t.SpanName FROM otel_logs AS l ASOF JOIN otel_traces AS t ON l.TraceId = '
    + 't.TraceId AND l.Timestamp >= t.Timestamp',
  'SELECT count() FROM otel_logs FULL OUTER JOIN otel_traces USING TraceId',
  'SELECT count() FROM otel_logs CROSS JOIN numbers(2) AS n',
  'SELECT count() FROM otel_logs, otel_traces WHERE otel_logs.TraceId = otel_traces.TraceId',
  'SELECT * FROM (SELECT 1 AS a) AS x PASTE JOIN (SELECT 2 AS b) AS y',
  'SELECT p.SpanName AS parent, c.SpanName AS child, count() FROM otel_traces AS c JOIN '
    + 'otel_traces AS p ON c.TraceId = p.TraceId AND c.ParentSpanId = p.SpanId GROUP BY 1, 2',
  'SELECT ServiceName FROM otel_logs UNION ALL SELECT ServiceName FROM otel_traces',
  'SELECT ServiceName FROM otel_logs UNION DISTINCT SELECT ServiceName FROM otel_traces',
  'SELECT ServiceName FROM otel_logs INTERSECT SELECT ServiceName FROM otel_traces',
  'SELECT ServiceName FROM otel_logs EXCEPT SELECT ServiceName FROM otel_traces',
  '(SELECT 1) UNION ALL (SELECT 2)',
  'SELECT (SELECT max(Duration) FROM otel_traces) AS slowest, count() FROM otel_logs',
  'WITH slow AS (SELECT TraceId FROM otel_traces WHERE Duration > 0) SELECT count() FROM otel_logs '
    + 'WHERE TraceId IN slow',
  'WITH slow AS (SELECT * FROM otel_traces), s2 AS (SELECT * FROM slow) SELECT count() FROM s2',
  "WITH 'shop' AS wanted SELECT count() FROM otel_logs WHERE ServiceName = wanted",
  'WITH t(a, b) AS (SELECT 1, 2) SELECT a + b FROM t',
  'WITH RECURSIVE tree AS (SELECT SpanId, 0 AS depth FROM otel_traces WHERE ParentSpanId = \'\' '
    + 'UNION ALL SELECT t.SpanId, depth + 1 FROM otel_traces AS t JOIN tree ON t.ParentSpanId = '
    + 'tree.SpanId WHERE depth < 9) SELECT max(depth) FROM tree',
  'SELECT * FROM view(SELECT count() FROM otel_logs)',
  // Windows.
  'SELECT Body, row_number() OVER (PARTITION BY ServiceName ORDER BY Timestamp) FROM otel_logs',
  'SELECT t, c, c - lagInFrame(c) OVER (ORDER BY t ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM '
    + '(SELECT toStartOfMinute(Timestamp) AS t, count() AS c FROM otel_logs GROUP BY t)',
  'SELECT SpanName, rank() OVER w, dense_rank() OVER w FROM otel_traces WINDOW w AS (ORDER BY '
    + 'Duration DESC)',
  'SELECT avg(Duration) OVER (ORDER BY Timestamp RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT '
    + 'ROW) FROM otel_traces',
  'SELECT SpanName FROM otel_traces QUALIFY row_number() OVER (ORDER BY Duration DESC) <= 2',
  'SELECT first_value(Body) IGNORE NULLS OVER (ORDER BY Timestamp) FROM otel_logs',
  'SELECT exponentialMovingAverage(10)(Value, toUnixTimestamp(TimeUnix)) FROM otel_metrics_gauge',
  // Columns.
  'SELECT * EXCEPT (Body) FROM otel_logs LIMIT 1',
  "SELECT * REPLACE (upper(Body) AS Body) FROM otel_logs LIMIT 1",
  "SELECT COLUMNS('Attributes$') FROM otel_logs LIMIT 1",
  'SELECT otel_logs.* FROM otel_logs LIMIT 1',
  'SELECT * APPLY(toString) FROM otel_logs LIMIT 1',
  "SELECT COLUMNS('^Scope') APPLY(length) APPLY(max) FROM otel_logs",
  'SELECT * APPLY(x -> toString(x)) FROM (SELECT 1 AS a, 2 AS b)',
  'SELECT COLUMNS(Duration) APPLY(quantiles(0.5, 0.9)) FROM otel_traces',
  // Sources without tables.
  'SELECT * FROM numbers(3)',
  'SELECT * FROM numbers_mt(3) AS a, primes(2) AS b',
  "SELECT * FROM values('a UInt8, b String', (1, 'x'), (2, 'y'))",
  "SELECT * FROM VALUES('a UInt8', 1, 2)",
  "SELECT * FROM values((1, 'a'), (2, upper('b')))",
  'SELECT count() FROM (otel_logs AS l JOIN otel_traces AS t ON l.TraceId = t.TraceId)',
  'SELECT * FROM (VALUES (1, 2)) AS t',
  'SELECT * FROM generateSeries(1, 10, 3)',
  'SELECT number FROM system.numbers LIMIT 2',
  'SELECT dummy FROM system.one',
  // Endings.
  'SELECT count() FROM otel_logs FORMAT JSON',
  'SELECT count() FROM otel_logs FORMAT Parquet',
  'SELECT count() FROM otel_logs SETTINGS max_threads = 1',
  'SELECT count() FROM otel_logs SETTINGS max_threads = 1, join_use_nulls = 1 FORMAT CSVWithNames',
  "SELECT 1 FORMAT JSON SETTINGS output_format_json_quote_64bit_integers = 0",
  "SELECT format, settings FROM (SELECT 1 AS format, 2 AS settings)",
  "SELECT now() SETTINGS session_timezone = 'Asia/Tokyo'",
  // Grafana, with its macros expanded.
  `SELECT ${BUCKET}, ServiceName, count() AS value FROM "default"."otel_logs" WHERE ${DURING} GROUP`
    + ' BY ServiceName, time ORDER BY time',
  `SELECT ${BUCKET}, quantile(0.99)(Duration) AS p99 FROM otel_traces WHERE ${DURING} GROUP BY time`
    + ' ORDER BY time ASC LIMIT 1000',
  `SELECT Timestamp as "timestamp", Body as "body", SeverityText as "level", LogAttributes as `
    + `"labels", TraceId as "traceID" FROM "default"."otel_logs" WHERE ( timestamp >= `
    + 'fromUnixTimestamp64Milli(1767348000000) AND timestamp <= '
    + "fromUnixTimestamp64Milli(1767351600000) ) AND ( level IN ('ERROR') ) ORDER BY timestamp "
    + "DESC "
    + 'LIMIT 1000',
  `SELECT "TraceId" as traceID, "SpanId" as spanID, "ParentSpanId" as parentSpanID, "ServiceName" `
    + 'as serviceName, "SpanName" as operationName, multiply(toUnixTimestamp64Nano("Timestamp"), '
    + `0.000001) as startTime, multiply("Duration", 0.000001) as duration, arrayMap(key -> `
    + `map('key', key, 'value', "SpanAttributes"[key]), mapKeys("SpanAttributes")) as tags `
    + `FROM "default"."otel_traces" WHERE traceID = 'x' LIMIT 1000`,
  'WITH \'x\' as trace_id, (SELECT min(Start) FROM "default"."otel_traces_trace_id_ts" WHERE '
    + 'TraceId'
    + ' = trace_id) as trace_start SELECT * FROM otel_traces WHERE Timestamp >= trace_start',
  `SELECT toStartOfInterval(TimeUnix, INTERVAL 60 second) AS time, MetricName, avg(Value) FROM `
    + 'otel_metrics_gauge GROUP BY time, MetricName ORDER BY time',
  'SELECT MetricName, Attributes, max(Value) - min(Value) AS increase FROM otel_metrics_sum '
    + 'GROUP BY'
    + ' MetricName, Attributes',
  'SELECT sum(Count), sumForEach(BucketCounts) FROM otel_metrics_histogram',
  'SHOW DATABASES',
  'SHOW TABLES FROM default',
  "SHOW TABLES FROM default LIKE 'otel%' LIMIT 3",
  "SHOW TABLES NOT LIKE 'otel_metrics%'",
  'DESC TABLE "default"."otel_logs"',
  'DESCRIBE TABLE otel_logs SETTINGS describe_compact_output = 1',
  'DESCRIBE (SELECT count() AS c, Body FROM otel_logs GROUP BY Body)',
  "SELECT name FROM system.functions WHERE is_aggregate = 1 AND name LIKE 'quantile%'",
  'SELECT name, database, table FROM system.columns WHERE database = \'default\' ORDER BY ALL',
  "SELECT name FROM system.tables WHERE database = 'default'",
  "SELECT name, value FROM system.settings WHERE name IN ('max_threads', 'readonly')",
  // Drivers and editors as they connect.
  'SELECT displayName(), version(), revision(), timezone()',
  'SELECT currentUser() AS user, timezone() AS timezone, version() AS version LIMIT 1',
  'SELECT version()',
  'SELECT 1 FORMAT TabSeparatedWithNamesAndTypes',
  'SELECT currentDatabase(), database(), uptime() > 0',
  'SELECT name FROM system.databases ORDER BY name',
  'SELECT t.database, t.name, t.engine, t.comment FROM system.tables AS t JOIN system.databases '
    + 'AS d '
    + "ON t.database = d.name WHERE t.database LIKE '%' AND t.name LIKE '%' ORDER BY 1, 2",
  'SELECT system.columns.name, system.columns.type FROM system.columns WHERE '
    + 'system.columns.table = '
    + "'otel_logs'",
  'SELECT sum(bytes_on_disk) AS size, table, max(modification_time), sum(rows) FROM system.parts '
    + "WHERE active AND database = 'default' GROUP BY table",
  'SELECT name, type, expr FROM system.data_skipping_indices',
  'SELECT name, case_insensitive, alias_to FROM system.data_type_families',
  'SELECT name FROM system.table_functions UNION ALL SELECT keyword FROM system.keywords',
  'SELECT name FROM system.formats WHERE is_output UNION ALL SELECT name FROM system.table_engines',
  'SELECT * FROM information_schema.schemata',
  'SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = \'default\'',
  'SELECT column_name, data_type FROM INFORMATION_SCHEMA.COLUMNS WHERE table_name = \'otel_logs\'',
  'EXISTS TABLE default.otel_logs',
  'EXISTS nothing_of_that_name',
  'EXISTS DATABASE default',
  'SHOW CREATE TABLE otel_logs',
  'SHOW CREATE TABLE default.otel_traces',
  "SHOW COLUMNS FROM otel_logs FROM default LIKE 'T%'",
  'SHOW FULL COLUMNS FROM otel_logs',
  'SHOW INDEX FROM otel_logs',
  "SHOW FUNCTIONS LIKE 'arrayM%'",
  "SHOW SETTINGS LIKE 'max_th%'",
  // How a query is run.
  'EXPLAIN SELECT count() FROM otel_logs WHERE ServiceName = \'shop\'',
  'EXPLAIN indexes = 1 SELECT count() FROM otel_logs WHERE ServiceName = \'shop\'',
  'EXPLAIN PLAN json = 1, actions = 1 SELECT count() FROM otel_logs',
  'EXPLAIN PIPELINE SELECT count() FROM otel_logs',
  'EXPLAIN SYNTAX SELECT * FROM otel_logs',
  'EXPLAIN AST SELECT 1',
  'EXPLAIN QUERY TREE SELECT count() FROM otel_logs',
  'EXPLAIN ESTIMATE SELECT count() FROM otel_logs',
];
