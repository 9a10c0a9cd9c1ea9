/* The table of findings: sorted by a click on a head, the first rows until more are asked for. */

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
