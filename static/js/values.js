// What a value must be, by the server's rules (reports/engine/rules.py, reports/pipelines/customers.py).

const ATOM = "[-!#$%&'*+/=?^_`{}|~0-9A-Z]+";
// Of the Basic Multilingual Plane alone.
const LETTER = "a-z\u00a1-\ud7ff\ue000-\uffff";
const LABEL = `[${LETTER}0-9](?:[${LETTER}0-9-]{0,61}[${LETTER}0-9])?`;
const QUOTED = String.raw`"(?:[\x01-\x08\x0b\x0c\x0e-\x1f!#-\[\]-\x7f]|\\[\x01-\x09\x0b\x0c\x0e-\x7f])*"`;
const USER = new RegExp(`^(?:${ATOM}(?:\\.${ATOM})*|${QUOTED})$`, "i");
const DOMAIN = new RegExp(
  `^(?:${LABEL}(?:\\.(?!-)[${LETTER}0-9-]{1,63}(?<!-))*\\.(?!-)(?:[${LETTER}-]{2,63}|xn--[a-z0-9]{1,59})(?<!-)|\\[[a-f0-9:.]+\\])$`,
  "i",
);
const MAX_EMAIL_LENGTH = 254;

export function isDay(value) {
  const match = /^([0-9]{4})-([0-9]{2})-([0-9]{2})$/.exec(strip(value));
  if (!match || match[1] === "0000") {
    return false;
  }
  const day = new Date(`${match[0]}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(match[0]);
}

export function isWhole(value) {
  return /^[0-9]+$/.test(strip(value));
}

export function isAmount(value) {
  return /^-?([0-9]+|[0-9]*\.[0-9]+)$/.test(strip(value));
}

// A number that is one only if sales are amounts.
export function isDecimal(value) {
  return isAmount(value) && !isWhole(value);
}

export function isEmail(value) {
  const at = value.lastIndexOf("@");
  return value.length <= MAX_EMAIL_LENGTH && USER.test(value.slice(0, at)) && DOMAIN.test(value.slice(at + 1));
}

// Without the white space of ASCII, as the engine's values are.
export function strip(value) {
  return value.replace(/^[ \t\n\r\v\f]+|[ \t\n\r\v\f]+$/g, "");
}
