// What goes wrong in the page, told where people see it.

// A connection that is back so soon was never worth a word.
const INTERRUPTED_MS = 1500;

// A function that tells in `element` whether there is a live connection.
export function connectionTeller(element) {
  let interrupted = null;
  return (connected) => {
    if (connected) {
      window.clearTimeout(interrupted);
      interrupted = null;
      element.hidden = true;
    } else if (interrupted === null) {
      interrupted = window.setTimeout(() => {
        element.hidden = false;
      }, INTERRUPTED_MS);
    }
  };
}

// A function that tells these texts in `element`, each as a line, instead of those before.
export function problemsTeller(element) {
  return (texts) => {
    element.replaceChildren(
      ...texts.map((text) => {
        const line = document.createElement("p");
        line.textContent = text;
        return line;
      }),
    );
    element.hidden = !texts.length;
  };
}
