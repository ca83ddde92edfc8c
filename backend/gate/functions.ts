// What becomes of each function of ClickHouse: allowed, or refused with a reason. Whatever is in
// neither list is refused, so a new version of the engine brings nothing in by itself; a test
// fails until its new names were reviewed (`test/backend/gate/names.test.ts`).

import { SCALARS } from './scalars.ts';

const AGGREGATES = `
    analysisOfVariance anova any any_respect_nulls any_value any_value_respect_nulls anyHeavy
    anyLast anyLast_respect_nulls anyLastRespectNulls anyRespectNulls anyValueRespectNulls
    approx_top_count approx_top_k approx_top_sum argAndMax argAndMin argMax argMin array_agg
    array_concat_agg avg avgWeighted BIT_AND BIT_OR BIT_XOR boundingRatio
    categoricalInformationValue contingency corr corrMatrix corrStable count COVAR_POP COVAR_SAMP
    covarPop covarPopMatrix covarPopStable covarSamp covarSampMatrix covarSampStable cramersV
    cramersVBiasCorrected cume_dist deltaSum deltaSumTimestamp dense_rank denseRank
    distinctDynamicTypes distinctJSONPaths distinctJSONPathsAndTypes entropy
    estimateCompressionRatio exponentialMovingAverage exponentialTimeDecayedAvg
    exponentialTimeDecayedCount exponentialTimeDecayedMax exponentialTimeDecayedSum first_value
    first_value_respect_nulls firstValueRespectNulls group_concat groupArray groupArrayInsertAt
    groupArrayIntersect groupArrayLast groupArrayMovingAvg groupArrayMovingSum groupArraySample
    groupArraySorted groupBitAnd groupBitmap groupBitmapAnd groupBitmapOr groupBitmapXor groupBitOr
    groupBitXor groupConcat groupNumericIndexedVector groupUniqArray histogram intervalLengthSum
    kolmogorovSmirnovTest kurtPop kurtSamp lag lagInFrame largestTriangleThreeBuckets last_value
    last_value_respect_nulls lastValueRespectNulls lead leadInFrame lttb mannWhitneyUTest max
    max_by maxIntersections maxIntersectionsPosition maxMappedArrays meanZTest median
    medianBFloat16 medianBFloat16Weighted medianDD medianDeterministic medianExact medianExactHigh
    medianExactLow medianExactWeighted medianExactWeightedInterpolated medianGK
    medianInterpolatedWeighted medianTDigest medianTDigestWeighted medianTiming
    medianTimingWeighted min min_by minMappedArrays MVTEncode nonNegativeDerivative nothing
    nothingNull nothingUInt64 nth_value ntile percent_rank percentRank quantile quantileBFloat16
    quantileBFloat16Weighted quantileDD quantileDeterministic quantileExact quantileExactExclusive
    quantileExactHigh quantileExactInclusive quantileExactLow quantileExactWeighted
    quantileExactWeightedInterpolated quantileGK quantileInterpolatedWeighted
    quantilePrometheusHistogram quantiles quantilesBFloat16 quantilesBFloat16Weighted quantilesDD
    quantilesDeterministic quantilesExact quantilesExactExclusive quantilesExactHigh
    quantilesExactInclusive quantilesExactLow quantilesExactWeighted
    quantilesExactWeightedInterpolated quantilesGK quantilesInterpolatedWeighted
    quantilesPrometheusHistogram quantilesTDigest quantilesTDigestWeighted quantilesTiming
    quantilesTimingWeighted quantileTDigest quantileTDigestWeighted quantileTiming
    quantileTimingWeighted rank rankCorr retention row_number sequenceCount sequenceMatch
    sequenceMatchEvents sequenceNextNode simpleLinearRegression singleValueOrNull skewPop skewSamp
    sparkBar sparkbar ST_AsMVT STD STDDEV STDDEV_POP STDDEV_SAMP stddevPop stddevPopStable
    stddevSamp stddevSampStable stochasticLinearRegression stochasticLogisticRegression string_agg
    studentTTest studentTTestOneSample sum sumCount sumKahan sumMapFiltered
    sumMapFilteredWithOverflow sumMappedArrays sumMapWithOverflow sumWithOverflow theilsU
    timeSeriesChangesToGrid timeSeriesDeltaToGrid timeSeriesDerivToGrid timeSeriesGroupArray
    timeSeriesIncreaseToGrid timeSeriesInstantDeltaToGrid timeSeriesInstantRateToGrid
    timeSeriesLastToGrid timeSeriesLastTwoSamples timeSeriesPredictLinearToGrid
    timeSeriesRateToGrid timeSeriesResampleToGridWithStaleness timeSeriesResetsToGrid topK
    topKWeighted uniq uniqCombined uniqCombined64 uniqExact uniqHLL12 uniqUpTo VAR_POP VAR_SAMP
    varPop varPopStable varSamp varSampStable welchTTest windowFunnel`;

