// The page: its form, pictures and downloads. The model runs in the worker.

import { readScale, readTrack } from "./accessibility.js";
import { drawContributions, drawScan, baseAt, FILE_PALETTE, PAGE_PALETTE } from "./draw.js";
import { bedText, tsvText } from "./files.js";
import { callHits } from "./hits.js";
import { decode, InputError, MAX_BASES, readSequences } from "./letters.js";
import { findSites } from "./sites.js";
import { chooseThreshold, describeExpectation, expectedPrecision, offeredRates } from "./thresholds.js";

const AUTO_STRIDE_BASES = 20_000;
const MAX_COMPARED_BASES = 100_000;
const EXPLAINED_BASES = 61;
const MAX_LISTED_HITS = 500;
const MAX_FILE_BYTES = 64 << 20;
const EXAMPLE = { name: "chrA", start: 9185, end: 10185 };

/**
 * @typedef {import("./model.js").ModelFile} ModelFile
 * @typedef {import("./letters.js").Sequence} Sequence
 * @typedef {import("./hits.js").Hit} Hit
 *
 * @typedef {object} Scanned What the last scan gave.
 * @property {import("./worker.js").ScanRequest} request
 * @property {import("./worker.js").ScanAnswer} answer
 * @property {import("./thresholds.js").Threshold} threshold
 * @property {Hit[][]} hits By sequence.
 */

/** @param {string} id @returns {any} */
const get = (id) => document.getElementById(`try-${id}`);

/** @type {ModelFile} */
let file;
/** @type {Scanned | null} */
let scanned = null;
/** @type {{from: number, to: number}} */
let view = { from: 0, to: 1 };
let shown = 0;
/** @type {{codes: Uint8Array, explained: import("./contributions.js").Contributions, title: string} | null} */
let explained = null;
/** @type {{track?: import("./accessibility.js").Track, scale?: import("./accessibility.js").Scale}} */
let accessibilityFiles = {};

const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
/** @type {Map<number, {resolve: (answer: any) => void, reject: (error: Error) => void}>} */
const waiting = new Map();
let requests = 0;

/** @param {object} request @returns {Promise<any>} */
function ask(request) {
  return new Promise((resolve, reject) => {
    waiting.set(++requests, { resolve, reject });
    worker.postMessage({ ...request, id: requests });
  });
}

worker.onmessage = ({ data }) => {
  if (data.kind === "ready") ready(data.file);
  else if (data.kind === "failed") fail(data.message);
  else if (data.kind === "progress") get("progress").value = data.share;
  else {
    const asked = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.kind === "answer") asked?.resolve(data.answer);
    else asked?.reject(new InputError(data.message));
  }
};
worker.onerror = () => fail("This browser could not start the page's worker. Reload the page, or try a newer browser.");

/** @param {string} message */
function fail(message) {
  get("status").textContent = "";
  get("error").textContent = message;
}

/** @type {Map<string, string>} */
const examples = new Map();

/** @param {ModelFile} loaded */
async function ready(loaded) {
  file = loaded;
  // all of it now, so that the page needs no network later
  await Promise.all(
    ["genome.fa", "dnase.bedgraph", "scale.json"].map(async (name) => {
      const response = await fetch(new URL(name, import.meta.url));
      if (response.ok) examples.set(name, await response.text());
    }),
  );
  offerThresholds();
  const { metadata } = file;
  get("status").textContent = `Ready: model ${metadata.name} ${metadata.version}, checked against its reference scores.`;
  get("score").disabled = false;
  get("form").dataset.ready = "true";
}

function mode() {
  return /** @type {HTMLInputElement} */ (document.querySelector('input[name="accessibility"]:checked')).value;
}

/** Return the calibration of scans with or without accessibility. @param {boolean} isKnown */
function tableOf(isKnown) {
  return isKnown ? file.metadata.with_accessibility : file.metadata.without_accessibility;
}

/** Tell whether a scan knew its accessibility. @param {import("./worker.js").ScanRequest} request */
function knowsAccessibility({ accessibility }) {
  return "track" in accessibility || !Number.isNaN(accessibility.percentile);
}

