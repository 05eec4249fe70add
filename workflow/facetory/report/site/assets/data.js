// The cells and manifests in the page, and the few ways in which they are written out.  Text is only ever
// set as text: nothing that a cell, a name or a manifest says is read as HTML.
const data = JSON.parse(document.getElementById('data').textContent);
const byId = new Map(data.cells.map((cell, place) => [cell.id, place]));
const page = document.documentElement;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const find = (id) => document.getElementById(id);
const words = (text) => text.replaceAll('_', ' ');
const pooled = (place) => (place === null || place === undefined ? null : data.pool[place]);

/** An element with attributes (functions are listeners) and children; null children are left out. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** A number as the tables print it: with the paper's decimals, more of a small value. */
function number(value, decimals = 2) {
  if (value === null || value === undefined) return '–';
  const plain = value === 0 || Math.abs(value) >= 10 ** -decimals;
  return plain ? value.toFixed(decimals) : value.toExponential(1);
}

/** Pairs of a term and what it is as a list; pairs without a value are left out. */
function pairs(entries) {
  const known = entries.filter(([, value]) => value !== null && value !== undefined && value !== '');
  return make('dl', {}, known.map(([term, value]) => make('div', {}, make('dt', {}, term), make('dd', {}, value))));
}

/** A command with a button that copies it. */
function command(text) {
  const copy = make('button', {type: 'button', class: 'copy', click: () => {
    navigator.clipboard?.writeText(text).then(() => { copy.textContent = 'Copied'; }, () => {});
  }}, 'Copy');
  return make('span', {}, make('code', {}, text), ' ', copy);
}
