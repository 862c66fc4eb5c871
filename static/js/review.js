// Files that have been chosen and not yet started: their first rows, and what their columns are.

import { Choice, shortened } from "./choice.js";
import { ROLES } from "./columns.js";
import { bytes, count } from "./format.js";
import { fill, gettext, ngettext } from "./text.js";

const SHOWN_ROWS = 5;
const SHOWN_COLUMNS = 30;
let number = 0;

// The list of them. `start(file, options)` begins an upload, or throws with what to tell.
export class Reviews {
  constructor(section, template, { start, onEmpty }) {
    this.section = section;
    this.template = template;
    this.start = start;
    this.onEmpty = onEmpty;
    this.panels = [];
    this.list = section.querySelector("[data-field=list]");
    this.startAll = section.querySelector("[data-action=start-all]");
    this.removeAll = section.querySelector("[data-action=remove-all]");
    this.startAll.addEventListener("click", () => this.startEach());
    this.removeAll.addEventListener("click", () => this.removeEach());
  }

  has(file) {
    return this.panels.some(({ file: known }) =>
      ["name", "size", "lastModified"].every((property) => known[property] === file[property]),
    );
  }

  add(file, look) {
    const panel = new Panel(this, file, look);
    this.panels.push(panel);
    this.list.append(panel.element);
    this.render();
  }

  // Files that come together are folded up, apart from those that need somebody.
  fold() {
    for (const panel of this.panels) {
      panel.fold(this.panels.length > 1);
    }
  }

  remove(panel, hadFocus = panel.hasFocus) {
    const index = this.panels.indexOf(panel);
    this.panels.splice(index, 1);
    panel.element.remove();
    this.render();
    if (hadFocus) {
      const next = this.panels[Math.min(index, this.panels.length - 1)];
      if (next) {
        next.focus();
      } else {
        this.onEmpty();
      }
    }
  }

  removeEach() {
    this.panels = [];
    this.list.replaceChildren();
    this.render();
    this.onEmpty();
  }

  async startEach() {
    this.startAll.disabled = true;
    for (const panel of this.panels.filter((each) => each.isReady)) {
      await panel.begin();
    }
    this.startAll.disabled = false;
    this.render();
    if (!this.panels.length) {
      this.onEmpty();
    }
  }

  render() {
    const ready = this.panels.filter((panel) => panel.isReady).length;
    this.section.hidden = !this.panels.length;
    this.startAll.hidden = this.removeAll.hidden = this.panels.length < 2;
    this.startAll.disabled = !ready;
    this.startAll.textContent = fill(gettext("Start all (%(count)s)"), { count: count(ready) });
  }
}

class Panel {
  constructor(reviews, file, look) {
    this.reviews = reviews;
    this.file = file;
    this.look = look;
    this.choice = new Choice(look);
    this.isStarting = false;
    this.failure = "";
    this.element = reviews.template.content.firstElementChild.cloneNode(true);
    number += 1;
    for (const label of this.element.querySelectorAll("label")) {
      const control = this.element.querySelector(`#${label.htmlFor}`);
      control.id = label.htmlFor = `${label.htmlFor}-${number}`;
    }
    const help = this.field("amounts-hint");
    help.id = `${help.id}-${number}`;
    this.amounts.setAttribute("aria-describedby", help.id);
    this.field("name").textContent = file.name;
    this.field("preview").setAttribute("aria-label", fill(gettext("First rows of %(filename)s"), { filename: file.name }));
    this.fillSelects();
    this.element.addEventListener("change", (event) => this.onChange(event.target));
    this.element.addEventListener("click", (event) => this.onClick(event.target.dataset.action));
    this.render();
  }

  field(name) {
    return this.element.querySelector(`[data-field="${name}"]`);
  }

  get amounts() {
    return this.element.querySelector("[data-field=amounts]");
  }

  get hasFocus() {
    return this.element.contains(document.activeElement);
  }

  get isReady() {
    return !this.choice.problem && !this.isStarting;
  }

  fold(isOneOfMany) {
    this.field("details").open = !isOneOfMany || Boolean(this.choice.problem || this.choice.warnings.length);
  }

  focus() {
    const button = this.element.querySelector("[data-action=start]");
    (button.disabled ? this.element.querySelector("[data-action=remove]") : button).focus();
  }

