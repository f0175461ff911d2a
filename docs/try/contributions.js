// Saturation mutagenesis, as jundscan/explanations/mutagenesis.py does: every substitution at every base of a region, each
// in a copy of its own, scored in all windows that cover the base.

import { UNKNOWN } from "./letters.js";
import { basesBetween, knownWindows, windowStarts } from "./windows.js";

const MULTIPLE = 16; // windows of a copy: remainders of vectors cost as much as whole ones

/**
 * @typedef {object} Contributions
 * @property {number} start
 * @property {number} end
 * @property {Float64Array} contributions By base: minus the mean effect of its substitutions, in logits. NaN: unknown.
 * @property {Float64Array} differences By base and letter: logit(mutated) - logit(reference), mean over the windows.
 */

/**
 * Explain the bases [start, end) of a sequence.
 *
 * @param {import("./model.js").Model} model
 * @param {Uint8Array} codes
 * @param {Float32Array} accessibility By window at stride 1 and width, of the windows from `firstWindow` on.
 * @param {number} firstWindow
 * @param {number} start
 * @param {number} end
 * @param {(share: number) => void} [onProgress]
 * @returns {Promise<Contributions>}
 */
export async function explain(model, codes, accessibility, firstWindow, start, end, onProgress = () => {}) {
  const { window_length: windowLength, flank, alphabet } = model.metadata;
  const { widths, span } = model;
  const reach = windowLength - 1;
  const windows = windowLength + ((MULTIPLE - (windowLength % MULTIPLE)) % MULTIPLE);
  const length = windows + span - 1;
  const allKnown = knownWindows(codes, windowStarts(codes.length, windowLength, 1), windowLength);

  // of the window that starts at base `start - reach + at`
  const count = end - start + windows;
  const columns = new Float32Array(count * widths).fill(NaN);
  for (let at = 0; at < count; at++) {
    const row = (start - reach + at - firstWindow) * widths;
    if (row >= 0 && row < accessibility.length) columns.set(accessibility.subarray(row, row + widths), at * widths);
  }
  const bases = basesBetween(codes, start - reach - flank, start - reach - flank + count + span - 1);
  const before = Array.from(await model.run(bases, 1, columns, 1), (value) => model.logit(value));
  const known = Array.from({ length: count }, (_, at) => allKnown[start - reach + at] === 1);

  const letters = alphabet.length;
  const differences = new Float64Array((end - start) * letters).fill(NaN);
  /** @type {{base: number, letter: number, covering: number}[]} */
  const substitutions = [];
  for (let base = 0; base < end - start; base++) {
    const own = codes[start + base];
    const covering = known.slice(base, base + windowLength).filter(Boolean).length;
    if (own === UNKNOWN || !covering) continue;
    differences[base * letters + own] = 0;
    for (let letter = 0; letter < letters; letter++) {
      if (letter !== own) substitutions.push({ base, letter, covering });
    }
  }

  const perCall = model.rowsPerCall(length);
  for (let first = 0; first < substitutions.length; first += perCall) {
    const some = substitutions.slice(first, first + perCall);
    const copies = new Uint8Array(some.length * length);
    const values = new Float32Array(some.length * windows * widths);
    some.forEach(({ base, letter }, row) => {
      copies.set(bases.subarray(base, base + length), row * length);
      copies[row * length + reach + flank] = letter;
      values.set(columns.subarray(base * widths, (base + windows) * widths), row * windows * widths);
    });
    const after = await model.run(copies, some.length, values, 1);
    some.forEach(({ base, letter, covering }, row) => {
      let sum = 0;
      for (let at = 0; at < windowLength; at++) {
        if (known[base + at]) sum += model.logit(after[row * windows + at]) - before[base + at];
      }
      differences[base * letters + letter] = sum / covering;
    });
    onProgress(Math.min(first + perCall, substitutions.length) / substitutions.length);
  }

  const contributions = Float64Array.from({ length: end - start }, (_, base) => {
    const row = differences.subarray(base * letters, (base + 1) * letters);
    return -row.reduce((sum, value) => sum + value, 0) / (letters - 1);
  });
  return { start, end, contributions, differences };
}
