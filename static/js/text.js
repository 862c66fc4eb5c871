// The interface's texts in the reader's language. In other languages than English the page has loaded Django's catalog
// before this (texts.js), which sets window.django.

const catalog = window.django ?? {};

export const gettext = catalog.gettext ?? ((text) => text);

export const ngettext = catalog.ngettext ?? ((one, many, count) => (count === 1 ? one : many));

// Fill %(name)s marks.
export function fill(text, values) {
  return text.replace(/%\((\w+)\)s/g, (mark, name) => values[name]);
}

// The language that numbers and times are written in.
export const locale = document.documentElement.lang || undefined;
