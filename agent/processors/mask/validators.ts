// Tells real numbers and keys from what only looks like one: check digits, lengths of countries,
// ranges that are given out. Each looks at a candidate that a rule has cut out of a text.

/** Digits only, 13 to 19 of them: a number that a card company gives out, with its check digit. */
export function isCardNumber(digits: string): boolean {
  const { length } = digits;
  const two = Number(digits.slice(0, 2));
  const four = Number(digits.slice(0, 4));
  const known = (length === 16 && (digits.startsWith('4') || (two >= 51 && two <= 55)
      || (four >= 2221 && four <= 2720) || isDiscover(two, four) || (four >= 3528 && four <= 3589)
      || two === 62))
    || (length === 15 && (two === 34 || two === 37))
    || (length === 14 && (two === 36 || two === 38 || (four >= 3000 && four <= 3059)));
  return known && !isOneDigit(digits) && hasLuhnDigit(digits);
}

/** As `isCardNumber`, also of lengths so rare that only their name says that they are meant. */
export function isRareCardNumber(digits: string): boolean {
  return digits.length >= 12 && digits.length <= 19 && /^[3-6]/.test(digits)
    && !isOneDigit(digits) && hasLuhnDigit(digits);
}

const isDiscover = (two: number, four: number): boolean =>
  four === 6011 || two === 65 || (four >= 6440 && four <= 6499);

const isOneDigit = (digits: string): boolean => /^(\d)\1+$/.test(digits);

/** The check digit of ISO/IEC 7812-1, annex B. */
export function hasLuhnDigit(digits: string): boolean {
  let sum = 0;
  for (let at = digits.length - 1, isSecond = false; at >= 0; at -= 1, isSecond = !isSecond) {
    const digit = digits.charCodeAt(at) - 0x30;
    sum += isSecond ? (digit > 4 ? digit * 2 - 9 : digit * 2) : digit;
  }
  return sum % 10 === 0;
}

/** Lengths of IBANs by country, of the registry of ISO 13616. */
const IBAN_LENGTHS: ReadonlyMap<string, number> = new Map(Object.entries({
  AD: 24, AE: 23, AL: 28, AT: 20, AZ: 28, BA: 20, BE: 16, BG: 22, BH: 22, BI: 27, BR: 29, BY: 28,
  CH: 21, CR: 22, CY: 28, CZ: 24, DE: 22, DJ: 27, DK: 18, DO: 28, EE: 20, EG: 29, ES: 24, FI: 18,
  FK: 18, FO: 18, FR: 27, GB: 22, GE: 22, GI: 23, GL: 18, GR: 27, GT: 28, HR: 21, HU: 28, IE: 22,
  IL: 23, IQ: 23, IS: 26, IT: 27, JO: 30, KW: 30, KZ: 20, LB: 28, LC: 32, LI: 21, LT: 20, LU: 20,
  LV: 21, LY: 25, MC: 27, MD: 24, ME: 22, MK: 19, MN: 20, MR: 27, MT: 31, MU: 30, NI: 28, NL: 18,
  NO: 15, OM: 23, PK: 24, PL: 28, PS: 29, PT: 25, QA: 29, RO: 24, RS: 22, RU: 33, SA: 24, SC: 31,
  SD: 18, SE: 24, SI: 19, SK: 24, SM: 27, SO: 23, ST: 25, SV: 28, TL: 23, TN: 24, TR: 26, UA: 29,
  VA: 22, VG: 24, XK: 20, YE: 30,
}));

/** The length of an IBAN of the country; null for what is none. */
export const ibanLength = (country: string): number | null => IBAN_LENGTHS.get(country) ?? null;

/** ISO 7064 mod 97-10, of an IBAN without spaces. */
export function hasIbanDigits(iban: string): boolean {
  let rest = 0;
  for (const one of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(one, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}

/** Numbers that the Social Security Administration printed on samples, or never gave out. */
const SAMPLE_SSNS = new Set(['078051120', '219099999']);

/** Nine digits. */
export function isSsn(digits: string): boolean {
  return /^(?!000|666|9)\d{3}(?!00)\d{2}(?!0000)\d{4}$/.test(digits) && !isOneDigit(digits)
    && !SAMPLE_SSNS.has(digits);
}

/** Whether the first part of a JSON Web Token (RFC 7515) says an algorithm. */
export function isTokenHeader(part: string): boolean {
  try {
    const header: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof header === 'object' && header !== null && ('alg' in header || 'typ' in header);
  } catch {
    return false;
  }
}

/** Bits for each character, by how often each occurs. */
export function entropyOf(text: string): number {
  const counts = new Map<string, number>();
  for (const one of text) counts.set(one, (counts.get(one) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= count / text.length * Math.log2(count / text.length);
  return bits;
}
