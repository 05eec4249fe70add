// Which part is shown: the address after # names a part, a table, a cell, or a search of all the papers.
const parts = all('.part');
const targets = all('.target').map((element) => ({
  element,
  paper: element.closest('.paper').dataset.paper,
  cells: all('.cell', element),
  text: element.querySelector('h2').textContent.toLowerCase() + ' ' + words(element.dataset.table).toLowerCase(),
}));
const shown = (element) => !element.closest('[hidden]');
const form = {words: find('words'), paper: find('paper'), statuses: all('[name=status]')};

function haystack(place) {
  const cell = data.cells[place];
  const said = [cell.row, cell.column, cell.slot_title, cell.dataset, cell.metric, cell.trained_on];
  return said.filter(Boolean).join(' ').toLowerCase();
}

/** What is asked for in the form. */
function asked() {
  return {
    terms: form.words.value.toLowerCase().split(/\s+/).filter(Boolean),
    paper: form.paper.value,
    statuses: form.statuses.filter((box) => box.checked).map((box) => box.value),
  };
}

/** Show the cells that are asked for, with their rows and tables; the others fade or go. */
function search({terms, paper, statuses}) {
  let cells = 0, tables = 0;
  for (const target of targets) {
    const here = !paper || target.paper === paper;
    const titled = terms.every((term) => target.text.includes(term));
    let found = 0;
    for (const element of target.cells) {
      const place = Number(element.dataset.cell);
      const fits = here && (!statuses.length || statuses.includes(data.cells[place].status))
        && terms.every((term) => target.text.includes(term) || haystack(place).includes(term));
      element.classList.toggle('match', fits);
      found += fits;
    }
    for (const row of all('tbody tr', target.element)) row.hidden = !row.querySelector('.match');
    for (const box of all('.scroll', target.element)) {
      box.hidden = !box.querySelector('.match');
      if (box.previousElementSibling?.matches('h3')) box.previousElementSibling.hidden = box.hidden;
    }
    const bare = here && !target.cells.length && titled && !statuses.length;
    target.element.hidden = !found && !bare;
    cells += found;
    tables += !target.element.hidden;
  }
  for (const part of parts) part.hidden = !part.querySelector('.target:not([hidden])');
  find('matches').textContent = `${cells} ${cells === 1 ? 'cell' : 'cells'} in ${tables} `
    + (tables === 1 ? 'table or figure' : 'tables and figures');
}

/** Show one part whole. */
function showPart(id) {
  for (const hidden of all('.part [hidden]')) hidden.hidden = false;
  for (const cell of all('.cell.match')) cell.classList.remove('match');
  for (const part of parts) part.hidden = part.id !== id;
  find('matches').textContent = '';
}

function fillForm({q = '', paper = '', status = ''}) {
  if (form.words.value.trim() !== q) form.words.value = q;
  form.paper.value = paper;
  for (const box of form.statuses) box.checked = status.split(',').includes(box.value);
}

/** The form as an address, or the overview's when nothing is asked for. */
function addressOf({terms, paper, statuses}) {
  const query = new URLSearchParams();
  if (terms.length) query.set('q', terms.join(' '));
  if (paper) query.set('paper', paper);
  if (statuses.length) query.set('status', statuses.join(','));
  return query.size ? `#/find?${query}` : '#/overview';
}

let opened = '';

/** Follow the address: show what it names, move the focus to its heading. */
function follow() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  if (path.startsWith('cell/')) {
    const place = byId.get(decodeURIComponent(path.slice('cell/'.length)));
    if (place !== undefined) reveal(place);
    return;
  }
  const [name, table] = path.split('/');
  const finding = name === 'find';
  page.classList.toggle('filtered', finding);
  fillForm(finding ? Object.fromEntries(new URLSearchParams(query)) : {});
  find('clear').hidden = !finding;
  const part = parts.find((one) => one.id === name) ?? parts[0];
  if (finding) search(asked());
  else showPart(part.id);
  for (const link of all('.top nav a')) {
    if (!finding && link.hash === `#/${part.id}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  roving();
  if (finding) return;
  const heading = (table && find(`${table}-title`)) || find(`${part.id}-title`);
  if (opened) heading.focus({preventScroll: true});
  if (table) heading.scrollIntoView();
  else if (opened) scrollTo(0, 0);
  opened = part.id;
}

/** Show a cell in its paper and open it. */
function reveal(place) {
  const element = document.querySelector(`[data-cell="${place}"]`);
  const paper = element.closest('.part');
  if (!shown(element)) {
    history.replaceState(null, '', `#/${paper.id}`);
    follow();
  }
  step(element);
  openCell(element);
}
