// Files that have been chosen and not yet started.

import { count } from "./format.js";
import { Panel } from "./panel.js";
import { fill, gettext } from "./text.js";

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
