// A table that is searched, sorted and paged: its links and the fields of its form change it in place. Without this they
// load the page.

const SEARCH_DELAY = 250;

export class Table {
  constructor(section) {
    this.place = section.querySelector("#table");
    this.form = section.querySelector("form.search");
    this.request = null;
    this.timer = null;
    if (!this.place) {
      return;
    }
    this.place.addEventListener("click", (event) => this.onClick(event));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.search();
    });
    this.form.addEventListener("input", () => {
      window.clearTimeout(this.timer);
      this.timer = window.setTimeout(() => this.search(), SEARCH_DELAY);
    });
  }

  onClick(event) {
    const link = event.target.closest("a[data-key]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) {
      return;
    }
    event.preventDefault();
    if (link.dataset.key === "all") {
      this.fields().forEach((field) => {
        field.value = "";
      });
    }
    this.show(new URL(link.href).search, { key: link.dataset.key });
  }

  // The same order, from the first page on.
  search() {
    window.clearTimeout(this.timer);
    const asked = new URLSearchParams(window.location.search);
    asked.delete("page");
    this.fields().forEach((field) => asked.set(field.name, field.value));
    this.show(`?${asked}`);
  }

  fields() {
    return [...this.form.elements].filter((field) => field.name);
  }

  // Show what the query asks for; the focus stays on the link that was used.
  async show(query, { key = null, remember = true } = {}) {
    this.request?.abort();
    this.request = new AbortController();
    this.place.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(this.place.dataset.address + query, { signal: this.request.signal });
      if (!response.ok || response.redirected) {
        throw new Error(String(response.status));
      }
      this.place.innerHTML = await response.text();
    } catch (error) {
      if (error.name !== "AbortError") {
        // Whatever it is, the page itself tells it better.
        window.location.search = query;
      }
      return;
    }
    this.place.removeAttribute("aria-busy");
    if (remember) {
      window.history.replaceState(null, "", query || window.location.pathname);
    }
    if (key) {
      (this.place.querySelector(`a[data-key="${key}"]`) ?? this.place.querySelector("a[data-key]"))?.focus();
    }
  }
}
