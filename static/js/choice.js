// What a person chooses about a file before it is uploaded: of which kind it is, which column is what, and whether sales
// are amounts.

import { find, normalise } from "./columns.js";
import { expectations } from "./expectations.js";
import { list, shortened } from "./format.js";
import { DEFAULT, KINDS, SALES } from "./kinds.js";
import { fill, gettext, ngettext } from "./text.js";
import { isDecimal, isWhole } from "./values.js";

export class Choice {
  // `look` is what peek.js has found.
  constructor(look) {
    this.look = look;
    this.kind = KINDS.get(look.kind);
    // Kind -> its columns, as found and as chosen: nothing is lost by trying another kind.
    this.foundOf = new Map();
    this.chosenOf = new Map();
    for (const [name, { header, columns }] of look.layouts) {
      const found = columns ?? find(header, KINDS.get(name));
      this.foundOf.set(name, found);
      this.chosenOf.set(name, { ...found });
    }
    this.areAmounts = this.hasAmounts;
    // Whether the person has decided on amounts.
    this.isDecided = false;
  }

  get layout() {
    return this.look.layouts.get(this.kind.name);
  }

  // The position of each role's column, -1 for one that is not there.
  get columns() {
    return this.chosenOf.get(this.kind.name);
  }

  get amounts() {
    return this.kind.name === SALES && this.areAmounts;
  }

  get hasAmounts() {
    return this.kind.name === SALES && this.example(isDecimal) !== null;
  }

  // Columns that can be named: of several with one name the server takes the first.
  get candidates() {
    const header = this.layout.header ?? [];
    const names = header.map(normalise);
    return header
      .map((name, position) => ({ name, position }))
      .filter(({ position }) => names[position] && names.indexOf(names[position]) === position);
  }

  setKind(name) {
    this.kind = KINDS.get(name);
    this.proposeAmounts();
  }

  setColumn(role, position) {
    this.columns[role] = position;
    this.proposeAmounts();
  }

  setAmounts(amounts) {
    this.areAmounts = amounts;
    this.isDecided = true;
  }

  proposeAmounts() {
    if (this.kind.name === SALES && !this.isDecided) {
      this.areAmounts = this.hasAmounts;
    }
  }

  // The first value of the sales column that `test` likes, or null.
  example(test) {
    return this.values("sales").find(test) ?? null;
  }

  values(role) {
    const position = this.columns[role];
    const values = position < 0 ? [] : this.layout.rows.map((row) => row[position] ?? "");
    return values.filter((value) => value !== "");
  }

  // What to tell the server, as pairs: only what it would not find by itself.
  get options() {
    const { kind, columns } = this;
    const found = this.foundOf.get(kind.name);
    const options = kind.name === DEFAULT ? {} : { kind: kind.name };
    for (const { role, key } of kind.columns.filter(({ role }) => columns[role] !== found[role])) {
      options[key] = columns[role] < 0 ? "" : this.layout.header[columns[role]];
    }
    return this.amounts ? { ...options, amounts: "true" } : options;
  }

  // What has to be mended before the upload can start.
  get problem() {
    const { columns } = this;
    const { header, rows } = this.layout;
    if (this.look.unchecked) {
      return "";
    }
    if (header === null) {
      return this.amounts || isWhole(rows[0][2])
        ? ""
        : gettext("Without amounts the first line is neither a header nor a row.");
    }
    const required = this.kind.columns.filter((column) => column.required);
    if (header.length === 1) {
      const text = gettext("The first line has only one column. %(columns)s are needed: export the table again with all of them.");
      return fill(text, { columns: titles(required) });
    }
    const missing = required.filter(({ role }) => columns[role] < 0);
    if (missing.length) {
      const text = ngettext(
        "No column for %(columns)s was found by its name. Choose it.",
        "No columns for %(columns)s were found by their names. Choose them.",
        missing.length,
      );
      return fill(text, { columns: titles(missing) });
    }
    const taken = Object.values(columns).filter((position) => position >= 0);
    if (new Set(taken).size < taken.length) {
      return fill(gettext("%(columns)s must be different columns."), { columns: titles(this.kind.columns) });
    }
    return "";
  }

  // What the first rows make one expect.
  get warnings() {
    if (this.problem || this.look.unchecked) {
      return [];
    }
    return this.layout.rows.length ? expectations(this) : [gettext("There are no rows behind the header.")];
  }

  // Why amounts are proposed, or would be needed.
  get amountsHint() {
    const example = this.hasAmounts ? this.example(isDecimal) : null;
    if (example === null) {
      return "";
    }
    const text = this.amounts
      ? gettext("On, since there are values such as “%(example)s”.")
      : gettext("Without it, rows with values such as “%(example)s” are rejected.");
    return fill(text, { example: shortened(example) });
  }
}

function titles(columns) {
  return list(columns.map(({ title }) => title));
}
