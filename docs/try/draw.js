// Pictures as SVG text: the probability along a sequence, and the contribution of each base as a letter.

/**
 * @typedef {object} Palette Colours by meaning.
 * @property {string} text
 * @property {string} grid
 * @property {string} line
 * @property {string} other The alternative.
 * @property {string} hit
 * @property {string} site
 * @property {string} ground
 * @property {string[]} bases By code.
 *
 * @typedef {object} View Bases [from, to) on `width` pixels.
 * @property {number} from
 * @property {number} to
 * @property {number} width
 */

/** @type {Palette} */
export const PAGE_PALETTE = {
  text: "var(--try-text)",
  grid: "var(--try-grid)",
  line: "var(--try-line)",
  other: "var(--try-other)",
  hit: "var(--try-hit)",
  site: "var(--try-site)",
  ground: "var(--try-ground)",
  bases: ["var(--try-a)", "var(--try-c)", "var(--try-g)", "var(--try-t)"],
};

/** @type {Palette} */
export const FILE_PALETTE = {
  text: "#1c2429",
  grid: "#c9d1d6",
  line: "#0072b2",
  other: "#9a4a86",
  hit: "#b84a00",
  site: "#f0e4b8",
  ground: "#ffffff",
  bases: ["#007a59", "#0072b2", "#a86f00", "#b84a00"],
};

/** Outlines of the letters A, C, G and T in a box of 100 by 100. */
const GLYPHS = [
  "M0 100L38 0H62L100 100H78L70 76H30L22 100ZM36 58H64L50 16Z",
  "M100 70C94 89 76 100 53 100C21 100 0 80 0 50C0 20 21 0 53 0C76 0 94 11 100 30L79 36C75 24 67 18 54 18C34 18 22 30 22 50C22 70 34 82 54 82C67 82 75 76 79 64Z",
  "M100 48V86C88 95 72 100 54 100C21 100 0 80 0 50C0 20 22 0 54 0C76 0 93 10 99 28L78 34C74 24 66 18 54 18C34 18 22 30 22 50C22 70 34 82 55 82C65 82 74 80 80 76V64H54V48Z",
  "M0 0H100V18H61V100H39V18H0Z",
];
const LEFT = 46;
const RIGHT = 12;
const FONT = 'font-family="system-ui, sans-serif" font-size="12"';

