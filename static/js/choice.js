// What a person chooses about a file before it is uploaded: which column is what, and whether sales are amounts.

import { find, isAmount, isDay, isWhole, normalise, ROLES } from "./columns.js";
import { fill, gettext } from "./text.js";

export class Choice {
  // `look` is what peek.js has found.
  constructor(look) {
    this.look = look;
    this.found = look.columns ?? find(look.header ?? []);
    this.columns = { ...this.found };
    this.amounts = this.example(isDecimal) !== null;
    // Whether the person has decided on amounts.
    this.isDecided = false;
  }

  // Columns that can be named: of several with one name the server takes the first.
  get candidates() {
    const header = this.look.header ?? [];
    const names = header.map(normalise);
    return header
      .map((name, position) => ({ name, position }))
      .filter(({ position }) => names[position] && names.indexOf(names[position]) === position);
  }

  setColumn(role, position) {
    this.columns[role] = position;
    if (role === "sales" && !this.isDecided) {
      this.amounts = this.example(isDecimal) !== null;
    }
  }

  setAmounts(amounts) {
    this.amounts = amounts;
    this.isDecided = true;
  }

  // The first value of the sales column that `test` likes, or null.
  example(test, role = "sales") {
    return this.values(role).find(test) ?? null;
  }

  values(role) {
    const position = this.columns[role];
    const values = position < 0 ? [] : (this.look.rows ?? []).map((row) => row[position] ?? "");
    return values.filter((value) => value !== "");
  }

  // What to tell the server, as pairs: only what it would not find by itself.
  get options() {
    const options = {};
    if (this.look.header) {
      for (const role of ROLES.filter((name) => this.columns[name] !== this.found[name])) {
        options[role] = this.columns[role] < 0 ? "" : this.look.header[this.columns[role]];
      }
    }
    return this.amounts ? { ...options, amounts: "true" } : options;
  }

  // What has to be mended before the upload can start.
  get problem() {
    const { department, date, sales } = this.columns;
    if (this.look.unchecked) {
      return "";
    }
    if (this.look.header === null) {
      return this.amounts || isWhole(this.look.rows[0][2])
        ? ""
        : gettext("Without amounts the first line is neither a header nor a row.");
    }
    if (this.look.header.length === 1) {
      return gettext(
        "The first line has only one column. A department and a number of sales are needed: export the table again with both.",
      );
    }
    if (department < 0 && sales < 0) {
      return gettext("No columns for the department and the sales were found by their names. Choose them.");
    }
    if (department < 0) {
      return gettext("No column for the department was found by its name. Choose it.");
    }
    if (sales < 0) {
      return gettext("No column for the sales was found by its name. Choose it.");
    }
    if (department === sales || (date >= 0 && (date === department || date === sales))) {
      return gettext("Department, date and sales must be three different columns.");
    }
    return "";
  }

  // What the first rows make one expect.
  get warnings() {
    if (this.problem || this.look.unchecked) {
      return [];
    }
    if (!this.look.rows.length) {
      return [gettext("There are no rows behind the header.")];
    }
    const warnings = [];
    const isGood = this.amounts ? isAmount : isWhole;
    const badDay = this.mostly("date", (value) => !isDay(value));
    if (badDay !== null) {
      warnings.push(
        fill(
          gettext(
            "Most dates are not written YYYY-MM-DD, such as “%(example)s”. Such rows are rejected, unless you choose not to check dates.",
          ),
          { example: shortened(badDay) },
        ),
      );
    }
    const badSales = this.mostly("sales", (value) => !isGood(value));
    if (badSales !== null) {
      warnings.push(
        fill(gettext("Most sales are no numbers, such as “%(example)s”. Such rows are rejected. Is it the right column?"), {
          example: shortened(badSales),
        }),
      );
    }
    return warnings;
  }

  // The first value that `isBad`, if most of that column are.
  mostly(role, isBad) {
    const values = this.values(role);
    const bad = values.filter(isBad);
    return bad.length * 2 > values.length ? bad[0] : null;
  }

  // Why amounts are proposed, or would be needed.
  get amountsHint() {
    const example = this.example(isDecimal);
    if (example === null) {
      return "";
    }
    const text = this.amounts
      ? gettext("On, since there are values such as “%(example)s”.")
      : gettext("Without it, rows with values such as “%(example)s” are rejected.");
    return fill(text, { example: shortened(example) });
  }
}

// A number that is one only if sales are amounts.
function isDecimal(value) {
  return isAmount(value) && !isWhole(value);
}

export function shortened(value, length = 40) {
  return value.length > length ? `${value.slice(0, length)}…` : value;
}
