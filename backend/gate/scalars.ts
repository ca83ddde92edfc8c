// The functions that analysts may use, but for aggregates (`functions.ts`): every name that
// ClickHouse 26.7 has, aliases included, after review by family. What all of these have in common:
// the result depends on the arguments, the clock and chance only; nothing is opened, nobody is
// asked, nothing waits, and nothing of the host or of the settings is told.

/** Names by family. Matched without regard to case. */
export const SCALARS: Readonly<Record<string, string>> = {
  address: `
    cutFragment cutIPv6 cutQueryString cutQueryStringAndFragment cutToFirstSignificantSubdomain
    cutToFirstSignificantSubdomainCustom cutToFirstSignificantSubdomainCustomRFC
    cutToFirstSignificantSubdomainCustomWithWWW cutToFirstSignificantSubdomainCustomWithWWWRFC
    cutToFirstSignificantSubdomainRFC cutToFirstSignificantSubdomainWithWWW
    cutToFirstSignificantSubdomainWithWWWRFC cutURLParameter cutWWW decodeURLComponent
    decodeURLFormComponent domain domainRFC domainWithoutWWW domainWithoutWWWRFC encodeURLComponent
    encodeURLFormComponent extractURLParameter extractURLParameterNames extractURLParameters
    firstSignificantSubdomain firstSignificantSubdomainCustom firstSignificantSubdomainCustomRFC
    firstSignificantSubdomainRFC fragment INET6_ATON INET6_NTOA INET_ATON INET_NTOA IPv4CIDRToRange
    IPv4NumToString IPv4NumToStringClassC IPv4StringToNum IPv4StringToNumOrDefault
    IPv4StringToNumOrNull IPv4ToIPv6 IPv6CIDRToRange IPv6NumToString IPv6StringToNum
    IPv6StringToNumOrDefault IPv6StringToNumOrNull isIPAddressInRange isIPv4String isIPv6String
    netloc path pathFull port portRFC protocol queryString queryStringAndFragment toIPv4
    toIPv4OrDefault toIPv4OrNull toIPv4OrZero toIPv6 toIPv6OrDefault toIPv6OrNull toIPv6OrZero
    topLevelDomain topLevelDomainRFC URLHierarchy URLPathHierarchy`,
  arrays: `
    array array_remove arrayAll arrayAUC arrayAUCPR arrayAutocorrelation arrayAvg arrayBottomK
    arrayCompact arrayConcat arrayCount arrayCumSum arrayCumSumNonNegative arrayDifference
    arrayDistinct arrayDotProduct arrayElement arrayElementOrNull arrayEnumerate
    arrayEnumerateDense arrayEnumerateDenseRanked arrayEnumerateUniq arrayEnumerateUniqRanked
    arrayExcept arrayExists arrayFill arrayFilter arrayFirst arrayFirstIndex arrayFirstOrNull
    arrayFlatten arrayFold arrayIntersect arrayJaccardIndex arrayJoin arrayLast arrayLastIndex
    arrayLastOrNull arrayLevenshteinDistance arrayLevenshteinDistanceWeighted arrayMap arrayMax
    arrayMin arrayNormalizedGini arrayPartialReverseSort arrayPartialShuffle arrayPartialSort
    arrayPopBack arrayPopFront arrayPRAUC arrayProduct arrayPushBack arrayPushFront
    arrayRandomSample arrayReduce arrayReduceInRanges arrayRemove arrayResize arrayReverse
    arrayReverseFill arrayReverseSort arrayReverseSplit arrayROCAUC arrayRotateLeft
    arrayRotateRight arrayShiftLeft arrayShiftRight arrayShingles arrayShuffle arraySimilarity
    arraySlice arraySort arraySplit arraySum arraySymmetricDifference arrayTopK arrayTranspose
    arrayUnion arrayUniq arrayWithConstant arrayZip arrayZipUnaligned CARDINALITY countEqual empty
    emptyArrayDate emptyArrayDateTime emptyArrayFloat32 emptyArrayFloat64 emptyArrayInt16
    emptyArrayInt32 emptyArrayInt64 emptyArrayInt8 emptyArrayString emptyArrayToSingle
    emptyArrayUInt16 emptyArrayUInt32 emptyArrayUInt64 emptyArrayUInt8 flatten has hasAll hasAny
    hasSubstr indexOf indexOfAssumeSorted length notEmpty OCTET_LENGTH randomHadamardTransform
    range replicate reverse unnest`,
  bit: `
    bitAnd bitCount bitHammingDistance bitmapAnd bitmapAndCardinality bitmapAndnot
    bitmapAndnotCardinality bitmapBuild bitmapCardinality bitmapContains bitmapHasAll bitmapHasAny
    bitmapMax bitmapMin bitmapOr bitmapOrCardinality bitmapSubsetInRange bitmapSubsetLimit
    bitmapToArray bitmapTransform bitmapXor bitmapXorCardinality bitNot bitOr bitRotateLeft
    bitRotateRight bitShiftLeft bitShiftRight bitSlice bitTest bitTestAll bitTestAny bitXor
    numericIndexedVectorAllValueSum numericIndexedVectorBuild numericIndexedVectorCardinality
    numericIndexedVectorGetValue numericIndexedVectorPointwiseAdd
    numericIndexedVectorPointwiseDivide numericIndexedVectorPointwiseEqual
    numericIndexedVectorPointwiseGreater numericIndexedVectorPointwiseGreaterEqual
    numericIndexedVectorPointwiseLess numericIndexedVectorPointwiseLessEqual
    numericIndexedVectorPointwiseMultiply numericIndexedVectorPointwiseNotEqual
    numericIndexedVectorPointwiseSubtract numericIndexedVectorShortDebugString
    numericIndexedVectorToMap subBitmap`,
  comparison: `
    and equals globalIn globalInIgnoreSet globalNotIn globalNotInIgnoreSet globalNotNullIn
    globalNotNullInIgnoreSet globalNullIn globalNullInIgnoreSet greater greaterOrEquals in
    inIgnoreSet isDistinctFrom isNotDistinctFrom less lessOrEquals not notEquals notIn
    notInIgnoreSet notNullIn notNullInIgnoreSet nullIn nullInIgnoreSet or xor`,
  conditional: `
    assumeNotNull caseWithoutExpr caseWithoutExpression clamp coalesce firstNonDefault greatest if
    ifNull isNotNull isNull isNullable isZeroOrNull least multiIf nullIf toNullable`,
  conversion: `
    _CAST accurateCast accurateCastOrDefault accurateCastOrNull caseWithExpr caseWithExpression
    CAST DATE formatRow formatRowNoNewline fromUnixTimestamp64Micro fromUnixTimestamp64Milli
    fromUnixTimestamp64Nano fromUnixTimestamp64Second parseDateTime parseDateTime32BestEffort
    parseDateTime32BestEffortOrNull parseDateTime32BestEffortOrZero parseDateTime64
    parseDateTime64BestEffort parseDateTime64BestEffortOrNull parseDateTime64BestEffortOrZero
    parseDateTime64BestEffortUS parseDateTime64BestEffortUSOrNull parseDateTime64BestEffortUSOrZero
    parseDateTime64InJodaSyntax parseDateTime64InJodaSyntaxOrNull parseDateTime64InJodaSyntaxOrZero
    parseDateTime64OrNull parseDateTime64OrZero parseDateTimeBestEffort
    parseDateTimeBestEffortOrNull parseDateTimeBestEffortOrZero parseDateTimeBestEffortUS
    parseDateTimeBestEffortUSOrNull parseDateTimeBestEffortUSOrZero parseDateTimeInJodaSyntax
    parseDateTimeInJodaSyntaxOrNull parseDateTimeInJodaSyntaxOrZero parseDateTimeOrNull
    parseDateTimeOrZero reinterpret reinterpretAsDate reinterpretAsDateTime
    reinterpretAsFixedString reinterpretAsFloat32 reinterpretAsFloat64 reinterpretAsInt128
    reinterpretAsInt16 reinterpretAsInt256 reinterpretAsInt32 reinterpretAsInt64 reinterpretAsInt8
    reinterpretAsString reinterpretAsUInt128 reinterpretAsUInt16 reinterpretAsUInt256
    reinterpretAsUInt32 reinterpretAsUInt64 reinterpretAsUInt8 reinterpretAsUUID str_to_date
    TO_UNIXTIME toBFloat16 toBFloat16OrNull toBFloat16OrZero toBool toDate toDate32
    toDate32OrDefault toDate32OrNull toDate32OrZero toDateOrDefault toDateOrNull toDateOrZero
    toDateTime toDateTime32 toDateTime64 toDateTime64OrDefault toDateTime64OrNull
    toDateTime64OrZero toDateTimeOrDefault toDateTimeOrNull toDateTimeOrZero toDecimal128
    toDecimal128OrDefault toDecimal128OrNull toDecimal128OrZero toDecimal256 toDecimal256OrDefault
    toDecimal256OrNull toDecimal256OrZero toDecimal32 toDecimal32OrDefault toDecimal32OrNull
    toDecimal32OrZero toDecimal64 toDecimal64OrDefault toDecimal64OrNull toDecimal64OrZero
    toDecimalString toFixedString toFloat32 toFloat32OrDefault toFloat32OrNull toFloat32OrZero
    toFloat64 toFloat64OrDefault toFloat64OrNull toFloat64OrZero toInt128 toInt128OrDefault
    toInt128OrNull toInt128OrZero toInt16 toInt16OrDefault toInt16OrNull toInt16OrZero toInt256
    toInt256OrDefault toInt256OrNull toInt256OrZero toInt32 toInt32OrDefault toInt32OrNull
    toInt32OrZero toInt64 toInt64OrDefault toInt64OrNull toInt64OrZero toInt8 toInt8OrDefault
    toInt8OrNull toInt8OrZero toInterval toIntervalDay toIntervalHour toIntervalMicrosecond
    toIntervalMillisecond toIntervalMinute toIntervalMonth toIntervalNanosecond toIntervalQuarter
    toIntervalSecond toIntervalWeek toIntervalYear toLowCardinality toString toStringCutToZero
    toTime toTime64 toTime64OrNull toTime64OrZero toTimeOrNull toTimeOrZero toUInt128
    toUInt128OrDefault toUInt128OrNull toUInt128OrZero toUInt16 toUInt16OrDefault toUInt16OrNull
    toUInt16OrZero toUInt256 toUInt256OrDefault toUInt256OrNull toUInt256OrZero toUInt32
    toUInt32OrDefault toUInt32OrNull toUInt32OrZero toUInt64 toUInt64OrDefault toUInt64OrNull
    toUInt64OrZero toUInt8 toUInt8OrDefault toUInt8OrNull toUInt8OrZero toUnixTimestamp64Micro
    toUnixTimestamp64Milli toUnixTimestamp64Nano toUnixTimestamp64Second toUUID toUUIDOrZero
    validateNestedArraySizes`,
  distance: `
    cosineDistance cosineDistanceTransposed cosineDistanceTransposedQuantized
    dequantizeInt8ToBFloat16 distanceCosine distanceCosineTransposed distanceL1 distanceL2
    distanceL2Squared distanceL2Transposed distanceLinf distanceLp dotProductTransposed
    dotProductTransposedQuantized L1Distance L1Norm L1Normalize L2Distance L2DistanceTransposed
    L2DistanceTransposedQuantized L2Norm L2Normalize L2SquaredDistance L2SquaredNorm LinfDistance
    LinfNorm LinfNormalize LpDistance LpNorm LpNormalize normalizeL1 normalizeL2 normalizeLinf
    normalizeLp normL1 normL2 normL2Squared normLinf normLp quantizeBFloat16ToInt8
    scalarProductTransposed`,
  geo: `
    areaCartesian areaSpherical geoDistance geohashDecode geohashEncode geohashesInBox
    geometryIntersectCartesian geometryIntersectSpherical geoToH3 geoToMGRS geoToUTM
    greatCircleAngle greatCircleDistance h3CellAreaM2 h3CellAreaRads2 h3Distance h3EdgeAngle
    h3EdgeLengthKm h3EdgeLengthM h3ExactEdgeLengthKm h3ExactEdgeLengthM h3ExactEdgeLengthRads
    h3GetBaseCell h3GetDestinationIndexFromUnidirectionalEdge h3GetFaces
    h3GetIndexesFromUnidirectionalEdge h3GetOriginIndexFromUnidirectionalEdge h3GetPentagonIndexes
    h3GetRes0Indexes h3GetResolution h3GetUnidirectionalEdge h3GetUnidirectionalEdgeBoundary
    h3GetUnidirectionalEdgesFromHexagon h3HexAreaKm2 h3HexAreaM2 h3HexRing h3IndexesAreNeighbors
    h3IsPentagon h3IsResClassIII h3IsValid h3kRing h3Line h3NumHexagons h3PointDistKm h3PointDistM
    h3PointDistRads h3PolygonToCells h3PolygonToCellsWithContainment h3ToCenterChild h3ToChildren
    h3ToGeo h3ToGeoBoundary h3ToParent h3ToString h3UnidirectionalEdgeIsValid MGRSToGeo
    MVTBoundingBox MVTBoundingBoxMercator MVTEncodeGeom perimeterCartesian perimeterSpherical
    pointInEllipses pointInPolygon polygonAreaCartesian polygonAreaSpherical
    polygonConvexHullCartesian polygonPerimeterCartesian polygonPerimeterSpherical
    polygonsDistanceCartesian polygonsDistanceSpherical polygonsEqualsCartesian
    polygonsIntersectCartesian polygonsIntersectionCartesian polygonsIntersectionSpherical
    polygonsIntersectSpherical polygonsSymDifferenceCartesian polygonsSymDifferenceSpherical
    polygonsUnionCartesian polygonsUnionSpherical polygonsWithinCartesian polygonsWithinSpherical
    readWKB readWkb readWKBLineString readWKBMultiLineString readWKBMultiPolygon readWKBPoint
    readWKBPolygon readWKT readWkt readWKTLineString readWKTMultiLineString readWKTMultiPolygon
    readWKTPoint readWKTPolygon readWKTRing ST_AsMVTGeom ST_LineFromWKB ST_MLineFromWKB
    ST_MPolyFromWKB ST_PointFromWKB ST_PolyFromWKB stringToH3 SVG svg UTMToGeo WKB wkb WKT wkt`,
  hash: `
    aes_decrypt_mysql aes_encrypt_mysql bin bitmaskToArray bitmaskToList bitPositionsToArray char
    cityHash64 decrypt encrypt farmFingerprint64 farmHash64 gccMurmurHash halfMD5 hex hilbertDecode
    hilbertEncode hiveHash HMAC icebergHash intHash32 intHash64 javaHash javaHashUTF16LE
    jumpConsistentHash kafkaMurmurHash keccak256 kostikConsistentHash MD4 MD5 metroHash64
    mortonDecode mortonEncode murmurHash2_32 murmurHash2_64 murmurHash3_128 murmurHash3_32
    murmurHash3_64 ngramMinHash ngramMinHashArg ngramMinHashArgCaseInsensitive
    ngramMinHashArgCaseInsensitiveUTF8 ngramMinHashArgUTF8 ngramMinHashCaseInsensitive
    ngramMinHashCaseInsensitiveUTF8 ngramMinHashUTF8 ngramSimHash ngramSimHashCaseInsensitive
    ngramSimHashCaseInsensitiveUTF8 ngramSimHashUTF8 RIPEMD160 SHA1 SHA224 SHA256 SHA384 SHA512
    SHA512_256 sipHash128 sipHash128Keyed sipHash128Reference sipHash128ReferenceKeyed sipHash64
    sipHash64Keyed sqid sqidDecode sqidEncode tryDecrypt unbin unhex URLHash wordShingleMinHash
    wordShingleMinHashArg wordShingleMinHashArgCaseInsensitive
    wordShingleMinHashArgCaseInsensitiveUTF8 wordShingleMinHashArgUTF8
    wordShingleMinHashCaseInsensitive wordShingleMinHashCaseInsensitiveUTF8 wordShingleMinHashUTF8
    wordShingleSimHash wordShingleSimHashCaseInsensitive wordShingleSimHashCaseInsensitiveUTF8
    wordShingleSimHashUTF8 wyHash64 xxh3 xxh3_128 xxHash32 xxHash64 xxHash64Spark
    yandexConsistentHash`,
  json: `
    dynamicElement dynamicType isDynamicElementInSharedData isValidJSON JSON_ARRAY_LENGTH
    JSON_EXISTS JSON_QUERY JSON_VALUE JSONAllPaths JSONAllPathsWithTypes JSONAllValues
    JSONArrayLength JSONDynamicPaths JSONDynamicPathsWithTypes JSONExtract JSONExtractArrayRaw
    JSONExtractArrayRawCaseInsensitive JSONExtractBool JSONExtractBoolCaseInsensitive
    JSONExtractCaseInsensitive JSONExtractFloat JSONExtractFloatCaseInsensitive JSONExtractInt
    JSONExtractIntCaseInsensitive JSONExtractKeys JSONExtractKeysAndValues
    JSONExtractKeysAndValuesCaseInsensitive JSONExtractKeysAndValuesRaw
    JSONExtractKeysAndValuesRawCaseInsensitive JSONExtractKeysCaseInsensitive JSONExtractRaw
    JSONExtractRawCaseInsensitive JSONExtractString JSONExtractStringCaseInsensitive
    JSONExtractUInt JSONExtractUIntCaseInsensitive JSONHas JSONKey JSONLength JSONMergePatch
    jsonMergePatch JSONSharedDataPaths JSONSharedDataPathsWithTypes JSONType prettyPrintJSON
    simpleJSONExtractBool simpleJSONExtractFloat simpleJSONExtractInt simpleJSONExtractRaw
    simpleJSONExtractString simpleJSONExtractUInt simpleJSONHas toJSONString visitParamExtractBool
    visitParamExtractFloat visitParamExtractInt visitParamExtractRaw visitParamExtractString
    visitParamExtractUInt visitParamHas`,
  map: `
    dotProduct extractKeyValuePairs extractKeyValuePairsWithEscaping flattenTuple map
    MAP_FROM_ARRAYS mapAdd mapAll mapApply mapConcat mapContains mapContainsKey mapContainsKeyLike
    mapContainsValue mapContainsValueLike mapExists mapExtractKeyLike mapExtractValueLike mapFilter
    mapFromArrays mapFromString mapKeys mapPartialReverseSort mapPartialSort mapPopulateSeries
    mapReverseSort mapSort mapSubtract mapUpdate mapValues scalarProduct str_to_map tuple
    tupleConcat tupleDivide tupleDivideByNumber tupleElement tupleHammingDistance tupleIntDiv
    tupleIntDivByNumber tupleIntDivOrZero tupleIntDivOrZeroByNumber tupleMinus tupleModulo
    tupleModuloByNumber tupleMultiply tupleMultiplyByNumber tupleNames tupleNegate tuplePlus
    tuplePositiveModuloByNumber tupleToNameValuePairs vectorDifference vectorSum`,
  mathematical: `
    abs acos acosh asin asinh atan atan2 atanh avg2 byteSwap cbrt ceil ceiling cos cosh degrees
    divide divideDecimal divideOrNull e erf erfc exp exp10 exp2 factorial
    financialInternalRateOfReturn financialInternalRateOfReturnExtended financialNetPresentValue
    financialNetPresentValueExtended floor gcd hypot ifNotFinite intDiv intDivOrNull intDivOrZero
    intExp10 intExp2 isFinite isInfinite isNaN isPrime isProbablePrime lcm lgamma ln log log10
    log1p log2 max2 midpoint min2 minus mod modOrNull modulo moduloLegacy moduloOrNull moduloOrZero
    multiply multiplyDecimal negate pi plus pmod pmodOrNull positive_modulo positive_modulo_or_null
    positiveModulo positiveModuloOrNull pow power proportionsZTest radians round roundAge
    roundBankers roundDown roundDuration roundToExp2 sigmoid sign sin sinh sqr sqrt tan tanh tgamma
    trunc truncate width_bucket widthBucket`,
  other: `
    bar blockNumber blockSerializedSize blockSize byteSize colorOKLABToSRGB colorOKLCHToSRGB
    colorSRGBToOKLAB colorSRGBToOKLCH connection_id connectionId countDigits current_database
    current_query_id current_schemas current_user currentDatabase currentQueryID currentSchemas
    currentUser DATABASE defaultValueOfArgumentType defaultValueOfTypeName digits displayName
    dumpColumnStructure errorCodeToName finalizeAggregation flipCoordinates FORMAT_BYTES
    formatQuery formatQueryOrNull formatQuerySingleLine formatQuerySingleLineOrNull
    formatReadableDecimalSize formatReadableQuantity formatReadableSize formatReadableTimeDelta
    generateRandomStructure getSizeOfEnumType getSubcolumn getTypeSerializationStreams
    globalVariable highlightQuery icebergBucket icebergTruncate identity ignore indexHint
    initial_query_id initial_query_start_time initializeAggregation initialQueryID
    initialQueryStartTime isConstant isDecimalOverflow lowCardinalityIndices lowCardinalityKeys
    MACNumToString MACStringToNum MACStringToOUI materialize minSampleSizeContinous
    minSampleSizeContinuous minSampleSizeConversion neighbor normalizedQueryHash
    normalizedQueryHashKeepNames normalizeQuery normalizeQueryKeepNames obfuscateQuery
    obfuscateQueryWithSeed parseReadableSize parseReadableSizeOrNull parseReadableSizeOrZero
    parseTimeDelta partitionID partitionId query_id queryID revision rowNumberInAllBlocks
    rowNumberInBlock runningAccumulate runningDifference runningDifferenceStartingWithFirstValue
    SCHEMA session_user shardCount shardNum structureToCapnProtoSchema structureToProtobufSchema
    throwIf toColumnTypeName tokenizeQuery toTypeName transform uptime user variantElement
    variantType version visibleWidth`,
  random: `
    dateTime64ToSnowflakeID dateTimeToSnowflakeID dateTimeToUUIDv7 fuzzBits generateSnowflakeID
    generateUUIDv4 generateUUIDv7 rand rand32 rand64 randBernoulli randBinomial randCanonical
    randChiSquared randConstant randExponential randFisherF randLogNormal randNegativeBinomial
    randNormal randomFixedString randomPrintableASCII randomString randomStringUTF8 randPoisson
    randStudentT randUniform snowflakeIDToDateTime snowflakeIDToDateTime64 toUUIDOrDefault
    toUUIDOrNull UUIDNumToString UUIDStringToNum UUIDToNum UUIDv7ToDateTime`,
  search: `
    countMatches countMatchesCaseInsensitive countSubstrings countSubstringsCaseInsensitive
    countSubstringsCaseInsensitiveUTF8 extract extractAll extractAllGroupsHorizontal extractGroups
    hasAllToken hasAllTokens hasAnyToken hasAnyTokens hasPhrase hasSubsequence
    hasSubsequenceCaseInsensitive hasSubsequenceCaseInsensitiveUTF8 hasSubsequenceUTF8 hasToken
    hasTokenCaseInsensitive hasTokenCaseInsensitiveOrNull hasTokenOrNull highlight ilike instr like
    locate match matchPhrase multiFuzzyMatchAllIndices multiFuzzyMatchAny multiFuzzyMatchAnyIndex
    multiMatchAllIndices multiMatchAny multiMatchAnyIndex multiSearchAllPositions
    multiSearchAllPositionsCaseInsensitive multiSearchAllPositionsCaseInsensitiveUTF8
    multiSearchAllPositionsUTF8 multiSearchAny multiSearchAnyCaseInsensitive
    multiSearchAnyCaseInsensitiveUTF8 multiSearchAnyUTF8 multiSearchFirstIndex
    multiSearchFirstIndexCaseInsensitive multiSearchFirstIndexCaseInsensitiveUTF8
    multiSearchFirstIndexUTF8 multiSearchFirstPosition multiSearchFirstPositionCaseInsensitive
    multiSearchFirstPositionCaseInsensitiveUTF8 multiSearchFirstPositionUTF8 ngramDistance
    ngramDistanceCaseInsensitive ngramDistanceCaseInsensitiveUTF8 ngramDistanceUTF8 ngramSearch
    ngramSearchCaseInsensitive ngramSearchCaseInsensitiveUTF8 ngramSearchUTF8 notILike notLike
    position positionCaseInsensitive positionCaseInsensitiveUTF8 positionUTF8 REGEXP_MATCHES`,
  string: `
    alphaTokens appendTrailingCharIfAbsent array_to_string arrayStringConcat ascii base32Decode
    base32Encode base58Decode base58Encode base64Decode base64Encode base64URLDecode
    base64URLEncode basename byteHammingDistance byteSlice caseFoldUTF8 CHAR_LENGTH
    CHARACTER_LENGTH chdb compareSubstrings concat concat_ws concatAssumeInjective
    concatWithSeparator concatWithSeparatorAssumeInjective conv convertCharset CRC32 CRC32IEEE
    CRC64 damerauLevenshteinDistance decodeHTMLComponent decodeXMLComponent editDistance
    editDistanceUTF8 encodeXMLComponent endsWith endsWithCaseInsensitive
    endsWithCaseInsensitiveUTF8 endsWithUTF8 extractAllGroups extractAllGroupsVertical
    extractTextFromHTML firstLine format FROM_BASE64 initcap initcapUTF8 isASCII isValidASCII
    isValidUTF8 jaroSimilarity jaroWinklerSimilarity lcase left leftPad leftPadUTF8 leftUTF8
    lengthUTF8 levenshteinDistance levenshteinDistanceUTF8 lower lowerUTF8 lpad ltrim mid
    mismatches naiveBayesNgrams NATURAL_SORT_KEY naturalSortKey ngrams normalizeUTF8NFC
    normalizeUTF8NFD normalizeUTF8NFKC normalizeUTF8NFKCCasefold normalizeUTF8NFKD overlay
    overlayUTF8 printf REGEXP_EXTRACT regexp_instr REGEXP_REPLACE REGEXP_SUBSTR regexpExtract
    regexpInstr regexpPosition regexpQuoteMeta removeAccentsUTF8 removeDiacriticsUTF8 repeat
    replace replaceAll replaceOne replaceRegexpAll replaceRegexpOne reverseBySeparator reverseUTF8
    right rightPad rightPadUTF8 rightUTF8 rpad rtrim soundex space sparseGrams sparseGramsHashes
    sparseGramsHashesUTF8 sparseGramsUTF8 splitByAlpha splitByChar splitByNonAlpha splitByRegexp
    splitByString splitByWhitespace startsWith startsWithCaseInsensitive
    startsWithCaseInsensitiveUTF8 startsWithUTF8 stringBytesEntropy stringBytesUniq
    stringJaccardIndex stringJaccardIndexUTF8 substr substring SUBSTRING_INDEX substringIndex
    substringIndexUTF8 substringUTF8 TO_BASE64 tokens tokensForLikePattern toValidUTF8 translate
    translateUTF8 trim trimBoth trimLeft trimRight tryBase32Decode tryBase58Decode tryBase64Decode
    tryBase64URLDecode ucase upper upperUTF8`,
  time: `
    addDate addDays addHours addInterval addMicroseconds addMilliseconds addMinutes addMonths
    addNanoseconds addQuarters addSeconds addTupleOfIntervals addWeeks addYears age changeDay
    changeHour changeMinute changeMonth changeSecond changeYear curdate current_date
    current_timestamp date_bin DATE_DIFF date_diff DATE_FORMAT DATE_TRUNC dateDiff dateName
    dateTrunc DAY DAYOFMONTH DAYOFWEEK DAYOFYEAR formatDateTime formatDateTimeInJodaSyntax
    FROM_DAYS FROM_UNIXTIME from_utc_timestamp fromDaysSinceYearZero fromDaysSinceYearZero32
    fromModifiedJulianDay fromModifiedJulianDayOrNull fromUnixTimestamp
    fromUnixTimestampInJodaSyntax fromUTCTimestamp hop hopEnd hopStart HOUR LAST_DAY localtime
    localtimestamp makeDate makeDate32 makeDateTime makeDateTime64 MICROSECOND MILLISECOND MINUTE
    MONTH monthName NANOSECOND now now64 nowInBlock nowInBlock64 QUARTER SECOND seriesDecomposeSTL
    seriesOutliersDetectTukey serverTimeZone serverTimezone subDate subtractDays subtractHours
    subtractInterval subtractMicroseconds subtractMilliseconds subtractMinutes subtractMonths
    subtractNanoseconds subtractQuarters subtractSeconds subtractTupleOfIntervals subtractWeeks
    subtractYears time_bucket timeDiff timeSeriesFromGrid timeSeriesRange timeSlot timeSlots
    timestamp TIMESTAMP_DIFF timestamp_diff timestampDiff timeZone timezone timeZoneOf timezoneOf
    timeZoneOffset timezoneOffset TO_DAYS to_utc_timestamp today toDayOfMonth toDayOfWeek
    toDayOfYear toDaysInMonth toDaysSinceYearZero toHour toISOWeek toISOYear toLastDayOfMonth
    toLastDayOfWeek toMicrosecond toMillisecond toMinute toModifiedJulianDay
    toModifiedJulianDayOrNull toMonday toMonth toMonthNumSinceEpoch toNanosecond toQuarter
    toRelativeDayNum toRelativeHourNum toRelativeMinuteNum toRelativeMonthNum toRelativeQuarterNum
    toRelativeSecondNum toRelativeWeekNum toRelativeYearNum toSecond toStartOfDay
    toStartOfFifteenMinutes toStartOfFiveMinute toStartOfFiveMinutes toStartOfHour
    toStartOfInterval toStartOfISOYear toStartOfMicrosecond toStartOfMillisecond toStartOfMinute
    toStartOfMonth toStartOfNanosecond toStartOfQuarter toStartOfSecond toStartOfTenMinutes
    toStartOfWeek toStartOfYear toTimeWithFixedDate toTimeZone toTimezone toUnixTimestamp
    toUTCTimestamp toWeek toYear toYearNumSinceEpoch toYearWeek toYYYYMM toYYYYMMDD
    toYYYYMMDDhhmmss tumble tumbleEnd tumbleStart UTC_timestamp UTCTimestamp week windowID YEAR
    yearweek yesterday YYYYMMDDhhmmssToDateTime YYYYMMDDhhmmssToDateTime64 YYYYMMDDToDate
    YYYYMMDDToDate32`,};
