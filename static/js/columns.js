// Which of a file's columns is which: as reports/engine/columns.py and layout.py find them.

export const ROLES = ["department", "date", "sales"];
const NAMES = {
  department: ["departmentname", "department", "dept"],
  date: ["date", "saledate"],
  sales: ["numberofsales", "sales", "quantity"],
};
const DELIMITERS = [",", ";", "\t", "|"];
// The columns of a file without a header.
const BY_POSITION = { department: 0, date: 1, sales: 2 };

export function normalise(name) {
  return name.replace(/[\s_-]/g, "").toLowerCase();
}

// The positions of the columns in `header`, -1 for one that is not there. `named` maps roles to names that somebody has
// said they have; an empty name says that there is none.
export function find(header, named = {}) {
  const names = header.map(normalise);
  const positions = {};
  for (const role of ROLES) {
    if (role in named) {
      positions[role] = named[role] === "" ? -1 : names.indexOf(normalise(named[role]));
    } else {
      positions[role] = NAMES[role].map((name) => names.indexOf(name)).find((position) => position >= 0) ?? -1;
    }
  }
  return positions;
}

// How a file is written whose first record `firstOf(delimiter)` gives: { delimiter, header, columns }, where the header
// is null for a file without one; or, when its columns are not found, { delimiter, header, columns: null } as read with
// the delimiter that gives the most fields.
export function detect(firstOf) {
  const readings = DELIMITERS.map((delimiter) => ({ delimiter, header: firstOf(delimiter) }));
  for (const reading of readings) {
    const columns = find(reading.header);
    if (columns.department >= 0 && columns.sales >= 0) {
      return { ...reading, columns };
    }
  }
  for (const { delimiter, header } of readings) {
    if (isRow(header)) {
      return { delimiter, header: null, columns: BY_POSITION };
    }
  }
  const widest = readings.reduce((best, reading) => (reading.header.length > best.header.length ? reading : best));
  return { ...widest, columns: null };
}

// What stands in a row without a header; with decimals it is one if sales are amounts.
function isRow(fields) {
  return fields.length === 3 && strip(fields[0]) !== "" && isDay(fields[1]) && isAmount(fields[2]);
}

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

// Without the white space of ASCII, as the engine's values are.
function strip(value) {
  return value.replace(/^[ \t\n\r\v\f]+|[ \t\n\r\v\f]+$/g, "");
}
