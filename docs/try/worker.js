// The Web Worker of the page: loads the model, checks it, and answers one request after another.

import { checkTrack, constantColumns, trackColumns } from "./accessibility.js";
import { alternativeColumns, counterparts, logitDifferences } from "./compare.js";
import { explain } from "./contributions.js";
import { InputError } from "./letters.js";
import { Model, startRuntime } from "./model.js";
import { windowStarts } from "./windows.js";

/**
 * @typedef {import("./letters.js").Sequence} Sequence
 * @typedef {{percentile: number} | {track: import("./accessibility.js").Track, scale: import("./accessibility.js").Scale}} Accessibility
 *
 * @typedef {object} ScanRequest
 * @property {"scan"} kind
 * @property {Sequence[]} sequences
 * @property {Sequence | null} alternative Compared with the first sequence, at stride 1.
 * @property {Accessibility} accessibility
 * @property {number} stride
 *
 * @typedef {object} ExplainRequest
 * @property {"explain"} kind
 * @property {number} sequence Number in the last scan; -1 for the alternative.
 * @property {number} start
 * @property {number} end
 *
 * @typedef {object} ScanAnswer
 * @property {import("./files.js").Result[]} results
 * @property {import("./files.js").Result | null} alternative
 * @property {Float64Array | null} differences
 * @property {Int32Array | null} counterparts
 * @property {string[]} warnings
 */

/** @type {Model | undefined} */
let model;
/** @type {ScanRequest | undefined} */
let last;

/** @param {object} message */
const post = (message) => self.postMessage(message);

/** @param {string} name */
async function load(name) {
  const response = await fetch(new URL(name, import.meta.url));
  if (!response.ok) throw new InputError(`The page's file ${name} could not be loaded (${response.status}). Reload the page.`);
  return response;
}

/** @param {Response} response */
async function unzipped(response) {
  const body = /** @type {ReadableStream} */ (response.body).pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(body).arrayBuffer());
}

async function start() {
  const [file, bytes, wasm] = await Promise.all([
    load("model.json").then((response) => response.json()),
    load("model.onnx").then((response) => response.arrayBuffer()),
    load("lib/ort-wasm-simd-threaded.wasm.gz").then(unzipped),
  ]);
  const ort = await startRuntime(new URL("lib/ort.wasm.bundle.min.mjs", import.meta.url), wasm);
  model = await Model.open(ort, new Uint8Array(bytes), file);
  post({ kind: "ready", file });
}

/**
 * Return the accessibility of windows of a sequence, by window and width.
 *
 * @param {Model} open
 * @param {ScanRequest} request
 * @param {Sequence} sequence
 * @param {Int32Array} starts
 */
function columnsOf(open, { accessibility, sequences }, sequence, starts) {
  const widths = open.metadata.accessibility_widths;
  if ("percentile" in accessibility) return constantColumns(starts.length, widths.length, accessibility.percentile);
  const { track, scale } = accessibility;
  if (sequences.includes(sequence)) return trackColumns(track, scale, sequence.name, sequence.codes.length, starts, widths);
  const [{ name, codes }] = sequences;
  const whole = windowStarts(codes.length, open.metadata.window_length, 1);
  const columns = trackColumns(track, scale, name, codes.length, whole, widths);
  const all = alternativeColumns(columns, counterparts(codes, sequence.codes, open.metadata.window_length), widths.length);
  return all.slice(starts[0] * widths.length, (starts[starts.length - 1] + 1) * widths.length);
}

/** @param {Model} open @param {ScanRequest} request @returns {Promise<ScanAnswer>} */
async function scan(open, request) {
  const { sequences, alternative, accessibility, stride } = request;
  const windowLength = open.metadata.window_length;
  const all = alternative ? [...sequences, alternative] : sequences;
  const starts = all.map(({ codes }) => windowStarts(codes.length, windowLength, stride));
  if (starts.every((each) => !each.length)) {
    throw new InputError(`The sequence is too short: the model scores windows of ${windowLength} bases, so it needs at least as many.`);
  }
  const warnings = "track" in accessibility ? checkTrack(accessibility.track, accessibility.scale, sequences) : [];
  for (const [at, { name, codes }] of all.entries()) {
    if (!starts[at].length) warnings.push(`"${name}" has ${codes.length} bases, fewer than a window of ${windowLength}: not scored.`);
  }
  const total = starts.reduce((sum, each) => sum + each.length, 0);
  let done = 0;
  const results = [];
  for (const [at, sequence] of all.entries()) {
    const columns = starts[at].length ? columnsOf(open, request, sequence, starts[at]) : new Float32Array(0);
    const scored = await open.scan(sequence.codes, columns, stride, (windows) => {
      done += windows;
      post({ kind: "progress", share: done / total });
    });
    results.push({ name: sequence.name, length: sequence.codes.length, ...scored });
  }
  const other = alternative ? (results.pop() ?? null) : null;
  const rows = alternative ? counterparts(sequences[0].codes, alternative.codes, windowLength) : null;
  const logit = open.logit.bind(open);
  const differences = rows && other && logitDifferences(results[0].probabilities, other.probabilities, rows, logit);
  return { results, alternative: other, differences, counterparts: rows, warnings };
}

/** @param {Model} open @param {ExplainRequest} request */
async function explainRegion(open, { sequence: number, start: begin, end }) {
  const request = /** @type {ScanRequest} */ (last);
  const sequence = number < 0 ? /** @type {Sequence} */ (request.alternative) : request.sequences[number];
  const windowLength = open.metadata.window_length;
  const first = Math.max(begin - windowLength + 1, 0);
  const windows = Math.max(Math.min(end, sequence.codes.length - windowLength + 1) - first, 0);
  const starts = Int32Array.from({ length: windows }, (_, at) => first + at);
  const columns = windows ? columnsOf(open, request, sequence, starts) : new Float32Array(0);
  return explain(open, sequence.codes, columns, first, begin, end, (share) => post({ kind: "progress", share }));
}

const ready = start().catch((error) => post({ kind: "failed", message: messageOf(error) }));

/** @param {unknown} error */
function messageOf(error) {
  if (error instanceof InputError) return error.message;
  return `The page could not do this (${error instanceof Error ? error.message : error}). Reload it, or try another browser.`;
}

self.onmessage = async ({ data }) => {
  await ready;
  if (!model) return;
  try {
    if (data.kind === "scan") last = data;
    const answer = data.kind === "scan" ? await scan(model, data) : await explainRegion(model, data);
    post({ kind: "answer", id: data.id, answer });
  } catch (error) {
    post({ kind: "error", id: data.id, message: messageOf(error) });
  }
};
