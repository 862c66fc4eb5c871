// Make `area` show what `fresh` has. Parts that are the same stay as they are, with the focus, the scrolling and the choices
// of whoever is at them.
export function renew(area, fresh) {
  const parts = [...fresh.children];
  const left = [...area.children];
  const kept = new Map();
  for (const part of parts) {
    const place = left.findIndex((old) => old.isEqualNode(part));
    if (place >= 0) {
      kept.set(part, left[place]);
      // Their order is the same, so what was before it is gone.
      left.splice(0, place + 1).forEach((old) => old !== kept.get(part) && old.remove());
    }
  }
  left.forEach((old) => old.remove());
  let next = area.firstElementChild;
  for (const part of parts) {
    if (kept.has(part)) {
      next = kept.get(part).nextElementSibling;
    } else {
      area.insertBefore(part, next);
    }
  }
}