function offerThresholds() {
  const table = tableOf(mode() !== "unknown");
  const before = get("rate").value;
  const options = [new Option(`the model's default (${table.default_rule})`, "")];
  for (const rate of offeredRates(table)) {
    options.push(new Option(`1 in ${Math.round(1 / rate).toLocaleString("en")} unbound windows called (fpr ${rate})`, String(rate)));
  }
  get("rate").replaceChildren(...options);
  if (options.some((option) => option.value === before)) get("rate").value = before;
}

/** @param {import("./worker.js").ScanRequest} request */
function chosenThreshold(request) {
  const rate = get("rate").value;
  const threshold = chooseThreshold(tableOf(knowsAccessibility(request)), rate === "" ? null : Number(rate));
  if (!threshold) throw new InputError("The model does not reach this false-positive rate. Choose a higher one.");
  return threshold;
}

/** @returns {import("./worker.js").Accessibility} */
function accessibility() {
  if (mode() === "unknown") return { percentile: NaN };
  if (mode() === "percentile") return { percentile: Number(get("percentile").value) / 100 };
  if (!accessibilityFiles.track) throw new InputError("There is no track yet. Choose a bedGraph, or another kind of accessibility.");
  return { track: accessibilityFiles.track, scale: accessibilityFiles.scale ?? null };
}

/** @param {Sequence[]} sequences @param {Sequence | null} alternative */
function stride(sequences, alternative) {
  const chosen = get("stride").value;
  if (alternative) return 1;
  if (chosen !== "auto") return Number(chosen);
  const bases = sequences.reduce((sum, { codes }) => sum + codes.length, 0);
  return bases <= AUTO_STRIDE_BASES ? 1 : file.default_stride;
}

/** @param {Sequence[]} sequences */
function readAlternative(sequences) {
  const text = get("alternative").value;
  if (!get("compare").open || !text.trim()) return null;
  const [alternative, ...more] = readSequences(text, file.metadata.alphabet, "second sequence");
  if (more.length || sequences.length > 1) throw new InputError("To compare, give one sequence above and one below.");
  for (const { name, codes } of [...sequences, alternative]) {
    if (codes.length > MAX_COMPARED_BASES) {
      throw new InputError(`"${name}" has ${codes.length.toLocaleString("en")} bases. At most ${MAX_COMPARED_BASES.toLocaleString("en")} can be compared.`);
    }
  }
  if (alternative.name === sequences[0].name) alternative.name += " (second)";
  return alternative;
}

/** Run a task of the form: show its progress, and its error in words. @param {() => Promise<void>} task */
async function attempt(task) {
  get("error").textContent = "";
  get("progress").value = 0;
  get("progress").hidden = false;
  get("score").disabled = true;
  get("form").dataset.busy = "true";
  try {
    await task();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    get("error").textContent = error.message;
  } finally {
    get("progress").hidden = true;
    get("score").disabled = false;
    delete get("form").dataset.busy;
  }
}

async function score() {
  const text = get("sequence").value;
  if (text.length > 2 * MAX_BASES + 1_000_000) throw new InputError("The text is too long: this page takes at most 1,000,000 bases.");
  const sequences = readSequences(text, file.metadata.alphabet);
  const alternative = readAlternative(sequences);
  /** @type {import("./worker.js").ScanRequest} */
  const request = { kind: "scan", sequences, alternative, accessibility: accessibility(), stride: stride(sequences, alternative) };
  const threshold = chosenThreshold(request);
  const began = performance.now();
  const answer = await ask(request);
  const seconds = (performance.now() - began) / 1000;
  scanned = { request, answer, threshold, hits: [] };
  explained = null;
  get("explained").hidden = true;
  document.querySelector('[data-download="logo"]')?.toggleAttribute("hidden", true);
  get("shown").replaceChildren(...sequences.map(({ name }, at) => new Option(name, String(at))));
  get("which").hidden = sequences.length === 1;
  get("of").hidden = get("of-label").hidden = !alternative;
  get("results").hidden = false;
  get("results").dataset.seconds = seconds.toFixed(3);
  applyThreshold();
  show(0);
  get("results-title").focus();
}