/** In the syntax tree, though the engine does not list them as functions. */
const SYNTAX = 'lambda exists grouping untuple';

/** Why functions are refused, and what to do instead. */
interface Refusal {
  /** Ends a sentence that begins with the function's name. */
  readonly why: string;
  readonly instead: string;
  readonly names: string;
}

const REFUSED: readonly Refusal[] = [
  {
    why: 'reads files of the server',
    instead: 'ask published tables instead',
    names: 'file',
  },
  {
    why: 'tells about the machine that the store runs on, or about its inside',
    instead: 'version(), timezone(), uptime() and displayName() are allowed',
    names: `
      FQDN addressToLine addressToLineWithInlines addressToSymbol buildId demangle
      filesystemAvailable filesystemCapacity filesystemUnreserved fullHostName getMacro
      getMaxTableNameLengthForDatabase getOSKernelVersion getServerPort hasThreadFuzzer hostName
      hostname isMergeTreePartCoveredBy logTrace mergeTreePartInfo runningConcurrency serverUUID
      showCertificate tcpPort tid transactionID transactionLatestSnapshot transactionOldestSnapshot
      zookeeperSessionUptime`,
  },
  {
    why: 'reads settings, which are not yours to see',
    instead: 'system.settings has those that matter',
    names: `
      getClientHTTPHeader getMergeTreeSetting getServerSetting getSetting getSettingOrDefault`,
  },
  {
    why: 'tells about the account in the store, which is not yours',
    instead: 'currentUser() is allowed',
    names: `
      authUser authenticatedUser currentProfiles currentRoles defaultProfiles defaultRoles
      enabledProfiles enabledRoles`,
  },
  {
    why: 'reads what is not a published table (dictionaries, models, other tables)',
    instead: 'join a published table, or give values with values(…) or transform(…)',
    names: `
      catboostEvaluate dictGet dictGetAll dictGetChildren dictGetDate dictGetDateOrDefault
      dictGetDateTime dictGetDateTimeOrDefault dictGetDescendants dictGetFloat32
      dictGetFloat32OrDefault dictGetFloat64 dictGetFloat64OrDefault dictGetHierarchy dictGetIPv4
      dictGetIPv4OrDefault dictGetIPv6 dictGetIPv6OrDefault dictGetInt16 dictGetInt16OrDefault
      dictGetInt32 dictGetInt32OrDefault dictGetInt64 dictGetInt64OrDefault dictGetInt8
      dictGetInt8OrDefault dictGetKeys dictGetOrDefault dictGetOrNull dictGetRoot dictGetString
      dictGetStringOrDefault dictGetUInt16 dictGetUInt16OrDefault dictGetUInt32
      dictGetUInt32OrDefault dictGetUInt64 dictGetUInt64OrDefault dictGetUInt8 dictGetUInt8OrDefault
      dictGetUUID dictGetUUIDOrDefault dictHas dictIsIn evalMLMethod hasColumnInTable joinGet
      joinGetOrNull naiveBayesClassifier naiveBayesClassifierWithAllProbs
      naiveBayesClassifierWithProb regionHierarchy regionIn regionToArea regionToCity
      regionToContinent regionToCountry regionToDistrict regionToName regionToPopulation
      regionToTopContinent`,
  },
  {
    why: 'keeps a place busy without doing anything',
    instead: 'leave it away',
    names: `
      sleep sleepEachRow`,
  },
  {
    why: 'shares a state between queries',
    instead: 'use row_number() OVER (), rowNumberInAllBlocks() or generateUUIDv7()',
    names: `
      generateSerialID timeSeriesCopyTag timeSeriesCopyTags timeSeriesExtractTag
      timeSeriesGroupToSamplingKey timeSeriesGroupToTags timeSeriesIdToGroup timeSeriesIdToTags
      timeSeriesIdToTagsGroup timeSeriesJoinTags timeSeriesRemoveAllTagsExcept timeSeriesRemoveTag
      timeSeriesRemoveTags timeSeriesReplaceTag timeSeriesStoreTags timeSeriesTagsGroupToTags
      timeSeriesTagsToGroup timeSeriesThrowDuplicateSeriesIf`,
  },
  {
    why: 'is for the engine itself, or for its tests',
    instead: 'leave it away',
    names: `
      __actionName __applyFilter __bitBoolMaskAnd __bitBoolMaskOr __bitSwapLastTwo __bitWrapperFunc
      __getScalar __patchPartitionID __scalarSubqueryResult __toYearCalendarOnly aggThrow flameGraph
      fuzzQuery groupFormat nested`,
  },
  {
    why: 'sends data to another service',
    instead: 'export the result and ask there',
    names: `
      AIClassify AIExtract AIGenerate AITranslate aiClassify aiEmbed aiExtract aiGenerate
      aiTranslate`,
  },
];

