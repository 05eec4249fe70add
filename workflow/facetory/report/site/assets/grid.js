// Cells by keyboard: one cell of every table can be reached with Tab, arrows move within the table, j and k
// through all cells that are shown.
const isCell = (element) => element?.matches?.('.cell');

/** Let Tab reach the first cell that is shown of each table, and no other. */
function roving() {
  for (const grid of all('[role=grid]')) {
    const cells = all('.cell', grid).filter(shown);
    const kept = cells.find((cell) => cell.tabIndex === 0) ?? cells[0];
    for (const cell of all('.cell[tabindex="0"]', grid)) cell.tabIndex = -1;
    if (kept) kept.tabIndex = 0;
  }
}

/** Move the focus to a cell. */
function step(cell) {
  for (const other of all('.cell[tabindex="0"]', cell.closest('[role=grid]'))) other.tabIndex = -1;
  cell.tabIndex = 0;
  cell.focus();
  cell.scrollIntoView({block: 'nearest', inline: 'nearest'});
}

function walkable() {
  const cells = all('.cell').filter(shown);
  return page.classList.contains('filtered') ? cells.filter((cell) => cell.classList.contains('match')) : cells;
}

/** The next (1) or previous (−1) cell after one, or the first below the top of the window; null at the end. */
function beside(cell, by) {
  const cells = walkable();
  if (cells.includes(cell)) return cells[cells.indexOf(cell) + by] ?? null;
  return cells.find((one) => one.getBoundingClientRect().top >= 0) ?? cells[0] ?? null;
}

/** The cell in a direction within the table, past rows that are hidden and places without a cell. */
function towards(cell, key) {
  const row = cell.parentElement;
  if (key === 'Home' || key === 'End') return all('.cell', row).at(key === 'Home' ? 0 : -1);
  const across = {ArrowLeft: 'previousElementSibling', ArrowRight: 'nextElementSibling'}[key];
  const along = {ArrowUp: 'previousElementSibling', ArrowDown: 'nextElementSibling'}[key];
  let next = across ? cell[across] : row[along]?.cells[cell.cellIndex];
  while (next && !(isCell(next) && shown(next))) {
    next = across ? next[across] : next.parentElement[along]?.cells[cell.cellIndex];
  }
  return next ?? null;
}

document.addEventListener('click', (event) => {
  const cell = event.target.closest('.cell');
  if (cell && getSelection().isCollapsed) {
    step(cell);
    openCell(cell);
  }
});
