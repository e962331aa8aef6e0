/* Elements: everything that is shown is put in as text, never as markup, because transcripts are hostile input. */

const SVG = "http://www.w3.org/2000/svg";

export const root = document.documentElement;

export const byId = (id) => document.getElementById(id);

/** An element with attributes and children; texts become text nodes. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false)
      element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Sets only what differs: untouched nodes keep selection, focus and scroll position. */
export function text(element, value) {
  const words = String(value ?? "");
  if (element.textContent !== words) element.textContent = words;
  return element;
}

export function attribute(element, name, value) {
  if (value === null || value === undefined || value === "") element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
  return element;
}

/** Children of `parent` follow `items`; a node of an item that stays is kept where it is. */
export function reconcile(parent, items, keyOf, create, update) {
  const known = new Map();
  for (const child of [...parent.children]) known.set(child.dataset.key, child);
  const wanted = new Set(items.map((item) => String(keyOf(item))));
  for (const [key, child] of known) if (!wanted.has(key)) child.remove();
  const focused = document.activeElement;
  let cursor = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let node = known.get(key);
    if (!node) {
      node = create(item);
      node.dataset.key = key;
      parent.insertBefore(node, cursor);
    } else if (node === cursor) {
      cursor = cursor.nextElementSibling;
    } else {
      parent.insertBefore(node, cursor);
    }
    update(node, item);
  }
  if (focused && focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}