/** Suffixes that make other aggregates of an aggregate, such as `sumIf`. Longest first. */
export const COMBINATORS = [
  'SimpleState', 'OrDefault', 'Distinct', 'Resample', 'ForEach', 'OrNull', 'ArgMin', 'ArgMax',
  'State', 'Merge', 'Array', 'Tuple', 'Map', 'If',
] as const;

/** Suffixes that the engine keeps to itself. */
export const COMBINATORS_REFUSED = ['Null'] as const;

/** Functions that take a function: as a lambda, or by its bare name. */
const HIGHER_ORDER = `
  arrayAll arrayAvg arrayBottomK arrayCompact arrayCount arrayCumSum arrayCumSumNonNegative
  arrayDifference
  arrayExists arrayFill arrayFilter arrayFirst arrayFirstIndex arrayFirstOrNull arrayFold arrayLast
  arrayLastIndex arrayLastOrNull arrayMap arrayMax arrayMin arrayPartialReverseSort
  arrayPartialSort arrayProduct arrayReverseFill arrayReverseSort arrayReverseSplit arraySort
  arraySplit arraySum arrayTopK mapAll mapApply mapExists mapFilter mapPartialReverseSort
  mapPartialSort mapReverseSort mapSort`;

const wordsOf = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');
const setOf = (text: string): ReadonlySet<string> =>
  new Set(wordsOf(text).map((word) => word.toLowerCase()));

const aggregates = setOf(AGGREGATES);
const scalars = setOf(Object.values(SCALARS).join(' '));
const syntax = setOf(SYNTAX);
const higherOrder = setOf(HIGHER_ORDER);
const refusals = new Map(REFUSED.flatMap((refusal) =>
  wordsOf(refusal.names).map((name) => [name.toLowerCase(), refusal] as const)));

/** Whether a function may be called, whatever its letters' case. */
export function isAllowed(name: string): boolean {
  return scalars.has(name.toLowerCase()) || isAggregate(name) || syntax.has(name.toLowerCase());
}

/** Whether it is an allowed aggregate, with any combinators. */
export function isAggregate(name: string): boolean {
  if (aggregates.has(name.toLowerCase())) return true;
  const plain = withoutCombinator(name);
  return plain !== null && isAggregate(plain);
}

function withoutCombinator(name: string): string | null {
  const suffix = COMBINATORS.find((one) => name.endsWith(one) && name.length > one.length);
  return suffix === undefined ? null : name.slice(0, -suffix.length);
}

/** Why a function is refused; null for one that was never heard of. */
export function refusalOf(name: string): { why: string; instead: string } | null {
  const refusal = refusals.get(name.toLowerCase());
  if (refusal !== undefined) return refusal;
  const plain = withoutCombinator(name);
  return plain === null ? null : refusalOf(plain);
}

/** Whether one of its arguments may be a function. */
export const takesFunction = (name: string): boolean => higherOrder.has(name.toLowerCase());

/** All that was reviewed: for suggestions, and for the test that compares with the engine. */
export const REVIEWED = {
  scalars: wordsOf(Object.values(SCALARS).join(' ')),
  aggregates: wordsOf(AGGREGATES),
  refused: REFUSED.flatMap(({ names }) => wordsOf(names)),
  higherOrder: wordsOf(HIGHER_ORDER),
} as const;
