// Asking before something that cannot be undone. The browser keeps the focus inside and gives it back.

// Show the <dialog> with `title`, and of its texts that have a data-about the one about `about`; resolves to whether the
// person said yes.
export function ask(dialog, title, about) {
  dialog.querySelector("[data-field=title]").textContent = title;
  for (const text of dialog.querySelectorAll("[data-about]")) {
    text.hidden = text.dataset.about !== about;
  }
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

// Let its buttons close it, each with its value, and a click beside it too.
export function prepare(dialog) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) {
      dialog.close("");
    } else if (event.target.value !== undefined && event.target.tagName === "BUTTON") {
      dialog.close(event.target.value);
    }
  });
}