/** @param {string} text */
export function escape(text) {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

/** Return a function from bases to pixels. @param {View} view */
export function scaleOf({ from, to, width }) {
  return (/** @type {number} */ base) => LEFT + ((base - from) / (to - from)) * (width - LEFT - RIGHT);
}

/** Return the base at a pixel. @param {View} view @param {number} pixel */
export function baseAt({ from, to, width }, pixel) {
  const base = Math.floor(from + ((pixel - LEFT) / (width - LEFT - RIGHT)) * (to - from));
  return Math.min(Math.max(base, from), to - 1);
}

/**
 * Return the path of values at positions. Where windows are denser than pixels, a pixel shows their lowest and highest.
 *
 * @param {ArrayLike<number>} positions Ascending.
 * @param {ArrayLike<number>} values NaN interrupts the line.
 * @param {View} view
 * @param {(value: number) => number} y
 * @param {number} gap Minimum distance of two positions that interrupts the line.
 */
function linePath(positions, values, view, y, gap) {
  const x = scaleOf(view);
  const parts = [];
  const perPixel = (view.to - view.from) / (view.width - LEFT - RIGHT);
  let pen = false;
  let before = -Infinity;
  for (let at = 0; at < positions.length; at++) {
    if (positions[at] < view.from - gap) continue;
    if (positions[at] > view.to + gap) break;
    let low = values[at];
    let high = low;
    const first = at;
    const pixel = Math.floor(positions[at] / perPixel);
    while (at + 1 < positions.length && Math.floor(positions[at + 1] / perPixel) === pixel) {
      at++;
      if (!(values[at] >= low)) low = Number.isNaN(low) ? values[at] : Number.isNaN(values[at]) ? low : values[at];
      if (!(values[at] <= high)) high = Number.isNaN(high) ? values[at] : Number.isNaN(values[at]) ? high : values[at];
    }
    if (Number.isNaN(low)) {
      pen = false;
      continue;
    }
    const where = x(positions[first]).toFixed(1);
    const isNew = !pen || positions[first] - before > gap;
    parts.push(`${isNew ? "M" : "L"}${where} ${y(low).toFixed(1)}`);
    if (high !== low) parts.push(`L${where} ${y(high).toFixed(1)}`);
    else if (isNew) parts.push("h0.01"); // a single window is a dot
    pen = true;
    before = positions[at];
  }
  return parts.join("");
}

/** Return round numbers between two bases, at most `most` of them. @param {number} from @param {number} to @param {number} most */
export function ticks(from, to, most) {
  const rough = Math.max((to - from) / most, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough) ?? rough;
  const found = [];
  for (let at = Math.ceil(from / step) * step; at < to; at += step) found.push(at);
  return found;
}

/**
 * Draw the probability of each window at its centre, hits, known sites, and a comparison if there is one.
 *
 * @param {object} scene
 * @param {View} scene.view
 * @param {import("./files.js").Result} scene.result
 * @param {import("./hits.js").Hit[]} scene.hits
 * @param {import("./sites.js").Site[]} scene.sites
 * @param {number} scene.threshold
 * @param {number} scene.windowLength
 * @param {number} scene.stride
 * @param {import("./files.js").Result | null} scene.alternative
 * @param {Float64Array | null} scene.differences
 * @param {[number, number] | null} scene.selected
 * @param {string} scene.title
 * @param {Palette} scene.palette
 */
export function drawScan({ view, result, hits, sites, threshold, windowLength, stride, alternative, differences, selected, title, palette }) {
  const x = scaleOf(view);
  const right = view.width - RIGHT;
  const top = 14;
  const height = 150;
  const y = (/** @type {number} */ probability) => top + (1 - probability) * height;
  const centres = (/** @type {import("./files.js").Result} */ one) => Float64Array.from(one.starts, (start) => start + (windowLength >> 1));
  const clip = (/** @type {number} */ base) => Math.min(Math.max(x(base), LEFT), right);
  const inView = (/** @type {{start: number, end: number}} */ one) => one.end > view.from && one.start < view.to;
  const box = (/** @type {{start: number, end: number}} */ one, /** @type {number} */ least = 2) => {
    return `x="${clip(one.start).toFixed(1)}" width="${Math.max(clip(one.end) - clip(one.start), least).toFixed(1)}"`;
  };
  const parts = [];
  if (selected) {
    const [start, end] = selected;
    if (inView({ start, end })) parts.push(`<rect ${box({ start, end })} y="${top}" height="${height}" fill="${palette.site}" opacity="0.55"/>`);
  }
  for (const value of [0, 0.5, 1]) {
    parts.push(`<path d="M${LEFT} ${y(value)}H${right}" stroke="${palette.grid}"/>`);
    parts.push(`<text x="${LEFT - 6}" y="${y(value) + 4}" text-anchor="end" fill="${palette.text}">${value}</text>`);
  }
  parts.push(`<path d="M${LEFT} ${y(threshold).toFixed(1)}H${right}" stroke="${palette.hit}" stroke-dasharray="5 4"/>`);
  const line = (/** @type {import("./files.js").Result} */ one, /** @type {string} */ colour, /** @type {string} */ style) => {
    const path = linePath(centres(one), one.probabilities, view, y, stride * 1.5);
    parts.push(`<path d="${path}" fill="none" stroke="${colour}" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" ${style}/>`);
  };
  line(result, palette.line, "");
  if (alternative) line(alternative, palette.other, 'stroke-dasharray="4 3"');

  let below = top + height + 10;
  const row = (/** @type {string} */ label, /** @type {{start: number, end: number, name?: string}[]} */ boxes, /** @type {string} */ colour) => {
    parts.push(`<text x="${LEFT - 6}" y="${below + 10}" text-anchor="end" fill="${palette.text}">${label}</text>`);
    for (const one of boxes.filter(inView)) {
      parts.push(`<rect ${box(one)} y="${below}" height="11" rx="1.5" fill="${colour}"/>`);
    }
    below += 18;
  };
  row("hits", hits, palette.hit);
  for (const name of new Set(sites.map((site) => site.name))) row(name, sites.filter((site) => site.name === name), palette.bases[0]);

  if (differences && alternative) {
    const highest = differences.reduce((most, value) => (Math.abs(value) > most ? Math.abs(value) : most), 0.5);
    const middle = below + 46;
    const at = (/** @type {number} */ value) => middle - (value / highest) * 36;
    parts.push(`<text x="${LEFT - 6}" y="${at(highest) + 6}" text-anchor="end" fill="${palette.text}">+${highest.toFixed(1)}</text>`);
    parts.push(`<text x="${LEFT - 6}" y="${at(-highest) + 4}" text-anchor="end" fill="${palette.text}">−${highest.toFixed(1)}</text>`);
    parts.push(`<path d="M${LEFT} ${middle}H${right}" stroke="${palette.grid}"/>`);
    const path = linePath(centres(alternative), differences, view, at, stride * 1.5);
    parts.push(`<path d="${path}" fill="none" stroke="${palette.other}" stroke-width="1.6" stroke-linejoin="round"/>`);
    below = middle + 46;
  }
  parts.push(`<path d="M${LEFT} ${below}H${right}" stroke="${palette.text}"/>`);
  for (const tick of ticks(view.from, view.to, view.width / 110)) {
    parts.push(`<path d="M${x(tick).toFixed(1)} ${below}v5" stroke="${palette.text}"/>`);
    parts.push(`<text x="${x(tick).toFixed(1)}" y="${below + 18}" text-anchor="middle" fill="${palette.text}">${tick.toLocaleString("en")}</text>`);
  }
  return svg(view.width, below + 26, title, parts, palette);
}

/**
 * Draw the contribution of each base as a letter, known sites shaded.
 *
 * @param {object} scene
 * @param {import("./contributions.js").Contributions} scene.explained
 * @param {Uint8Array} scene.codes Of the whole sequence.
 * @param {import("./sites.js").Site[]} scene.sites
 * @param {number} scene.width
 * @param {string} scene.title
 * @param {Palette} scene.palette
 */
export function drawContributions({ explained, codes, sites, width, title, palette }) {
  const { start, end, contributions } = explained;
  const view = { from: start, to: end, width };
  const x = scaleOf(view);
  const known = contributions.filter((value) => !Number.isNaN(value));
  const highest = Math.max(known.reduce((most, value) => Math.max(most, value), 0), 0.1);
  const lowest = Math.min(known.reduce((least, value) => Math.min(least, value), 0), -0.02);
  const top = 22;
  const height = 150;
  const y = (/** @type {number} */ value) => top + ((highest - value) / (highest - lowest)) * height;
  const parts = [];
  for (const site of sites.filter((each) => each.end > start && each.start < end)) {
    const from = x(Math.max(site.start, start));
    const to = x(Math.min(site.end, end));
    parts.push(`<rect x="${from.toFixed(1)}" y="${top}" width="${(to - from).toFixed(1)}" height="${height}" fill="${palette.site}"/>`);
    parts.push(`<text x="${((from + to) / 2).toFixed(1)}" y="${top - 6}" text-anchor="middle" fill="${palette.text}">${escape(site.name)}</text>`);
  }
  for (const value of [highest, 0]) {
    parts.push(`<text x="${LEFT - 6}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end" fill="${palette.text}">${value ? `+${value.toFixed(2)}` : "0"}</text>`);
  }
  parts.push(`<path d="M${LEFT} ${y(0).toFixed(1)}H${width - RIGHT}" stroke="${palette.text}"/>`);
  const wide = x(start + 1) - x(start);
  contributions.forEach((value, at) => {
    const code = codes[start + at];
    if (Number.isNaN(value) || !GLYPHS[code]) return;
    const tall = Math.abs(y(value) - y(0));
    if (tall < 0.3) return;
    const flip = value < 0 ? -1 : 1;
    const place = `translate(${(x(start + at) + 0.05 * wide).toFixed(2)} ${y(value).toFixed(2)})`;
    const size = `scale(${((0.9 * wide) / 100).toFixed(4)} ${((flip * tall) / 100).toFixed(4)})`;
    parts.push(`<path d="${GLYPHS[code]}" fill="${palette.bases[code]}" fill-rule="evenodd" transform="${place} ${size}"/>`);
  });
  const below = top + height + 6;
  for (const tick of ticks(start, end, width / 110)) {
    parts.push(`<text x="${x(tick + 0.5).toFixed(1)}" y="${below + 14}" text-anchor="middle" fill="${palette.text}">${tick.toLocaleString("en")}</text>`);
  }
  return svg(width, below + 22, title, parts, palette);
}

/**
 * @param {number} width
 * @param {number} height
 * @param {string} title
 * @param {string[]} parts
 * @param {Palette} palette
 */
function svg(width, height, title, parts, palette) {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${Math.ceil(height)}" viewBox="0 0 ${width} ${Math.ceil(height)}" role="img" ` +
    `aria-label="${escape(title)}" ${FONT}><rect width="100%" height="100%" fill="${palette.ground}"/>${parts.join("")}</svg>`
  );
}
