// A file that has been chosen and not yet started: of which kind it is, what its columns are, and its first rows.

import { Choice } from "./choice.js";
import { bytes, count, shortened } from "./format.js";
import { KINDS, SALES } from "./kinds.js";
import { preview } from "./preview.js";
import { fill, gettext, ngettext } from "./text.js";

let number = 0;

export class Panel {
  // `reviews` is the list that it is on.
  constructor(reviews, file, look) {
    this.reviews = reviews;
    this.file = file;
    this.look = look;
    this.choice = new Choice(look);
    this.isStarting = false;
    this.failure = "";
    this.element = reviews.template.content.firstElementChild.cloneNode(true);
    number += 1;
    this.number = number;
    for (const label of this.element.querySelectorAll("label")) {
      const control = this.element.querySelector(`#${label.htmlFor}`);
      control.id = label.htmlFor = `${label.htmlFor}-${number}`;
    }
    const help = this.field("amounts-hint");
    help.id = `${help.id}-${number}`;
    this.amounts.setAttribute("aria-describedby", help.id);
    this.field("name").textContent = file.name;
    this.field("preview").setAttribute("aria-label", fill(gettext("First rows of %(filename)s"), { filename: file.name }));
    this.kind.replaceChildren(...[...KINDS.values()].map(({ name, title }) => new Option(title, name)));
    this.kind.value = this.choice.kind.name;
    this.fillRoles();
    this.element.addEventListener("change", (event) => this.onChange(event.target));
    this.element.addEventListener("click", (event) => this.onClick(event.target.dataset.action));
    this.render();
  }

  field(name) {
    return this.element.querySelector(`[data-field="${name}"]`);
  }

  get kind() {
    return this.field("kind");
  }

  get amounts() {
    return this.field("amounts");
  }

  get hasFocus() {
    return this.element.contains(document.activeElement);
  }

  get isReady() {
    return !this.choice.problem && !this.isStarting;
  }

  get needsSomebody() {
    return Boolean(this.choice.problem || this.choice.warnings.length);
  }

  fold(isOneOfMany) {
    this.field("details").open = !isOneOfMany || this.needsSomebody;
  }

  focus() {
    const button = this.element.querySelector("[data-action=start]");
    (button.disabled ? this.element.querySelector("[data-action=remove]") : button).focus();
  }

  // A field for each column that the kind has.
  fillRoles() {
    this.field("roles").replaceChildren(...this.choice.kind.columns.map((column) => this.roleField(column)));
    this.field("roles").hidden = Boolean(this.look.unchecked);
  }

  roleField({ role, title, required }) {
    const { candidates, columns, layout } = this.choice;
    const options = candidates.map(({ name, position }) => new Option(shortened(name), position));
    if (layout.header === null) {
      options.push(new Option(fill(gettext("Column %(number)s"), { number: columns[role] + 1 }), columns[role]));
    } else if (role === "date") {
      options.unshift(new Option(gettext("none – do not check dates"), -1));
    } else if (!required) {
      options.unshift(new Option(gettext("none"), -1));
    } else if (columns[role] < 0) {
      options.unshift(new Option(gettext("choose…"), -1));
    }
    const select = document.createElement("select");
    select.className = "form-select";
    select.id = `${role}-${this.number}`;
    select.dataset.role = role;
    select.append(...options);
    select.value = String(columns[role]);
    select.disabled = layout.header === null;
    const label = document.createElement("label");
    label.htmlFor = select.id;
    label.textContent = title;
    const field = document.createElement("div");
    field.className = "field";
    field.append(label, select);
    return field;
  }

  onChange(control) {
    if (control === this.kind) {
      this.choice.setKind(control.value);
      this.fillRoles();
      this.field("details").open = this.field("details").open || this.needsSomebody;
    } else if (control.dataset.role) {
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
    const { choice } = this;
    this.field("about").textContent = this.about.join(" · ");
    const problem = this.failure || choice.problem;
    this.field("problem").textContent = problem;
    this.field("problem").hidden = !problem;
    this.field("warnings").replaceChildren(
      ...choice.warnings.map((text) => paragraph(text, "warning")),
      ...this.notes.map((text) => paragraph(text, "hint")),
    );
    this.field("amounts-box").hidden = choice.kind.name !== SALES;
    this.amounts.checked = choice.amounts;
    this.field("amounts-hint").textContent = choice.amountsHint;
    this.element.querySelector("[data-action=start]").disabled = !this.isReady;
    this.field("preview").hidden = Boolean(this.look.unchecked);
    if (!this.look.unchecked) {
      preview(this.field("preview"), choice);
    }
  }

  get about() {
    const { encoding, packed } = this.look;
    const about = [bytes(this.file.size)];
    if (encoding) {
      about.push(packed ? fill(gettext("gzip, %(encoding)s"), { encoding }) : encoding);
    }
    const columns = this.choice.layout.header?.length;
    if (columns) {
      about.push(fill(ngettext("%(count)s column", "%(count)s columns", columns), { count: count(columns) }));
    }
    return about;
  }

  get notes() {
    if (this.look.unchecked) {
      return [gettext("The first line is too long to look at here. The file is checked as soon as it arrives.")];
    }
    return this.choice.layout.header === null
      ? [gettext("The file has no header; its three columns are read by their places.")]
      : [];
  }
}

function paragraph(text, kind) {
  const element = document.createElement("p");
  element.className = kind;
  element.textContent = text;
  return element;
}
