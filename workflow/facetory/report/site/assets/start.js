// Theme, keys, printing, and the first look at the address.
const dark = matchMedia('(prefers-color-scheme: dark)');
const theme = find('theme');
const kept = {
  get: () => { try { return localStorage.getItem('facetory-theme'); } catch { return null; } },
  set: (value) => { try { localStorage.setItem('facetory-theme', value); } catch { /* a page from a file may have no store */ } },
};

function paint(value) {
  page.dataset.theme = value;
  theme.textContent = value === 'dark' ? 'Light' : 'Dark';
  theme.setAttribute('aria-label', `Switch to ${value === 'dark' ? 'light' : 'dark'} colours`);
}

const preferred = () => kept.get() ?? (dark.matches ? 'dark' : 'light');
theme.addEventListener('click', () => {
  const value = page.dataset.theme === 'dark' ? 'light' : 'dark';
  kept.set(value);
  paint(value);
});
dark.addEventListener('change', () => paint(preferred()));

const typing = (element) => element.matches('input[type=search], select, textarea');
const keysShown = () => find('keys').showModal();
find('help').addEventListener('click', keysShown);

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
  const at = document.activeElement;
  if (typing(at)) {
    if (event.key === 'Escape') at.blur();
    return;
  }
  let next = null;
  if (event.key === '/') form.words.focus();
  else if (event.key === '?') keysShown();
  else if (event.key === 'j' || event.key === 'k') next = beside(at, event.key === 'j' ? 1 : -1);
  else if (isCell(at) && (event.key === 'Enter' || event.key === ' ')) openCell(at);
  else if (isCell(at) && /^(Arrow|Home$|End$)/.test(event.key)) next = towards(at, event.key);
  else return;
  event.preventDefault();
  if (next) step(next);
});

let typed = 0;
const ask = () => {
  const address = addressOf(asked());
  if (address !== location.hash) {
    history.replaceState(null, '', address);
    follow();
  }
};
find('filter').addEventListener('input', () => {
  clearTimeout(typed);
  typed = setTimeout(ask, 120);
});
find('filter').addEventListener('submit', (event) => { event.preventDefault(); ask(); });
find('clear').addEventListener('click', () => { location.hash = '#/overview'; });

let unfolded = [];
addEventListener('beforeprint', () => {
  unfolded = all('main details:not([open])');
  for (const details of unfolded) details.open = true;
  for (const image of all('img[loading]')) image.loading = 'eager';
});
addEventListener('afterprint', () => { for (const details of unfolded) details.open = false; });
addEventListener('hashchange', follow);
paint(preferred());
page.classList.add('js');
follow();