/** Call hits anew at the chosen threshold. */
function applyThreshold() {
  if (!scanned) return;
  const { request, answer } = scanned;
  const threshold = (scanned.threshold = chosenThreshold(request));
  const rules = { windowLength: file.metadata.window_length, stride: request.stride, resolution: file.summit_resolution };
  scanned.hits = answer.results.map(({ starts, probabilities }) => callHits(starts, probabilities, threshold.value, rules));
  get("expectation").textContent = describeExpectation(threshold, request.stride, file.default_stride);
  get("warnings").replaceChildren(
    ...answer.warnings.map((warning) => {
      const item = document.createElement("li");
      item.textContent = warning;
      return item;
    }),
  );
}

/** @param {Float32Array} probabilities @returns {number} Row of the best window, or -1. */
function bestRow(probabilities) {
  return probabilities.reduce((best, value, at) => (value > (best < 0 ? -1 : probabilities[best]) ? at : best), -1);
}

/** @param {number} number Of a sequence. */
function show(number) {
  if (!scanned) return;
  shown = number;
  get("shown").value = String(number);
  const { codes } = scanned.request.sequences[number];
  view = { from: 0, to: Math.max(codes.length, scanned.request.alternative?.codes.length ?? 0) };
  get("position").max = String(view.to - 1);
  const result = scanned.answer.results[number];
  const best = bestRow(result.probabilities);
  if (best >= 0) get("position").value = String(result.starts[best] + (file.metadata.window_length >> 1));
  summarize();
  listHits();
  draw();
}

function summarize() {
  if (!scanned) return;
  const { answer, hits, threshold, request } = scanned;
  const result = answer.results[shown];
  const scores = result.probabilities.filter((value) => !Number.isNaN(value));
  const skipped = result.probabilities.length - scores.length;
  const count = (/** @type {number} */ number, /** @type {string} */ noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
  const best = bestRow(result.probabilities);
  const parts = [`${result.name}: ${count(hits[shown].length, "hit")} at threshold ${threshold.value.toPrecision(4)} in ${count(scores.length, "window")}.`];
  if (best >= 0) {
    const place = result.starts[best] + (file.metadata.window_length >> 1);
    parts.push(`The best window scores ${result.probabilities[best].toFixed(4)}, centred on base ${place.toLocaleString("en")}.`);
  }
  if (skipped) parts.push(`${count(skipped, "window")} with unknown letters ${skipped === 1 ? "was" : "were"} not scored.`);
  if (answer.alternative && answer.differences) {
    const { alternative, differences } = answer;
    const top = bestRow(alternative.probabilities);
    const most = differences.reduce((row, value, at) => (Math.abs(value) > (row < 0 ? -1 : Math.abs(differences[row])) ? at : row), -1);
    if (top >= 0) parts.push(`The second sequence's best window scores ${alternative.probabilities[top].toFixed(4)}.`);
    if (most >= 0) {
      const place = alternative.starts[most] + (file.metadata.window_length >> 1);
      const change = `${differences[most] < 0 ? "−" : "+"}${Math.abs(differences[most]).toFixed(2)}`;
      parts.push(`The largest change is ${change} logits, at base ${place.toLocaleString("en")} of the second sequence.`);
    }
  }
  get("summary").textContent = parts.join(" ");
  const compared = answer.alternative ? " Dashed line: the second sequence. Below: difference of logits, second minus first." : "";
  const strideText = request.stride === 1 ? "every base" : `every ${request.stride}th base`;
  get("legend").textContent = `Probability of windows at ${strideText}. Dashed across: the threshold.${compared}`;
}

function sitesOf(/** @type {Uint8Array} */ codes) {
  return findSites(decode(codes, file.metadata.alphabet), file.consensus);
}

function listHits() {
  if (!scanned) return;
  const hits = scanned.hits[shown];
  const table = tableOf(knowsAccessibility(scanned.request));
  const sites = sitesOf(scanned.request.sequences[shown].codes);
  const body = document.createElement("tbody");
  for (const hit of hits.slice(0, MAX_LISTED_HITS)) {
    const precision = expectedPrecision(table, hit.best);
    const names = new Set(sites.filter((site) => site.start < hit.end && site.end > hit.start).map((site) => site.name));
    const cells = [
      hit.start.toLocaleString("en"),
      hit.end.toLocaleString("en"),
      hit.summit.toLocaleString("en"),
      hit.best.toFixed(4),
      precision === null ? "–" : `${Math.round(100 * precision)} in 100`,
      [...names].join(", ") || "–",
    ];
    const row = body.insertRow();
    for (const text of cells) row.insertCell().textContent = text;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Explain";
    button.setAttribute("aria-label", `Explain the hit at ${hit.summit}`);
    button.onclick = () => {
      zoomTo(hit.start, hit.end);
      explain(shown, hit.summit);
    };
    row.insertCell().append(button);
  }
  const head = document.createElement("thead");
  const row = head.insertRow();
  for (const text of ["start", "end", "summit", "probability", "bound, expected", "known sites", "bases"]) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = text;
    row.append(cell);
  }
  if (!hits.length) body.insertRow().insertCell().textContent = "No window reaches the threshold.";
  if (hits.length > MAX_LISTED_HITS) {
    body.insertRow().insertCell().textContent = `${(hits.length - MAX_LISTED_HITS).toLocaleString("en")} more hits are in the BED.`;
  }
  for (const cell of body.querySelectorAll("tr > td:only-child")) /** @type {HTMLTableCellElement} */ (cell).colSpan = 7;
  get("hits").replaceChildren(head, body);
}

