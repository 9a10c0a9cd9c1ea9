/* What all parts of the page write with.  All text is set as text, never as markup. */
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

function words(bytes) {
  let value = bytes;
  let unit = 0;
  while (Math.round(value * 10) / 10 >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return unit ? `${value.toFixed(1)} ${units[unit]}` : `${bytes} B`;
}

const exact = (number) => number.toLocaleString("en");
const counted = (number, noun) => `${exact(number)} ${noun}${number === 1 ? "" : "s"}`;

function make(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function amount(bytes) {
  return make("data", { value: String(bytes), title: `${exact(bytes)} bytes` }, words(bytes));
}
