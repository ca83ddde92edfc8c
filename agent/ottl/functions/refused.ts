// Converters that the Collector documents and that are not built, with what to do instead.

const LAMBDA = 'lambda functions are behind a feature gate in the Collector, and not built here';
const XML = 'XML is not read here: take what is needed by ExtractPatterns';
const VENDOR = 'parse such lines by ExtractPatterns or ParseKeyValue';
const XXHASH = 'use FNV, Murmur3Hash or SHA256';

export const REFUSED: ReadonlyMap<string, string> = new Map([
  ...['All', 'Any', 'Filter', 'Find', 'MapEach', 'MapKeys', 'Reduce', 'When']
    .map((name) => [name, LAMBDA] as const),
  ...['ConvertAttributesToElementsXML', 'ConvertTextToElementsXML', 'GetXML', 'InsertXML',
    'ParseSimplifiedXML', 'ParseXML', 'RemoveXML'].map((name) => [name, XML] as const),
  ...['ParseCEF', 'ParseELF', 'ParseLEEF'].map((name) => [name, VENDOR] as const),
  ['ParseCLF', 'use ExtractGrokPatterns with %{COMMONAPACHELOG} or %{COMBINEDAPACHELOG}'],
  ...['XXH3', 'XXH128'].map((name) => [name, XXHASH] as const),
  ['ProfileID', 'profiles are not a signal here'],
  ['UserAgent', 'the list of user agents is large and changes: do it where the data is read'],
  ['convert_exponential_histogram_to_histogram',
    'the Collector\'s way is not part of the specification: exponential histograms are stored'],
]);
