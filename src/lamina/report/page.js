/* What the page does besides being read: choose a layer, walk the treemap, sort the findings,
 * change the light.  All text is set as text, never as markup. */
(() => {
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

  /* ---- The tree, as page_tree.py packs it ---- */

  function unpack(packed, parent) {
    const node = { parent, name: packed[0], seen: 0, lost: 0, files: 0, children: null };
    if (Array.isArray(packed[1])) {
      node.children = packed[1].map((each) => unpack(each, node));
      for (const each of node.children) {
        node.seen += each.seen;
        node.lost += each.lost;
        node.files += each.files;
      }
      return node;
    }
    const [name, bytes, layer, hider, cause] = packed;
    Object.assign(node, { layer, hider, cause, files: typeof name === "number" ? name : 1 });
    if (typeof name === "number") node.name = `${counted(name, "smaller file")}`;
    node.rest = typeof name === "number";
    if (hider === undefined) node.seen = bytes;
    else node.lost = bytes;
    return node;
  }

  function pathOf(node) {
    if (!node.parent) return "/";
    const above = pathOf(node.parent);
    return node.rest ? above : `${above === "/" ? "" : above}/${node.name}`;
  }

  const measures = {
    all: (node) => node.seen + node.lost,
    visible: (node) => node.seen,
    hidden: (node) => node.lost,
  };

  /* ---- One treemap ---- */

  /* Pixels of a cell that can still be pointed at. */
  const SMALL = 6;

  class Treemap {
    constructor(image, place, choose) {
      this.image = image;
      this.choose = choose;
      this.root = this.folder = unpack(image.tree, null);
      this.show = "all";
      this.layer = null;
      this.path = make("nav", { className: "path", "aria-label": "Directory" });
      this.map = make("div", { className: "treemap", role: "group" });
      this.more = make("button", { type: "button", className: "smaller" });
      this.detail = make("div", { className: "detail" });
      this.said = make("p", { className: "unseen", "aria-live": "polite" });
      place.append(
        make("div", { className: "controls" }, this.path, this.switches()),
        this.map, make("div", { className: "below" }, this.detail, this.more), this.legend(), this.said,
      );
      this.map.addEventListener("keydown", (event) => this.key(event));
      this.map.addEventListener("focusin", (event) => this.tell(event.target));
      this.map.addEventListener("mouseover", (event) => this.tell(event.target));
      this.map.addEventListener("mouseleave", () => this.tell(this.map));
      this.width = 0;
      new ResizeObserver(() => {
        if (this.map.clientWidth !== this.width) requestAnimationFrame(() => this.draw());
      }).observe(this.map);
    }

    size(node) {
      return measures[this.show](node);
    }

    switches() {
      const choices = Object.keys(measures).map((name) => {
        const button = make("button", { type: "button", "aria-pressed": String(name === this.show) }, name);
        button.addEventListener("click", () => {
          this.show = name;
          for (const each of choices) each.setAttribute("aria-pressed", String(each === button));
          while (this.folder.parent && !this.size(this.folder)) this.folder = this.folder.parent;
          this.draw();
        });
        return button;
      });
      return make("div", { className: "switch", role: "group", "aria-label": "Files to show" }, ...choices);
    }

    legend() {
      const used = new Set();
      const visit = (node) => (node.children ? node.children.forEach(visit) : used.add(node.layer));
      visit(this.root);
      const keys = [...used].sort((a, b) => a - b).map((layer) => {
        const [label, instruction, colour] = this.image.layers[layer];
        return make("li", { title: instruction },
          make("span", { className: `swatch ${colour}` }, label),
          make("code", {}, instruction));
      });
      if (this.root.lost) {
        keys.push(make("li", {}, make("i", { className: "key hatched" }), "hidden, still shipped"));
      }
      return make("ul", { className: "legend", "aria-label": "Colours" }, ...keys);
    }

    draw(focused = null) {
      this.width = this.map.clientWidth;
      const had = this.map.contains(document.activeElement);
      this.cells = [];
      this.small = [];
      this.map.replaceChildren();
      this.fill(this.map, this.folder, 0, 0, this.width, this.map.clientHeight, 0);
      if (!this.cells.length) this.map.append(make("p", { className: "none" }, "Nothing of that kind is here."));
      this.map.setAttribute("aria-label", this.summary(this.folder, this.cells.length));
      this.drawPath();
      this.offer();
      this.mark(this.layer);
      const first = this.cells.find((cell) => cell.node === focused) || this.cells[0];
      if (first) {
        first.tabIndex = 0;
        if (had || focused) first.focus({ preventScroll: true });
      }
      this.tell(had && first ? first : this.map);
    }

    /* Draw what is in a folder; only its own entries can be reached, what lies in them is shown. */
    fill(into, folder, x, y, width, height, depth) {
      const nodes = folder.children.filter((each) => this.size(each) > 0)
        .sort((a, b) => this.size(b) - this.size(a) || (pathOf(a) < pathOf(b) ? -1 : 1));
      const places = squarify(nodes.map((each) => this.size(each)), x, y, width, height);
      nodes.forEach((node, at) => {
        const [left, top, wide, high] = places[at];
        if (depth && (wide < 2 || high < 2)) return;
        const small = !depth && (wide < SMALL || high < SMALL);
        if (small) this.small.push(node);
        const cell = make(depth || small ? "span" : "button", { className: "cell" });
        Object.assign(cell.style, {
          left: `${left}px`, top: `${top}px`, width: `${wide}px`, height: `${high}px`,
        });
        cell.node = node;
        if (!depth && !small) this.reachable(cell, node);
        this.write(cell, node, wide, high, depth);
        into.append(cell);
      });
    }

    reachable(cell, node) {
      cell.type = "button";
      cell.tabIndex = -1;
      cell.setAttribute("aria-label", this.summary(node));
      cell.addEventListener("click", () => this.enter(node));
      this.cells.push(cell);
    }

    /* What is too small to point at has a button beside the map, and a map of its own. */
    offer() {
      const group = { parent: this.folder, children: this.small, rest: true, seen: 0, lost: 0, files: 0 };
      for (const each of this.small) {
        group.seen += each.seen;
        group.lost += each.lost;
        group.files += each.files;
      }
      group.name = `${exact(this.small.length)} smaller`;
      this.more.hidden = !this.small.length || !this.cells.length;
      this.more.textContent = `and ${group.name}, ${words(this.size(group))}`;
      this.more.onclick = () => this.go(group, null);
    }

    write(cell, node, wide, high, depth) {
      const head = 17;
      if (wide > 34 && high > head) {
        const name = make("span", { className: "name" }, make("bdi", {}, node.name));
        if (wide > 110 || (high > 34 && !node.children)) name.append(make("small", {}, words(this.size(node))));
        cell.append(name);
      }
      if (node.children && wide > 30 && high > head + 16) {
        const inside = make("span", { className: "inside" });
        this.fill(inside, node, 0, 0, wide - 6, high - head - 4, depth + 1);
        cell.classList.add("folder");
        cell.append(inside);
      } else {
        const [layer, ...hatched] = this.look(node);
        cell.layer = Number(layer);
        cell.classList.add(this.image.layers[layer][2], ...hatched);
      }
    }

    /* The layer of a file, and whether it is hatched; of a folder too small to look into, those
     * of most of its bytes. */
    look(node) {
      const sums = new Map();
      const visit = (each) => {
        if (each.children) {
          each.children.forEach(visit);
          return;
        }
        const look = each.hider === undefined ? `${each.layer}` : `${each.layer} hatched`;
        sums.set(look, (sums.get(look) || 0) + this.size(each));
      };
      visit(node);
      return [...sums].reduce((a, b) => (b[1] > a[1] ? b : a))[0].split(" ");
    }

    /* The path, each part of which leads up again. */
    drawPath() {
      const parts = [];
      for (let node = this.folder; node; node = node.parent) parts.unshift(node);
      this.path.replaceChildren(...parts.map((node) => {
        const name = make("bdi", {}, node.parent ? node.name : "/");
        if (node === this.folder) return make("b", {}, name);
        const button = make("button", { type: "button" }, name);
        button.addEventListener("click", () => this.go(node, null));
        return button;
      }), make("span", { className: "size" }, amount(this.size(this.folder))));
    }

    summary(node, entries) {
      const parts = [node.parent ? node.name : "/"];
      if (node.children) parts.push(entries === undefined ? "directory" : `directory, ${counted(entries, "entry").replace("entrys", "entries")}`);
      parts.push(words(this.size(node)));
      if (node.children && node.lost) parts.push(`${words(node.lost)} of it hidden`);
      if (!node.children) parts.push(this.fate(node));
      return parts.join(", ");
    }

    fate(node) {
      const label = (layer) => this.image.layers[layer][0];
      if (node.hider === undefined) return `layer ${label(node.layer)}, visible`;
      return `layer ${label(node.layer)}, ${data.causes[node.cause]} by layer ${label(node.hider)}`;
    }

    /* Say below the map what is pointed at, or where one is. */
    tell(target) {
      const cell = target.closest(".cell");
      const node = cell ? cell.node : this.folder;
      const line = [make("bdi", { className: "where" }, pathOf(node)), " ", amount(this.size(node))];
      if (node.children) {
        line.push(` in ${counted(node.files, "file")}`);
        if (node.lost) line.push(": ", amount(node.seen), " visible, ", amount(node.lost), " hidden");
      } else {
        line.push(node.rest ? ` in ${node.name}` : "", `: ${this.fate(node)}`);
        line.push(make("code", {}, this.image.layers[node.layer][1]));
      }
      this.detail.replaceChildren(...line);
    }

    enter(node) {
      if (node.children) this.go(node, null);
      else this.choose(node.layer);
    }

    go(folder, focused) {
      this.folder = folder;
      this.draw(focused || folder);
      this.map.scrollIntoView({ block: "nearest" });
      this.said.textContent = this.summary(folder, this.cells.length);
    }

    key(event) {
      const at = this.cells.indexOf(document.activeElement);
      if (at < 0 || event.ctrlKey || event.altKey || event.metaKey) return;
      let next = null;
      if (event.key === "Escape" || event.key === "Backspace") {
        if (!this.folder.parent) return;
        event.preventDefault();
        event.stopPropagation();
        const left = this.folder;
        this.go(left.parent, left);
        return;
      }
      if (event.key === "Home") next = this.cells[0];
      else if (event.key === "End") next = this.cells[this.cells.length - 1];
      else if (event.key.startsWith("Arrow")) next = this.beside(this.cells[at], event.key);
      else return;
      event.preventDefault();
      if (!next) return;
      this.cells[at].tabIndex = -1;
      next.tabIndex = 0;
      next.focus({ preventScroll: false });
    }

    /* The nearest cell on one side; the one that lies straight ahead before those beside it. */
    beside(from, key) {
      const box = (cell) => [cell.offsetLeft, cell.offsetTop,
        cell.offsetLeft + cell.offsetWidth, cell.offsetTop + cell.offsetHeight];
      const [left, top, right, bottom] = box(from);
      const across = key === "ArrowLeft" || key === "ArrowRight";
      let best = null;
      let least = Infinity;
      for (const cell of this.cells) {
        const [l, t, r, b] = box(cell);
        const ahead = { ArrowLeft: left - r, ArrowRight: l - right, ArrowUp: top - b, ArrowDown: t - bottom }[key];
        if (cell === from || ahead < -2) continue;
        const aside = across ? Math.max(t - bottom, top - b, 0) : Math.max(l - right, left - r, 0);
        const middle = across ? Math.abs(t + b - top - bottom) : Math.abs(l + r - left - right);
        const far = ahead * 10 + aside * 40 + middle / 2;
        if (far < least) [best, least] = [cell, far];
      }
      return best;
    }

    /* Let the files of one layer stand out; null is all. */
    mark(layer) {
      this.layer = layer;
      for (const cell of this.map.querySelectorAll(".cell:not(.folder)")) {
        cell.classList.toggle("dim", layer !== null && cell.layer !== layer);
      }
    }
  }

  /* ---- Findings: sorted by a click on a head, the first rows until more are asked for ---- */

  const FIRST = 20;

  class Findings {
    constructor(image, place) {
      this.image = image;
      this.table = place.querySelector("table");
      this.layer = null;
      this.all = false;
      if (!this.table) return;
      this.heads = [...this.table.tHead.rows[0].cells];
      this.heads.forEach((head, column) => this.sortable(head, column));
      this.heads.find((head) => head.textContent === "bytes").setAttribute("aria-sort", "descending");
      this.status = make("p", { className: "status", "aria-live": "polite", hidden: true });
      this.more = make("button", { type: "button", className: "more" });
      this.more.addEventListener("click", () => {
        this.all = true;
        this.show(this.layer);
      });
      this.table.before(this.status);
      this.table.after(this.more);
      this.show(null);
    }

    sortable(head, column) {
      const button = make("button", { type: "button" }, head.textContent);
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        const down = now ? now === "ascending" : head.classList.contains("number");
        for (const each of this.heads) each.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const body = this.table.tBodies[0];
        const rows = [...body.rows].map((row) => [this.key(row.cells[column]), row]);
        rows.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1));
        body.append(...rows.map(([, row]) => row));
        this.show(this.layer);
      });
    }

    key(cell) {
      const number = cell.querySelector("data");
      if (number) return Number(number.value);
      const layer = cell.querySelector("[data-layer]");
      return layer ? Number(layer.dataset.layer) : cell.textContent;
    }

    /* Show the findings that a layer has to do with; null is all. */
    show(layer) {
      this.layer = layer;
      if (!this.table) return;
      const rows = [...this.table.tBodies[0].rows];
      const chosen = rows.filter((row) =>
        layer === null || row.dataset.layers.split(" ").includes(String(this.layer)));
      const shown = new Set(this.all ? chosen : chosen.slice(0, FIRST));
      for (const row of rows) row.hidden = !shown.has(row);
      this.more.hidden = shown.size === chosen.length;
      this.more.textContent = `Show all ${exact(chosen.length)}`;
      this.status.hidden = layer === null;
      if (layer === null) return;
      const [label] = this.image.layers[layer];
      this.status.textContent =
        `${exact(chosen.length)} of ${exact(rows.length)}: shipped or hidden by layer ${label}`;
    }
  }

  /* ---- Layers: choosing one marks it everywhere ---- */

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

  /* ---- Light and dark ---- */

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
})();
