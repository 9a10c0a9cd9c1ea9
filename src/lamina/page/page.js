/* Layers, of which one can be chosen and then is marked everywhere; and light and dark. */

const note = document.querySelector(".chosen");

class Layers {
  constructor(image, number) {
    const part = (section) => document.querySelector(`#${section} .part[data-image="${number}"]`);
    const files = part("files").querySelector(".files");
    this.image = image;
    this.chosen = null;
    this.figure = document.querySelector(`.strata[data-image="${number}"]`);
    this.rows = [...part("instructions").querySelectorAll("tr[data-layer]")];
    this.findings = new Findings(image, part("findings"));
    this.treemap = files && new Treemap(image, files, (layer) => this.toggle(layer));
    if (!this.figure) return;
    this.links = [...this.figure.querySelectorAll(".labels a")];
    this.figure.querySelector(".labels").setAttribute("role", "listbox");
    this.links.forEach((link, at) => this.reachable(link, at));
    for (const band of this.figure.querySelectorAll(".band")) {
      band.addEventListener("click", () => this.toggle(Number(band.dataset.layer)));
    }
  }

  reachable(link, at) {
    link.parentElement.setAttribute("role", "presentation");
    link.setAttribute("role", "option");
    link.setAttribute("aria-selected", "false");
    link.tabIndex = at ? -1 : 0;
    link.addEventListener("click", (event) => {
      event.preventDefault();
      this.toggle(Number(link.dataset.layer));
    });
    link.addEventListener("keydown", (event) => this.key(event, at));
  }

  key(event, at) {
    const link = this.links[at];
    const last = this.links.length - 1;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: last }[event.key];
    if (event.key === " ") this.toggle(Number(link.dataset.layer));
    else if (event.key === "Escape") this.choose(null);
    else if (to === undefined) return;
    event.preventDefault();
    if (!this.links[to]) return;
    link.tabIndex = -1;
    this.links[to].tabIndex = 0;
    this.links[to].focus();
  }

  toggle(layer) {
    this.choose(layer === this.chosen ? null : layer);
  }

  choose(layer) {
    for (const each of images) each.mark(each === this ? layer : null);
    this.describe();
  }

  mark(layer) {
    this.chosen = layer;
    const is = (each) => layer !== null && Number(each.dataset.layer) === layer;
    for (const row of this.rows) row.classList.toggle("here", is(row));
    this.findings.show(layer);
    if (this.treemap) this.treemap.mark(layer);
    if (!this.figure) return;
    this.figure.classList.toggle("choosing", layer !== null);
    for (const band of this.figure.querySelectorAll(".band")) band.classList.toggle("here", is(band));
    for (const link of this.links) {
      link.classList.toggle("here", is(link));
      link.setAttribute("aria-selected", String(is(link)));
    }
  }

  describe() {
    note.hidden = this.chosen === null;
    note.replaceChildren();
    if (this.chosen === null) return;
    const [label, instruction, colour] = this.image.layers[this.chosen];
    const row = this.rows.find((each) => Number(each.dataset.layer) === this.chosen);
    const close = make("button", { type: "button" }, "All layers");
    close.addEventListener("click", () => this.choose(null));
    note.append(
      make("p", {}, make("span", { className: `swatch ${colour}` }, label), make("code", {}, instruction)),
      make("p", {}, amount(Number(row.dataset.visible)), " visible, ", amount(Number(row.dataset.hidden)),
        " hidden. Files and findings below show this layer. ",
        make("a", { href: `#${row.id}` }, "Its line"), " ", close),
    );
  }
}

const images = data.images.map((image, number) => new Layers(image, number));

const theme = document.getElementById("theme");
const system = matchMedia("(prefers-color-scheme: dark)");
const page = document.documentElement;

/* A page from a file may have no storage. */
function remembered(value) {
  try {
    if (value) localStorage.setItem("theme", value);
    return localStorage.getItem("theme");
  } catch {
    return null;
  }
}

function light(value) {
  if (value === "dark" || value === "light") page.dataset.theme = value;
  const dark = page.dataset.theme ? page.dataset.theme === "dark" : system.matches;
  theme.textContent = dark ? "Light" : "Dark";
  theme.setAttribute("aria-label", dark ? "Change to light colours" : "Change to dark colours");
  return dark;
}

theme.hidden = false;
theme.addEventListener("click", () => remembered(light(light() ? "light" : "dark") ? "dark" : "light"));
system.addEventListener("change", () => light());
light(remembered());