/** @param {number} start @param {number} end */
function zoomTo(start, end) {
  const margin = end - start;
  const length = scanned?.request.sequences[shown].codes.length ?? end;
  view = { from: Math.max(start - margin, 0), to: Math.min(end + margin, length) };
  draw();
}

/** @param {import("./draw.js").Palette} palette @param {number} width */
function picture(palette, width) {
  const { request, answer, threshold, hits } = /** @type {Scanned} */ (scanned);
  const result = answer.results[shown];
  return drawScan({
    view: { ...view, width },
    result,
    hits: hits[shown],
    sites: sitesOf(request.sequences[shown].codes),
    threshold: threshold.value,
    windowLength: file.metadata.window_length,
    stride: request.stride,
    alternative: answer.alternative,
    differences: answer.differences,
    selected: explained ? [explained.explained.start, explained.explained.end] : null,
    title: `Probability along ${result.name}, bases ${view.from} to ${view.to}, with ${hits[shown].length} hits`,
    palette,
  });
}

/** @param {import("./draw.js").Palette} palette @param {number} width */
function logo(palette, width) {
  const { codes, explained: found, title } = /** @type {NonNullable<typeof explained>} */ (explained);
  return drawContributions({ explained: found, codes, sites: sitesOf(codes), width, title, palette });
}

const pictureWidth = () => Math.max(Math.floor(get("chart").clientWidth), 280);
const logoWidth = () => Math.max(pictureWidth(), 9 * EXPLAINED_BASES + 58);

function draw() {
  if (!scanned) return;
  get("chart").innerHTML = picture(PAGE_PALETTE, pictureWidth());
  if (explained) get("logo").innerHTML = logo(PAGE_PALETTE, logoWidth());
}

