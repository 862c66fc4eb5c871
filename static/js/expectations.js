// What the first rows of a file make one expect of the others, kind by kind.

import { count, shortened } from "./format.js";
import { fill, gettext } from "./text.js";
import { isAmount, isDay, isEmail, isWhole } from "./values.js";

const OF_KIND = { sales, customers };

// Texts about a Choice that has no problem; none for a kind of which nothing more is known than its columns.
export function expectations(choice) {
  return OF_KIND[choice.kind.name]?.(choice) ?? [];
}

function sales(choice) {
  const isGood = choice.amounts ? isAmount : isWhole;
  const badDay = mostly(choice.values("date"), (value) => !isDay(value));
  const badSales = mostly(choice.values("sales"), (value) => !isGood(value));
  return [
    badDay !== null &&
      fill(
        gettext(
          "Most dates are not written YYYY-MM-DD, such as “%(example)s”. Such rows are rejected, unless you choose not to check dates.",
        ),
        { example: shortened(badDay) },
      ),
    badSales !== null &&
      fill(gettext("Most sales are no numbers, such as “%(example)s”. Such rows are rejected. Is it the right column?"), {
        example: shortened(badSales),
      }),
  ].filter(Boolean);
}

function customers({ columns, layout: { header, rows } }) {
  const whole = rows.filter((row) => row.length === header.length);
  const values = (role) => whole.map((row) => row[columns[role]].trim());
  const isEmpty = (value) => value === "";
  const emails = values("email");
  const valid = emails.filter(isEmail).map((value) => value.toLowerCase());
  const tell = (text, bad) =>
    bad.length > 0 &&
    fill(text, { count: count(bad.length), rows: count(rows.length), example: shortened(String(bad[0])) });
  const told = [
    tell(
      gettext("Rows with more or fewer fields than the header: %(count)s of the first %(rows)s."),
      rows.filter((row) => row.length !== header.length),
    ),
    tell(gettext("Rows without a name: %(count)s of the first %(rows)s."), values("name").filter(isEmpty)),
    tell(gettext("Rows without an e-mail address: %(count)s of the first %(rows)s."), emails.filter(isEmpty)),
    tell(
      gettext("E-mail addresses that are not valid: %(count)s in the first %(rows)s rows, such as “%(example)s”."),
      emails.filter((value) => value && !isEmail(value)),
    ),
    tell(
      gettext("E-mail addresses that an earlier row has: %(count)s in the first %(rows)s rows, such as “%(example)s”."),
      valid.filter((value, index) => valid.indexOf(value) < index),
    ),
    tell(gettext("Rows without a company: %(count)s of the first %(rows)s."), values("company").filter(isEmpty)),
  ].filter(Boolean);
  return told.length ? [...told, gettext("Such rows are rejected; the others are imported.")] : [];
}

// The first value that `isBad`, if most of them are.
function mostly(values, isBad) {
  const bad = values.filter(isBad);
  return bad.length * 2 > values.length ? bad[0] : null;
}
