// What the page offers to download: hits as BED, windows as TSV. Lines are those of `jundscan scan`.

import { roundHalfEven } from "./hits.js";

/**
 * @typedef {object} Result What one sequence scored.
 * @property {string} name
 * @property {number} length
 * @property {Int32Array} starts
 * @property {Float32Array} probabilities
 */

/**
 * Format a float32 as the shortest decimal that reads back as the same float32, as Python writes it.
 *
 * @param {number} value
 */
export function shortestDecimal(value) {
  for (let digits = 1; digits <= 9; digits++) {
    const number = Number(value.toPrecision(digits));
    if (Math.fround(number) === value || digits === 9) {
      if (number !== 0 && Math.abs(number) < 1e-4) {
        const [mantissa, exponent] = number.toExponential().split("e-");
        return `${mantissa}e-${exponent.padStart(2, "0")}`;
      }
      return Number.isInteger(number) ? number.toFixed(1) : String(number);
    }
  }
  return String(value);
}

/**
 * @param {{result: Result, hits: import("./hits.js").Hit[]}[]} scanned
 * @param {string} factor
 * @param {string[]} header
 */
export function bedText(scanned, factor, header) {
  const lines = header.map((line) => `# ${line}`);
  let number = 0;
  for (const { result, hits } of scanned) {
    for (const { start, end, best } of hits) {
      number++;
      lines.push([result.name, start, end, `${factor}_${number}`, roundHalfEven(1000 * best), "."].join("\t"));
    }
  }
  return lines.join("\n") + "\n";
}

/**
 * @param {Result[]} results
 * @param {number} windowLength
 * @param {string[]} header
 */
export function tsvText(results, windowLength, header) {
  const lines = [...header.map((line) => `# ${line}`), "#chrom\tstart\tend\tprobability"];
  for (const { name, starts, probabilities } of results) {
    starts.forEach((start, at) => {
      const value = probabilities[at];
      if (!Number.isNaN(value)) lines.push(`${name}\t${start}\t${start + windowLength}\t${shortestDecimal(value)}`);
    });
  }
  return lines.join("\n") + "\n";
}
