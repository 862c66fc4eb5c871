// Whether a file that somebody has chosen can be uploaded at all; and if not, what to do.

import { bytes } from "./format.js";
import { peek } from "./peek.js";
import { fill, gettext } from "./text.js";

// Throws with what is wrong with the file's size.
export function checkSize(file, maxBytes) {
  const words = { filename: file.name };
  if (file.size === 0) {
    throw new Error(fill(gettext("%(filename)s is empty. Export it again and check that it has rows."), words));
  }
  if (file.size > maxBytes) {
    const sizes = { ...words, size: bytes(file.size), most: bytes(maxBytes) };
    throw new Error(fill(gettext("%(filename)s has %(size)s. A file may have at most %(most)s: split it."), sizes));
  }
}

// What `peek` finds; throws with why the file cannot be read.
export async function lookInto(file) {
  const look = await peek(file).catch(() => ({ unreadable: "unreadable" }));
  const reason = reasonOf(look.unreadable);
  if (reason) {
    throw new Error(fill(reason, { filename: file.name }));
  }
  return look;
}

function reasonOf(unreadable) {
  switch (unreadable) {
    case undefined:
      return "";
    case "empty":
      return gettext("%(filename)s has no rows. Export it again and check that it has some.");
    case "gzip":
      return gettext("%(filename)s cannot be unpacked. Pack it again with gzip, or choose the CSV itself.");
    case "workbook":
      return gettext("%(filename)s is a workbook or a zip file. Save the table as CSV and choose that.");
    case "no_text":
      return gettext("%(filename)s is no text. Export the table as CSV and choose that.");
    default:
      return gettext("%(filename)s cannot be read. A folder cannot be uploaded; a file must not be moved meanwhile.");
  }
}