  fillSelects() {
    for (const role of ROLES) {
      const select = this.element.querySelector(`[data-role="${role}"]`);
      const options = this.choice.candidates.map(({ name, position }) => new Option(shortened(name), position));
      if (this.look.header === null) {
        options.push(new Option(fill(gettext("Column %(number)s"), { number: this.choice.columns[role] + 1 }), this.choice.columns[role]));
      } else if (role === "date") {
        options.unshift(new Option(gettext("none – do not check dates"), -1));
      } else if (this.choice.columns[role] < 0) {
        options.unshift(new Option(gettext("choose…"), -1));
      }
      select.replaceChildren(...options);
      select.value = String(this.choice.columns[role]);
      select.disabled = this.look.header === null;
    }
    this.field("roles").hidden = Boolean(this.look.unchecked);
  }

  onChange(control) {
    if (control.dataset.role) {
      this.choice.setColumn(control.dataset.role, Number(control.value));
    } else if (control === this.amounts) {
      this.choice.setAmounts(control.checked);
    }
    this.failure = "";
    this.render();
    this.reviews.render();
  }

  async onClick(action) {
    if (action === "remove") {
      this.reviews.remove(this);
    } else if (action === "start") {
      await this.begin();
    }
  }

  async begin() {
    // Its button is switched off meanwhile, and loses the focus by that.
    const { hasFocus } = this;
    this.isStarting = true;
    this.failure = "";
    this.render();
    try {
      await this.reviews.start(this.file, this.choice.options);
      this.reviews.remove(this, hasFocus);
    } catch (error) {
      this.isStarting = false;
      this.failure = error.message;
      this.field("details").open = true;
      this.render();
      if (hasFocus) {
        this.focus();
      }
    }
  }

  render() {
    const { choice, look } = this;
    const about = [bytes(this.file.size)];
    if (look.encoding) {
      about.push(look.packed ? fill(gettext("gzip, %(encoding)s"), { encoding: look.encoding }) : look.encoding);
    }
    if (look.header) {
      about.push(fill(ngettext("%(count)s column", "%(count)s columns", look.header.length), { count: count(look.header.length) }));
    }
    this.field("about").textContent = about.join(" · ");
    const problem = this.failure || choice.problem;
    this.field("problem").textContent = problem;
    this.field("problem").hidden = !problem;
    this.field("warnings").replaceChildren(
      ...choice.warnings.map((text) => paragraph(text, "warning")),
      ...this.notes().map((text) => paragraph(text, "hint")),
    );
    this.amounts.checked = choice.amounts;
    this.field("amounts-hint").textContent = choice.amountsHint;
    this.element.querySelector("[data-action=start]").disabled = !this.isReady;
    this.renderPreview();
  }

  notes() {
    if (this.look.unchecked) {
      return [gettext("The first line is too long to look at here. The file is checked as soon as it arrives.")];
    }
    return this.look.header === null ? [gettext("The file has no header; its three columns are read by their places.")] : [];
  }

  renderPreview() {
    const preview = this.field("preview");
    preview.hidden = Boolean(this.look.unchecked);
    if (preview.hidden) {
      return;
    }
    const width = Math.max(this.look.header?.length ?? 3, 1);
    const shown = Array.from({ length: Math.min(width, SHOWN_COLUMNS) }, (_, position) => position);
    const head = preview.querySelector("thead");
    const roles = { department: gettext("Department"), date: gettext("Date"), sales: gettext("Sales") };
    head.replaceChildren(
      row(
        shown.map((position) => {
          const cell = document.createElement("th");
          cell.scope = "col";
          cell.classList.toggle("number", position === this.choice.columns.sales);
          cell.textContent = this.look.header ? shortened(this.look.header[position]) : fill(gettext("Column %(number)s"), { number: position + 1 });
          const role = ROLES.find((name) => this.choice.columns[name] === position);
          if (role) {
            const mark = document.createElement("span");
            mark.className = "role";
            mark.textContent = roles[role];
            cell.append(" ", mark);
          }
          return cell;
        }),
      ),
    );
    preview.querySelector("tbody").replaceChildren(
      ...this.look.rows.slice(0, SHOWN_ROWS).map((fields) =>
        row(
          shown.map((position) => {
            const cell = document.createElement("td");
            cell.textContent = shortened(fields[position] ?? "", 80);
            cell.classList.toggle("number", position === this.choice.columns.sales);
            return cell;
          }),
        ),
      ),
    );
    const left = width - shown.length;
    this.field("more").hidden = !left;
    this.field("more").textContent = fill(ngettext("and %(count)s more column", "and %(count)s more columns", left), { count: count(left) });
  }
}

function row(cells) {
  const element = document.createElement("tr");
  element.append(...cells);
  return element;
}

function paragraph(text, kind) {
  const element = document.createElement("p");
  element.className = kind;
  element.textContent = text;
  return element;
}
