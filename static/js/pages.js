// The history's pages and filters without leaving the page: an upload in it goes on. Without this they are ordinary links
// and an ordinary form.

import { request } from "./http.js";

export class Pages {
  // `form` filters, `area` holds the list and its pager. onSwap({ isPage }) is told when the area shows something else;
  // `isPage` when somebody has turned a page.
  constructor({ form, area, onSwap, onProblem }) {
    this.form = form;
    this.area = area;
    this.onSwap = onSwap;
    this.onProblem = onProblem;
    this.latest = 0;
    // What the area shows, or will in a moment.
    this.url = window.location.href;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.filter();
    });
    this.selects = [...form.querySelectorAll("select")];
    this.selects.forEach((select) => select.addEventListener("change", () => this.filter()));
    form.elements.q.addEventListener("search", () => this.filter());
    area.addEventListener("click", (event) => {
      const link = event.target.closest("a[data-page]");
      if (link && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)) {
        event.preventDefault();
        this.go(link.href, { isPage: true });
      }
    });
    window.addEventListener("popstate", () => this.show(window.location.href, { isPage: false }));
  }

  filter() {
    const fields = new URLSearchParams(new FormData(this.form));
    const chosen = new URLSearchParams([...fields].filter(([, value]) => value.trim()));
    const query = chosen.toString();
    const url = this.form.action + (query ? `?${query}` : "");
    if (url !== this.url) {
      this.go(url, { isPage: false });
    }
  }

  async go(url, how) {
    if (await this.show(url, how)) {
      window.history.pushState(null, "", url);
    }
  }

  // Of several that were asked for in a hurry the last counts.
  async show(url, { isPage }) {
    this.latest += 1;
    const turn = this.latest;
    this.url = url;
    this.area.ariaBusy = "true";
    try {
      const response = await request(url, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const found = page.getElementById(this.area.id);
      if (turn !== this.latest) {
        return false;
      }
      if (!response.ok || !found) {
        window.location.assign(url);
        return false;
      }
      this.area.replaceChildren(...found.children);
      Object.assign(this.area.dataset, found.dataset);
      const fields = new URL(url).searchParams;
      for (const field of [...this.selects, this.form.elements.q]) {
        field.value = fields.get(field.name) ?? "";
      }
      this.onSwap({ isPage });
      return true;
    } catch (error) {
      this.url = window.location.href;
      this.onProblem(error.message);
      return false;
    } finally {
      if (turn === this.latest) {
        this.area.ariaBusy = "false";
      }
    }
  }
}
