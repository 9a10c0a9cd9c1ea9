/* The layout of a treemap: rectangles as close to squares as they can be (M. Bruls, K. Huizing,
 * J. van Wijk, "Squarified Treemaps", 2000).
 *
 * It is our own, and no library's: one that plots (plotly) weighs 4.8 MB in every page, cannot
 * hatch what is hidden, and cannot be driven by keyboard.
 */
/* Where each of `sizes` lies in the rectangle: [x, y, width, height], areas in proportion.
 * Sizes are positive, the largest first. */
function squarify(sizes, x, y, width, height) {
  const placed = [];
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const areas = sizes.map((size) => (size * width * height) / total);
  let start = 0;
  while (start < areas.length) {
    const side = Math.min(width, height);
    let sum = areas[start];
    let end = start + 1;
    while (end < areas.length) {
      const more = sum + areas[end];
      if (worst(areas[start], areas[end], more, side) > worst(areas[start], areas[end - 1], sum, side)) break;
      sum = more;
      end += 1;
    }
    const thick = side > 0 ? sum / side : 0;
    let along = 0;
    for (const area of areas.slice(start, end)) {
      const long = thick > 0 ? area / thick : 0;
      placed.push(width >= height ? [x, y + along, thick, long] : [x + along, y, long, thick]);
      along += long;
    }
    if (width >= height) {
      x += thick;
      width = Math.max(0, width - thick);
    } else {
      y += thick;
      height = Math.max(0, height - thick);
    }
    start = end;
  }
  return placed;
}

/* The least square of a row's rectangles, whose largest and smallest areas these are. */
function worst(largest, smallest, sum, side) {
  const square = sum * sum;
  const across = side * side;
  return Math.max((across * largest) / square, square / (across * smallest));
}
