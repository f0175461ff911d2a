// Run the page's modules under node, without a page: `node run.mjs SITE/try < requests.json > answers.json`.
//
// A request is {text, track?, scale?, percentile?, stride, threshold, regions?}: the answer holds the windows and hits of
// each sequence, and contributions of regions, known sites and printed probabilities of the first one. Thresholds and
// what they say are in every answer.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";

const folder = pathToFileURL(process.argv[2] + "/");
const page = (name) => import(new URL(name, folder));
const [letters, models, access, hits, contributions, windows, thresholds, files, sites] = await Promise.all(
  ["letters.js", "model.js", "accessibility.js", "hits.js", "contributions.js", "windows.js", "thresholds.js", "files.js", "sites.js"].map(page),
);
const bytes = (name) => readFileSync(new URL(name, folder));
const file = JSON.parse(bytes("model.json").toString());
const wasm = gunzipSync(bytes("lib/ort-wasm-simd-threaded.wasm.gz"));
const ort = await models.startRuntime(new URL("lib/ort.wasm.bundle.min.mjs", folder), wasm);
const model = await models.Model.open(ort, new Uint8Array(bytes("model.onnx")), file);
const { metadata } = file;
const widths = metadata.accessibility_widths;

async function answer({ text, track, scale, percentile, stride, threshold, regions = [] }) {
  const sequences = letters.readSequences(text, metadata.alphabet);
  const intervals = track && access.readTrack(track);
  const knots = scale ? access.readScale(scale, widths) : null;
  const columns = ({ name, codes }, starts) =>
    intervals
      ? access.trackColumns(intervals, knots, name, codes.length, starts, widths)
      : access.constantColumns(starts.length, widths.length, percentile ?? NaN);
  const scanned = [];
  for (const sequence of sequences) {
    const starts = windows.windowStarts(sequence.codes.length, metadata.window_length, stride);
    const before = performance.now();
    const { probabilities } = await model.scan(sequence.codes, columns(sequence, starts), stride);
    const milliseconds = performance.now() - before;
    const rules = { windowLength: metadata.window_length, stride, resolution: file.summit_resolution };
    const called = hits.callHits(starts, probabilities, threshold, rules);
    scanned.push({ name: sequence.name, starts: [...starts], probabilities: [...probabilities], hits: called, milliseconds });
  }
  const explained = [];
  const [first] = sequences;
  for (const [start, end] of regions) {
    const all = windows.windowStarts(first.codes.length, metadata.window_length, 1);
    const found = await contributions.explain(model, first.codes, columns(first, all), 0, start, end);
    explained.push([...found.contributions]);
  }
  const found = sites.findSites(letters.decode(first.codes, metadata.alphabet), file.consensus);
  const decimals = scanned[0].probabilities.filter((value) => !Number.isNaN(value)).map(files.shortestDecimal);
  return { scanned, explained, sites: found, decimals };
}

const chosen = [];
for (const table of [metadata.with_accessibility, metadata.without_accessibility]) {
  for (const rate of [null, ...thresholds.offeredRates(table)]) {
    const threshold = thresholds.chooseThreshold(table, rate);
    const texts = [1, file.default_stride].map((stride) => thresholds.describeExpectation(threshold, stride, file.default_stride));
    const expected = [0.1, 0.5, 0.9, 0.99, 0.9999].map((each) => thresholds.expectedPrecision(table, Math.fround(each)));
    chosen.push({ rate, value: threshold.value, texts, expected });
  }
}

const answers = [];
for (const request of JSON.parse(readFileSync(0, "utf8"))) answers.push(await answer(request));
process.stdout.write(JSON.stringify({ selfTest: await model.selfTest(), chosen, answers }));
