// What the name of an attribute, of a member of a JSON object, or of a column says about its value.
//
// A name is cut into words at `.`, `_`, `-`, `:`, spaces and capitals: `dbPassword`, `db.password`
// and `DB_PASSWORD` say the same. The last words decide: `token.count` counts, `auth.token` is a
// token.

import type { Meaning } from './rule.ts';

/** Joined words at the end of a name. A weak one holds also numbers that mean something else. */
const ENDINGS: ReadonlyMap<string, Meaning> = new Map([
  ...['password', 'passwords', 'passwd', 'passphrase', 'passcode', 'pwd', 'pass', 'secret',
    'secrets', 'secretkey', 'secretkeybase', 'apikey', 'accesskey', 'privatekey', 'encryptionkey',
    'signingkey',
    'accountkey', 'masterkey', 'authkey', 'sshkey', 'licensekey', 'subscriptionkey', 'sharedkey',
    'clientsecret', 'credential', 'credentials', 'authorization', 'cookie', 'cookies', 'setcookie',
    'accesstoken', 'refreshtoken', 'idtoken', 'authtoken', 'apitoken', 'sessiontoken',
    'bearertoken',
    'securitytoken', 'csrftoken', 'xsrftoken', 'cvv', 'cvv2', 'cvc', 'cvc2', 'pincode', 'otp',
    'jsessionid', 'phpsessid', 'passwordhash', 'connectionstring',
  ].map((word) => [word, 'secret'] as const),
  ...['token', 'xauth', 'xamzsignature'].map((word) => [word, 'weak'] as const),
  ...['card', 'cardnumber', 'cardno', 'creditcard', 'debitcard', 'pan', 'ccnumber', 'ccnum',
  ].map((word) => [word, 'card'] as const),
  ...['iban', 'accountiban'].map((word) => [word, 'iban'] as const),
  ...['ssn', 'socialsecurity', 'socialsecuritynumber', 'socialsecurityno',
  ].map((word) => [word, 'ssn'] as const),
  ...['email', 'mail', 'emailaddress'].map((word) => [word, 'email'] as const),
  ...['phone', 'phonenumber', 'telephone', 'mobile', 'mobilenumber', 'msisdn', 'fax', 'faxnumber',
    'cellphone', 'tel',
  ].map((word) => [word, 'phone'] as const),
  ...['username', 'userlogin', 'userfullname', 'enduserid', 'userid', 'fullname', 'firstname',
    'lastname', 'surname',
  ].map((word) => [word, 'user'] as const),
]);

/** Before `token`: what pages through lists or counts. */
const HARMLESS = new RegExp('(?:page|next|prev|continuation|cursor|sync|resume|cancel|cancellation'
  + '|stop|eos|bos|pad|max|min)(?:page)?token$');
/** At the end of names that were given numbers or said twice: `password1`, `password_confirm`. */
const REPEATED = /^(?:\d+|hash|value|old|new|confirm(?:ation)?|header)$/;
/** More words than these are not looked at. */
const WORDS_MAX = 4;
export function meaningOf(name: string): Meaning {
  const words = name.replace(/([a-z0-9])([A-Z])/g, '$1.$2').toLowerCase().split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
  while (words.length > 1 && REPEATED.test(words.at(-1)!)) words.pop();
  for (let count = Math.min(WORDS_MAX, words.length); count > 0; count -= 1) {
    const meaning = ENDINGS.get(words.slice(-count).join('').replace(/(?<=[a-z]{3})\d{1,2}$/, ''));
    if (meaning === undefined) continue;
    return HARMLESS.test(words.join('')) ? 'none' : meaning;
  }
  return 'none';
}

/** Regular expressions of config/regex/tree.ts for names that can have a meaning. */
export const NAME_TRIGGERS: readonly string[] = [
  '(?i)pass|pwd|secret|key|credential|authorization|cookie|token|cvv|cvc|pin[_-]?code|\\botp|otp\\b'
  + '|sess_?id|sessionid|connection[_-]?string',
  '(?i)card|\\bpan\\b|pan_|_pan|cc_?num|iban|ssn|social|mail|phone|mobile|msisdn|fax|\\btel',
];

/** As NAME_TRIGGERS, for the names of users. */
export const USER_TRIGGER = '(?i)user|name';
