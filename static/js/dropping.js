// Files dropped anywhere on the page; all of it shows that they may be.

export function onDrop(receive) {
  const { classList } = document.body;
  document.addEventListener("dragover", (event) => {
    if (event.dataTransfer.types.includes("Files")) {
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
      classList.add("dragging");
    }
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) {
      classList.remove("dragging");
    }
  });
  document.addEventListener("drop", (event) => {
    if (event.dataTransfer.types.includes("Files")) {
      event.preventDefault();
      classList.remove("dragging");
      receive([...event.dataTransfer.files]);
    }
  });
}
