// The interface's texts in the reader's language. In other languages than English the page has loaded Django's catalog
// before this (texts.js), which sets window.django.

const catalog = window.django ?? {};

export const gettext = catalog.gettext ?? ((text) => text);

export const ngettext = catalog.ngettext ?? ((one, many, count) => (count === 1 ? one : many));

// Fill %(name)s marks.
export function fill(text, values) {
  return text.replace(/%\((\w+)\)s/g, (mark, name) => values[name]);
}

// The language of the page.
export const language = document.documentElement.lang || "en";

// How numbers and times are written: as the reader's browser does in this language (en-GB, say, where the page says en).
export const locale =
  navigator.languages.find((own) => own.split("-")[0] === language.split("-")[0]) ?? language;
