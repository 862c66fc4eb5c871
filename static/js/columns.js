// Which of a file's columns is which: as reports/engine/columns.py, layout.py and sheet.py find them.

import { DEFAULT, KINDS, SALES } from "./kinds.js";
import { isAmount, isDay, strip } from "./values.js";

const DELIMITERS = [",", ";", "\t", "|"];
// The columns of a file without a header.
const BY_POSITION = { department: 0, date: 1, sales: 2 };

export function normalise(name) {
  return name.replace(/[\s_-]/g, "").toLowerCase();
}

// The positions in `header` of the columns of `kind` by their roles, -1 for one that is not there.
export function find(header, kind) {
  const names = header.map(normalise);
  return Object.fromEntries(
    kind.columns.map(({ role, names: usual }) => [
      role,
      usual.map((name) => names.indexOf(name)).find((position) => position >= 0) ?? -1,
    ]),
  );
}

// How a file of `kind` is written whose first record `firstOf(delimiter)` gives: { delimiter, header, columns }, where the
// header is null for a file without one; or, when its columns are not found, { delimiter, header, columns: null } as read
// with the delimiter that gives the most fields.
export function detect(firstOf, kind) {
  const readings = DELIMITERS.map((delimiter) => ({ delimiter, header: firstOf(delimiter) }));
  for (const reading of readings) {
    const columns = find(reading.header, kind);
    if (kind.columns.every(({ role, required }) => columns[role] >= 0 || !required)) {
      return { ...reading, columns };
    }
  }
  for (const { delimiter, header } of kind.name === SALES ? readings : []) {
    if (isRow(header)) {
      return { delimiter, header: null, columns: BY_POSITION };
    }
  }
  const widest = readings.reduce((best, reading) => (reading.header.length > best.header.length ? reading : best));
  return { ...widest, columns: null };
}

// What a file is, by what `detect` has found for each kind: the first kind whose columns are all there; else one that a
// column of it is a sign of. As reports/kinds.py guesses.
export function guess(layouts) {
  const names = [...layouts.keys()];
  const hasSign = (name) => {
    const kind = KINDS.get(name);
    return kind.sign && find(layouts.get(name).header, kind)[kind.sign] >= 0;
  };
  return names.find((name) => layouts.get(name).columns) ?? names.find(hasSign) ?? DEFAULT;
}

// What stands in a row without a header; with decimals it is one if sales are amounts.
function isRow(fields) {
  return fields.length === 3 && strip(fields[0]) !== "" && isDay(fields[1]) && isAmount(fields[2]);
}
