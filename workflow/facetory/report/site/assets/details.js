// Where a cell came from, in a dialog: what it is, what it really had, and the manifests behind it.
const dialog = find('cell');

const UNITS = {'%': ' %'};
const unitOf = (cell) => (cell.unit === undefined ? ' %' : UNITS[cell.unit] ?? (cell.unit ? ` ${cell.unit}` : ''));

function openCell(element) {
  const cell = data.cells[Number(element.dataset.cell)];
  const table = data.tables[cell.table];
  const go = (by) => make('button', {type: 'button', click: () => {
    const next = beside(element, by);
    if (!next) return;
    dialog.close();
    step(next);
    openCell(next);
  }}, by > 0 ? 'Next cell' : 'Previous cell');
  dialog.replaceChildren(
    make('h2', {id: 'cell-title', tabindex: '-1', autofocus: ''}, `${cell.row}, ${cell.column}`),
    make('p', {class: 'source'}, [...element.closest('.target').querySelector('h2').cloneNode(true).childNodes]),
    ...numbers(cell),
    about(cell, table),
    ...claimed(cell),
    make('h3', {}, 'Remake it'),
    make('p', {}, command(table.command)),
    make('p', {}, 'The same in a terminal: ', command(explained(cell))),
    make('h3', {}, 'What it was made from'),
    ...origins(cell),
    make('div', {class: 'bottom'}, go(-1), go(1), make('span'),
      make('button', {type: 'button', click: () => dialog.close()}, 'Close')),
  );
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

function numbers(cell) {
  const unit = unitOf(cell), decimals = cell.decimals ?? 2;
  const value = cell.value === undefined ? words(cell.status) : number(cell.value, decimals) + unit;
  const interval = cell.ci_low === undefined ? '' : ` [${number(cell.ci_low, decimals)}, ${number(cell.ci_high, decimals)}]`;
  return [
    make('p', {class: 'large'}, value, make('span', {class: 'interval'}, interval)),
    make('p', {class: cell.status}, `${data.symbols[cell.status]} ${data.meanings[cell.status]}`),
  ];
}

function about(cell, table) {
  const decimals = cell.decimals ?? 2, unit = unitOf(cell);
  const signed = cell.delta === undefined ? null : (cell.delta > 0 ? '+' : '') + number(cell.delta, decimals).replace('-', '−');
  const dataset = cell.dataset && cell.dataset + (cell.split ? ` (${cell.split})` : '')
    + (cell.stand_in ? `, which stands in for ${cell.slot_title ?? cell.slot}` : '');
  const timesteps = cell.grid && cell.grid !== cell.steps ? `${cell.grid} ran where the paper has ${cell.steps}` : cell.steps;
  const budget = Object.entries(pooled(cell.budget) ?? {}).map(([key, had]) => `${words(key)} ${had}`).join(', ');
  return pairs([
    ['Published', cell.published === undefined ? 'no value' : number(cell.published, decimals) + unit],
    ['Difference', signed && signed + unit],
    ['Why', pooled(cell.reason)],
    ['Metric', words(cell.metric)],
    ['Interval', cell.ci_low === undefined ? null : `95 %, bootstrap over ${table.resampled}`],
    ['Samples', cell.n],
    ['Seeds', cell.seeds?.join(', ')],
    ['Sd over seeds', cell.sd === undefined ? null : number(cell.sd, decimals) + unit],
    ['Dataset', dataset],
    ['Trained on', cell.trained_on],
    ['Corruption', cell.corruption],
    ['Timesteps', timesteps],
    ['Timestep', cell.timestep],
    ['Budget', budget],
    ['Reading', table.reading],
    ['Exact value', cell.value],
    ['Cell', make('code', {}, cell.id)],
  ]);
}

function claimed(cell) {
  const texts = data.claims[cell.id];
  return texts ? [make('h3', {}, 'Claims that rest on it'), make('ul', {}, texts.map((text) => make('li', {}, text)))] : [];
}

/** The manifests of a cell's records, and folded behind them those of all that they were made from. */
function origins(cell) {
  const ways = cell.records.map((place) => data.records[place]);
  const own = [...new Set(ways.flatMap(({way}) => way.slice(0, 1)))];
  const earlier = [...new Set(ways.flatMap(({way}) => way))].filter((place) => !own.includes(place));
  const lost = ways.filter(({way}) => !way.length).map(({path}) => path);
  const note = !ways.length ? 'No record stands behind this cell.'
    : lost.length ? `No manifest was found of ${lost.join(', ')}.` : null;
  return [
    note && make('p', {class: 'none'}, note),
    ...own.map(stage),
    earlier.length && make('details', {class: 'earlier'}, make('summary', {}, `${earlier.length} earlier stages`), earlier.map(stage)),
  ].filter(Boolean);
}

const TOLD = ['stage', 'status', 'reason', 'device', 'seed', 'started', 'duration_s', 'git_commit', 'code'];

/** One manifest, folded; its content is written out when it is opened. */
function stage(place) {
  const {path, says} = data.manifests[place];
  const folder = path.replace(/\/[^/]*$/, '');
  const summary = make('summary', {}, make('code', {}, folder), says.stage ? `, ${says.stage}` : '');
  const details = make('details', {class: 'step'}, summary);
  details.addEventListener('toggle', () => details.append(...written(path, says)), {once: true});
  return details;
}

function written(path, says) {
  const versions = Object.entries(pooled(says.versions) ?? {}).map(([name, version]) => `${name} ${version}`).join(', ');
  const rest = Object.entries(says).filter(([key]) => ![...TOLD, 'versions'].includes(key));
  return [
    pairs([
      ...TOLD.map((key) => [words(key).replace('duration s', 'seconds'), says[key] === null ? null : String(says[key] ?? '')]),
      ['libraries', versions],
      ...rest.map(([key, value]) => [words(key), laidOut(value)]),
      ['manifest', make('code', {}, `${data.root}/${path}`)],
    ]),
    make('p', {}, 'Remake it alone: ', command(remade(path))),
  ];
}

function laidOut(value) {
  if (value === null || typeof value !== 'object') return String(value ?? '');
  if (!Object.keys(value).length) return null;
  return make('pre', {}, JSON.stringify(value, null, 1));
}

/** The line that says of a cell what this dialog says. */
function explained(cell) {
  const row = cell.id.slice(cell.table.length + 1, -cell.column.length - 1);
  const address = `${cell.table}:"${row}":"${cell.column}"`.replaceAll("'", "'\\''");
  return `facetory explain '${address}' --root ${data.root}`;
}

/** Snakemake's line for one stage, with the configuration of the tables. */
function remade(path) {
  const config = Object.values(data.tables).map((table) => table.command.split(' --config ')[1]).find(Boolean);
  const file = `${data.root}/${path}`;
  return `snakemake --cores 2 ${file} --forcerun ${file}${config ? ` --config ${config}` : ''}`;
}

dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
