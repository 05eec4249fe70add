// A figure at any size: wheel, buttons, keys, and moving it by hand.
const zoom = find('zoom');

function openFigure(button) {
  const small = button.querySelector('img');
  const title = button.closest('.target').querySelector('h2').textContent;
  const image = make('img', {src: small.src, alt: small.alt, draggable: 'false'});
  const view = make('div', {class: 'view', tabindex: '0', role: 'region', 'aria-label': 'The figure; arrows move it', autofocus: ''}, image);
  const share = make('span', {role: 'status'});
  const natural = Number(small.getAttribute('width')), tall = Number(small.getAttribute('height'));
  let width = natural;

  function size(wanted, x = view.clientWidth / 2, y = view.clientHeight / 2) {
    const before = width;
    width = Math.min(Math.max(wanted, 120), 8 * natural);
    const left = (view.scrollLeft + x) * width / before - x, top = (view.scrollTop + y) * width / before - y;
    image.style.width = `${width}px`;
    view.scrollTo(left, top);
    share.textContent = `${Math.round(100 * width / natural)} %`;
  }
  const fit = () => size(Math.min(view.clientWidth, view.clientHeight * natural / tall));
  const keys = {'+': () => size(width * 1.25), '=': () => size(width * 1.25), '-': () => size(width / 1.25), 0: fit};
  view.addEventListener('wheel', (event) => {
    event.preventDefault();
    const box = view.getBoundingClientRect();
    size(width * Math.exp(-event.deltaY / 400), event.clientX - box.left, event.clientY - box.top);
  }, {passive: false});
  view.addEventListener('pointerdown', (event) => {
    view.setPointerCapture(event.pointerId);
    view.classList.add('held');
  });
  view.addEventListener('pointermove', (event) => {
    if (view.classList.contains('held')) view.scrollBy({left: -event.movementX, top: -event.movementY, behavior: 'instant'});
  });
  for (const end of ['pointerup', 'pointercancel']) view.addEventListener(end, () => view.classList.remove('held'));
  zoom.onkeydown = (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    keys[event.key]();
  };
  const control = (label, name, act) => make('button', {type: 'button', 'aria-label': name, click: act}, label);
  zoom.replaceChildren(
    make('h2', {id: 'zoom-title'}, title),
    view,
    make('div', {class: 'bottom'}, control('−', 'Reduce', keys['-']), control('+', 'Enlarge', keys['+']),
      control('Fit', 'Fit to the window', fit), share, make('button', {type: 'button', click: () => zoom.close()}, 'Close')),
  );
  zoom.showModal();
  fit();
}

document.addEventListener('click', (event) => {
  const button = event.target.closest('.enlarge');
  if (button) openFigure(button);
});
