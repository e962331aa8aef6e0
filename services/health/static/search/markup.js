/* HTML that the service made from Markdown. It is safe already, and its scripts could not run here (Content-Security-Policy);
   even so, only known elements and attributes are taken over: the rest becomes text. */

const KNOWN = new Set(
  "A BLOCKQUOTE BR CODE EM H1 H2 H3 H4 H5 H6 HR LI OL P PRE S SPAN STRONG TABLE TBODY TD TH THEAD TR UL".split(" "),
);
const ADDRESS = /^(https?:|mailto:)/i;

/** Nodes to show. */
export function nodesOf(html) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  const fragment = document.createDocumentFragment();
  for (const node of parsed.body.childNodes) take(node, fragment);
  return fragment;
}

function take(node, parent) {
  if (node.nodeType === Node.TEXT_NODE) {
    parent.append(node.data);
    return;
  }
  if (node.nodeType !== Node.ELEMENT_NODE) return;
  if (!KNOWN.has(node.tagName)) {
    parent.append(node.textContent);
    return;
  }
  const element = document.createElement(node.tagName);
  copyAttributes(node, element);
  for (const child of node.childNodes) take(child, element);
  parent.append(element);
}

function copyAttributes(from, to) {
  const href = from.getAttribute("href");
  if (href && to.tagName === "A" && ADDRESS.test(href)) {
    to.href = href;
    to.target = "_blank";
    to.rel = "noopener noreferrer nofollow";
  }
  const title = from.getAttribute("title");
  if (title) to.title = title;
  const names = (from.getAttribute("class") || "").split(" ").filter((name) => /^(c-\w+|code|picture)$/.test(name));
  if (names.length) to.className = names.join(" ");
  if (to.tagName === "OL" && from.getAttribute("start")) to.start = Number(from.getAttribute("start"));
}
