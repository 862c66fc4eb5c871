// The kinds of files there are, as the page tells them (reports/kinds.py): each has its name, its title, its columns as
// { role, key, title, names, required }, and perhaps the role of a column that is a sign of it.

export const KINDS = new Map(
  JSON.parse(document.getElementById("kinds").textContent).map((kind) => [kind.name, kind]),
);
// What a file is whose uploader says nothing.
export const DEFAULT = KINDS.keys().next().value;
// The one kind whose files may have no header, and whose values may be amounts.
export const SALES = "sales";
