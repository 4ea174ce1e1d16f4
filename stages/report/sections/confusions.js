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

  // A cell opens its images: those with that mistake, or of the diagonal those of the class. One cell of a table is in
  // the order of tabs; arrows move from there.
  for (const table of document.querySelectorAll(".matrix.linked")) {
    const network = table.closest("[data-network]").dataset.network;
    const rows = [...table.tBodies[0].rows];
    rows.forEach((row, truth) => [...row.cells].slice(1).forEach((cell, called) => {
      cell.dataset.showNetwork = network;
      cell.tabIndex = truth || called ? -1 : 0;
      if (truth === called) cell.dataset.showLabel = truth;
      else [cell.dataset.showTruth, cell.dataset.showCalled] = [truth, called];
    }));
    table.addEventListener("keydown", event => {
      const cell = event.target.closest("td");
      if (!cell) return;
      if (event.key === "Enter") cell.click();
      const [down, right] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] ?? [0, 0];
      const next = rows[rows.indexOf(cell.parentElement) + down]?.cells[cell.cellIndex + right];
      if (!(down || right) || next?.localName !== "td") return;
      event.preventDefault();
      [cell.tabIndex, next.tabIndex] = [-1, 0];
      next.focus();
    });
  }
}