/** @param {number} number Of a sequence; -1 for the second one. @param {number} position */
function explain(number, position) {
  return attempt(async () => {
    const { request } = /** @type {Scanned} */ (scanned);
    const { name, codes } = number < 0 ? /** @type {Sequence} */ (request.alternative) : request.sequences[number];
    if (!(position >= 0 && position < codes.length)) throw new InputError(`Position ${position} lies outside "${name}", which has ${codes.length} bases.`);
    const start = Math.max(Math.min(position - (EXPLAINED_BASES >> 1), codes.length - EXPLAINED_BASES), 0);
    const end = Math.min(start + EXPLAINED_BASES, codes.length);
    const found = await ask({ kind: "explain", sequence: number, start, end });
    if (request !== scanned?.request) return;
    const title = `Which bases matter: ${name}, ${start} to ${end}`;
    explained = { codes, explained: found, title };
    get("position").value = String(position);
    get("explained-title").textContent = title;
    get("explained").hidden = false;
    document.querySelector('[data-download="logo"]')?.removeAttribute("hidden");
    draw();
    if (found.contributions.every(Number.isNaN)) throw new InputError("Every window there holds unknown letters, so there is nothing to explain.");
  });
}

/** @param {string} name @param {string} text @param {string} type */
function download(name, text, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function header() {
  const { request, threshold } = /** @type {Scanned} */ (scanned);
  const { name, version } = file.metadata;
  const open = "percentile" in request.accessibility ? request.accessibility.percentile : "a track";
  return [
    `jundscan in the browser, model ${name} ${version} sha256 ${file.sha256}`,
    `accessibility ${Number.isNaN(open) ? "unknown" : open}, stride ${request.stride}, threshold ${threshold.value} (${threshold.rule})`,
  ];
}

/** @type {Record<string, () => void>} */
const downloads = {
  bed() {
    const { answer, hits } = /** @type {Scanned} */ (scanned);
    const all = answer.results.map((result, at) => ({ result, hits: hits[at] }));
    download("hits.bed", bedText(all, file.metadata.factor, header()), "text/plain");
  },
  tsv() {
    const { results, alternative } = /** @type {Scanned} */ (scanned).answer;
    const all = alternative ? [...results, alternative] : results;
    download("windows.tsv", tsvText(all, file.metadata.window_length, header()), "text/tab-separated-values");
  },
  svg: () => download("scan.svg", picture(FILE_PALETTE, 900), "image/svg+xml"),
  logo: () => download("bases.svg", logo(FILE_PALETTE, 1200), "image/svg+xml"),
};

/** @param {string} kind */
function zoom(kind) {
  const length = scanned?.request.sequences[shown].codes.length ?? 1;
  const wide = view.to - view.from;
  const middle = (view.from + view.to) / 2;
  const size = { in: wide / 2, out: wide * 2, all: length }[kind] ?? wide;
  const next = Math.round(Math.min(Math.max(size, Math.min(20, length)), length));
  const shift = { left: -wide / 2, right: wide / 2 }[kind] ?? 0;
  const from = Math.round(Math.min(Math.max(middle - next / 2 + shift, 0), length - next));
  view = { from, to: from + next };
  draw();
}

/** @param {string} name */
function useExample(name) {
  const genome = readSequences(examples.get("genome.fa") ?? "", file.metadata.alphabet);
  const { codes } = /** @type {Sequence} */ (genome.find((each) => each.name === EXAMPLE.name));
  const region = codes.slice(EXAMPLE.start, EXAMPLE.end);
  const letters = decode(region, file.metadata.alphabet);
  const lines = (/** @type {string} */ text) => (text.match(/.{1,60}/g) ?? []).join("\n");
  const [site] = sitesOf(region).filter((each) => each.start > EXPLAINED_BASES);
  if (name === "track") {
    get("sequence").value = examples.get("genome.fa");
    openTrack(examples.get("dnase.bedgraph") ?? "", "dnase.bedgraph");
    openScale(examples.get("scale.json") ?? "", "scale.json");
  } else {
    get("sequence").value = `>site\n${lines(letters)}\n`;
    choose("percentile");
  }
  get("compare").open = name === "variant";
  const broken = letters.slice(0, site.start + 2) + "C" + letters.slice(site.start + 3);
  get("alternative").value = name === "variant" ? `>variant\n${lines(broken)}\n` : "";
  get("form").requestSubmit();
}

/** @param {string} value */
function choose(value) {
  const radio = document.querySelector(`input[name="accessibility"][value="${value}"]`);
  /** @type {HTMLInputElement} */ (radio).checked = true;
  offerThresholds();
}

/** @param {string} text @param {string} name */
function openTrack(text, name) {
  accessibilityFiles = { ...accessibilityFiles, track: readTrack(text) };
  get("track-shown").dataset.track = name;
  showTrack();
}

/** @param {string} text @param {string} name */
function openScale(text, name) {
  accessibilityFiles = { ...accessibilityFiles, scale: readScale(text, file.metadata.accessibility_widths) };
  get("track-shown").dataset.scale = name;
  showTrack();
}

function showTrack() {
  const { track, scale } = get("track-shown").dataset;
  const end = scale ? `, with the scale ${scale}.` : ". Without a scale its values must be percentiles, from 0 to 1.";
  get("track-shown").textContent = `${track ? `Track: ${track}` : "No track yet"}${end}`;
  choose("track");
}

/** Take in a file by what it holds: a FASTA, a bedGraph or a scale. @param {File} given @param {string} [kind] */
function take(given, kind) {
  return attempt(async () => {
    if (given.size > MAX_FILE_BYTES) throw new InputError(`${given.name} is too large for this page: install jundscan for whole genomes and tracks.`);
    const text = await given.text();
    const guessed = text.trimStart().startsWith("{") ? "scale" : /^\S+[\t ]+\d+[\t ]+\d+[\t ]/m.test(text) ? "track" : "fasta";
    if ((kind ?? guessed) === "scale") openScale(text, given.name);
    else if ((kind ?? guessed) === "track") openTrack(text, given.name);
    else {
      readSequences(text, file.metadata.alphabet);
      get("sequence").value = text;
    }
  });
}

for (const [id, kind] of [["fasta", "fasta"], ["track", "track"], ["scale", "scale"]]) {
  get(id).onchange = () => get(id).files[0] && take(get(id).files[0], kind);
}
const area = get("form");
area.ondragover = (/** @type {DragEvent} */ event) => {
  event.preventDefault();
  get("drop").classList.add("try-drop");
};
area.ondragleave = () => get("drop").classList.remove("try-drop");
area.ondrop = async (/** @type {DragEvent} */ event) => {
  event.preventDefault();
  get("drop").classList.remove("try-drop");
  for (const each of event.dataTransfer?.files ?? []) await take(each);
};
area.onsubmit = (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  if (!get("form").dataset.busy) attempt(score);
};
get("percentile").oninput = () => {
  get("percentile-shown").value = get("percentile").value;
  choose("percentile");
};
for (const radio of document.querySelectorAll('input[name="accessibility"]')) /** @type {HTMLElement} */ (radio).onchange = offerThresholds;
get("rate").onchange = () => {
  if (!scanned) return;
  attempt(async () => {
    applyThreshold();
    summarize();
    listHits();
    draw();
  });
};
get("shown").onchange = () => show(Number(get("shown").value));
get("explain").onclick = () => explain(get("of").value === "second" && !get("of").hidden ? -1 : shown, Math.floor(Number(get("position").value)));
get("chart").onclick = (/** @type {MouseEvent} */ event) => {
  const width = pictureWidth();
  explain(shown, baseAt({ ...view, width }, event.clientX - get("chart").getBoundingClientRect().left));
};
for (const button of document.querySelectorAll("[data-zoom]")) {
  /** @type {HTMLElement} */ (button).onclick = () => zoom(/** @type {HTMLElement} */ (button).dataset.zoom ?? "");
}
for (const button of document.querySelectorAll("[data-download]")) {
  /** @type {HTMLElement} */ (button).onclick = () => downloads[/** @type {HTMLElement} */ (button).dataset.download ?? ""]();
}
for (const button of document.querySelectorAll("[data-example]")) {
  /** @type {HTMLElement} */ (button).onclick = () => file && useExample(/** @type {HTMLElement} */ (button).dataset.example ?? "");
}
let width = 0;
new ResizeObserver(() => {
  if (get("results").clientWidth !== width) draw();
  width = get("results").clientWidth;
}).observe(get("results"));
