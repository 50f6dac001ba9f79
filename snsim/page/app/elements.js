// Make and fill elements of the page. Texts are set as text, so no text of a description can become markup.

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

export function svgElement(tag, attributes = {}, text = "") {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  return made;
}

export const byId = (id) => document.getElementById(id);

export function setText(id, text) {
  const target = typeof id === "string" ? byId(id) : id;
  if (target.textContent !== text) target.textContent = text;
}

// A number as a table shows it: few digits, a true minus sign.
export function short(value, digits = 3) {
  if (!Number.isFinite(value)) return String(value).replace("-", "−");
  const text = value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5)
    ? String(Number(value.toPrecision(digits)))
    : value.toExponential(digits - 1);
  return text.replace(/-/g, "−");
}

export const whole = (value) => Number(value).toLocaleString("en-US");
