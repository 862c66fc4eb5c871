// Buttons that copy a field's text: data-copy names the field. They are shown only where copying works.

import { gettext } from "./text.js";

const SHOWN_MS = 2000;

export function enableCopying(root = document) {
  if (!navigator.clipboard) {
    return;
  }
  for (const button of root.querySelectorAll("button[data-copy]")) {
    const label = button.textContent;
    button.hidden = false;
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", async () => {
      const field = document.getElementById(button.dataset.copy);
      await navigator.clipboard.writeText(field.value ?? field.textContent);
      button.textContent = gettext("Copied");
      window.setTimeout(() => {
        button.textContent = label;
      }, SHOWN_MS);
    });
  }
}
