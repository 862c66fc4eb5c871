// A look into a file before it is sent: what the first 64 KiB tell of how it is written.

import { detect, guess } from "./columns.js";
import { read } from "./csv.js";
import { DEFAULT, KINDS } from "./kinds.js";

const PEEK_BYTES = 64 * 1024;
// Rows that are looked at; five of them are shown.
const SAMPLE_ROWS = 500;

// What `file` is: { encoding, packed, kind, layouts }, where `kind` is a guess, and `layouts` has for each kind how the file
// is written if it is one of that: { delimiter, header, columns, rows }, with the texts of the fields; `columns` is null
// when they are not found. A file that cannot be read at all has { unreadable }: "gzip", "workbook", "no_text" or "empty".
// One whose first line is too long to tell has { unchecked: true }.
export async function peek(file) {
  let data = await bytesOf(file.slice(0, PEEK_BYTES));
  let final = file.size <= PEEK_BYTES;
  const packed = data[0] === 0x1f && data[1] === 0x8b;
  if (packed) {
    const unpacked = await unpack(data);
    if (!unpacked.data.length) {
      return { unreadable: "gzip" };
    }
    data = unpacked.data;
    final = final && unpacked.whole;
  }
  const { text, encoding, valueOf } = decode(data, final);
  const result = look(text, valueOf, final);
  if (![...(result.layouts?.values() ?? [])].some(({ columns }) => columns)) {
    if (isWorkbook(data)) {
      return { unreadable: "workbook" };
    }
    if (text.includes("\0") || hasControls(text)) {
      return { unreadable: "no_text" };
    }
  }
  return { ...result, encoding, packed };
}

// A file of whole lines has the columns of some kind, or at least a first line.
function look(text, valueOf, final) {
  const firstOf = (delimiter) => {
    for (const fields of read(text, delimiter, { final })) {
      if (fields.length) {
        return fields.map(valueOf);
      }
    }
    return [];
  };
  const layouts = new Map([...KINDS].map(([name, kind]) => [name, detect(firstOf, kind)]));
  for (const layout of layouts.values()) {
    layout.rows = rowsOf(layout, text, valueOf, final);
  }
  const hasNothing = [...layouts.values()].every(({ columns, header }) => !columns && !header.length);
  if (hasNothing) {
    return final ? { unreadable: "empty" } : { unchecked: true, kind: DEFAULT, layouts };
  }
  return { kind: guess(layouts), layouts };
}

// The first rows, without the header and blank lines.
function rowsOf({ delimiter, header }, text, valueOf, final) {
  const rows = [];
  let isFirst = header !== null;
  for (const fields of read(text, delimiter, { final })) {
    if (!fields.length) {
      continue;
    }
    if (isFirst) {
      isFirst = false;
      continue;
    }
    rows.push(fields.map(valueOf));
    if (rows.length === SAMPLE_ROWS) {
      break;
    }
  }
  return rows;
}

async function bytesOf(blob) {
  return new Uint8Array(await blob.arrayBuffer());
}

// The beginning of what a gzip file holds; that it ends in the middle is only natural for the beginning of a file.
async function unpack(data) {
  const reader = new Blob([data]).stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  const pieces = [];
  let size = 0;
  let whole = false;
  try {
    while (size < PEEK_BYTES) {
      const { done, value } = await reader.read();
      if (done) {
        whole = true;
        break;
      }
      pieces.push(value);
      size += value.length;
    }
    await reader.cancel();
  } catch {
    // Cut off, or damaged; what came before is what there is to see.
  }
  return { data: await bytesOf(new Blob(pieces)), whole };
}

// The text, and how to read a field of it. Without a byte order mark every byte is a character first, so that each value
// is judged for itself, as the engine judges the names of columns.
function decode(data, final) {
  if (data[0] === 0xff && data[1] === 0xfe) {
    return utf16(data, "utf-16le", final);
  }
  if (data[0] === 0xfe && data[1] === 0xff) {
    return utf16(data, "utf-16be", final);
  }
  const hasMark = data[0] === 0xef && data[1] === 0xbb && data[2] === 0xbf;
  const body = hasMark ? data.subarray(3) : data;
  return { text: latin1(body), encoding: isUtf8(body, final) ? "UTF-8" : "Windows-1252", valueOf };
}

function utf16(data, encoding, final) {
  const text = new TextDecoder(encoding).decode(data, { stream: !final });
  return { text, encoding: "UTF-16", valueOf: (field) => field };
}

function latin1(data) {
  let text = "";
  for (let start = 0; start < data.length; start += 8192) {
    text += String.fromCharCode(...data.subarray(start, start + 8192));
  }
  return text;
}

function isUtf8(data, final) {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(data, { stream: !final });
    return true;
  } catch {
    return false;
  }
}

function valueOf(field) {
  if (!/[\x80-\xff]/.test(field)) {
    return field;
  }
  const data = Uint8Array.from(field, (character) => character.charCodeAt(0));
  const encoding = isUtf8(data, true) ? "utf-8" : "windows-1252";
  return new TextDecoder(encoding, { ignoreBOM: true }).decode(data);
}

// A few are in ordinary files; many are a sign of something else.
function hasControls(text) {
  const controls = text.match(/[\x01-\x08\x0e-\x1f]/g) ?? [];
  return controls.length > text.length / 100;
}

// Excel's and LibreOffice's files are zip files.
function isWorkbook(data) {
  return data[0] === 0x50 && data[1] === 0x4b && data[2] === 3 && data[3] === 4;
}
