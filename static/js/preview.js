// The first rows of a file that has been chosen, with a mark on each column that is read.

import { count, shortened } from "./format.js";
import { fill, gettext, ngettext } from "./text.js";

const SHOWN_ROWS = 5;
const SHOWN_COLUMNS = 30;

// Draw into `element` what `choice` says of the file.
export function preview(element, { columns, kind, layout: { header, rows } }) {
  const width = Math.max(header?.length ?? 3, 1);
  const shown = Array.from({ length: Math.min(width, SHOWN_COLUMNS) }, (_, position) => position);
  const cell = (name, position, text) => {
    const made = document.createElement(name);
    made.classList.toggle("number", position === columns.sales);
    made.textContent = text;
    return made;
  };
  const heading = (position) => {
    const name = header ? shortened(header[position]) : fill(gettext("Column %(number)s"), { number: position + 1 });
    const made = cell("th", position, name);
    made.scope = "col";
    const column = kind.columns.find(({ role }) => columns[role] === position);
    if (column) {
      const mark = document.createElement("span");
      mark.className = "role";
      mark.textContent = column.title;
      made.append(" ", mark);
    }
    return made;
  };
  element.querySelector("thead").replaceChildren(row(shown.map(heading)));
  element
    .querySelector("tbody")
    .replaceChildren(
      ...rows
        .slice(0, SHOWN_ROWS)
        .map((fields) => row(shown.map((position) => cell("td", position, shortened(fields[position] ?? "", 80))))),
    );
  const left = width - shown.length;
  const more = element.querySelector("[data-field=more]");
  more.hidden = !left;
  more.textContent = fill(ngettext("and %(count)s more column", "and %(count)s more columns", left), { count: count(left) });
}

function row(cells) {
  const element = document.createElement("tr");
  element.append(...cells);
  return element;
}
