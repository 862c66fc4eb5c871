// Records of a CSV text, as Python's csv module reads them (its default dialect): quotes count only where a field
// begins, a quote inside quotes is written twice, and whatever follows a closing quote is a part of the field.

const START = 0;
const PLAIN = 1;
const QUOTED = 2;
const QUOTE_IN_QUOTED = 3;

// Each record as an array of its fields; a blank line has none. Unless the text is `final`, a last record that could
// still go on is left out.
export function* read(text, delimiter, { final }) {
  let fields = [];
  let field = "";
  let state = START;
  for (let position = 0; position < text.length; position += 1) {
    const character = text[position];
    const ends = character === "\n" || character === "\r";
    if (state === QUOTED) {
      if (character === '"') {
        state = QUOTE_IN_QUOTED;
      } else {
        field += character;
      }
    } else if (ends) {
      if (character === "\r" && position + 1 === text.length && !final) {
        return;
      }
      if (character === "\r" && text[position + 1] === "\n") {
        position += 1;
      }
      const blank = state === START && fields.length === 0;
      yield blank ? [] : [...fields, field];
      fields = [];
      field = "";
      state = START;
    } else if (character === delimiter) {
      fields.push(field);
      field = "";
      state = START;
    } else if (character === '"' && state === QUOTE_IN_QUOTED) {
      field += character;
      state = QUOTED;
    } else if (character === '"' && state === START) {
      state = QUOTED;
    } else {
      field += character;
      state = PLAIN;
    }
  }
  if (final && (state !== START || fields.length)) {
    yield [...fields, field];
  }
}
