/* The treemap: a tree, as page_tree.py packs it, to be walked by mouse and by keyboard. */

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
