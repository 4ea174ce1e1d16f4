// Tips for the cells of a confusion matrix, made only when the pointer is there, because there are many cells.
{
  const number = new Intl.NumberFormat("en");
  const percent = (part, whole) => {
    if (!whole) return "absent";
    const value = 100 * part / whole;
    return value > 0 && value < .1 ? "< 0.1 %" : `${value.toFixed(1)} %`;
  };
  const name = text => `\u2068${text}\u2069`;  // isolated from the text around it, in either writing direction
  addEventListener("pointerover", event => {
    const cell = event.target.closest?.(".matrix tbody td");
    if (!cell || cell.dataset.tip) return;
    const truth = cell.parentElement.cells[0].dataset;
    const called = cell.closest("table").tHead.rows[0].cells[cell.cellIndex].dataset;
    const pixels = Number(cell.dataset.n ?? cell.textContent);
    const what = truth.name === called.name ? `${name(truth.name)} predicted correctly` : `${name(truth.name)} mistaken for ${name(called.name)}`;
    cell.dataset.tip = `${what}: ${number.format(pixels)} pixel${pixels === 1 ? "" : "s"}, `
      + `${percent(pixels, truth.pixels)} of ${name(truth.name)}, ${percent(pixels, called.pixels)} of what was predicted as ${name(called.name)}`;
  });
}
