// Accessibility of windows: a bedGraph's mean over the bases around each window, then its percentile in the whole track.

import { InputError } from "./letters.js";
import { interpolate } from "./thresholds.js";

/** @typedef {Map<string, {starts: number[], ends: number[], values: number[]}>} Track Intervals by chromosome. */
/** @typedef {{values: number[], percentiles: number[]}} Knots */
/** @typedef {Map<number, Knots> | null} Scale Knots by width; null: the values are percentiles already. */

const INTEGER = /^\d+$/;

/**
 * Read a bedGraph: chrom, start, end and value on every line.
 *
 * @param {string} text
 * @returns {Track}
 */
export function readTrack(text) {
  /** @type {Track} */
  const track = new Map();
  text.split(/\r\n|\r|\n/).forEach((line, row) => {
    if (!line.trim() || /^(#|track\b|browser\b)/.test(line)) return;
    const [chrom, start, end, value, ...more] = line.trim().split(/\s+/);
    const number = Number(value);
    const isGood = INTEGER.test(start) && INTEGER.test(end) && Number(start) < Number(end) && value !== undefined;
    if (!isGood || more.length || !Number.isFinite(Math.fround(number)) || number < 0) {
      const shown = line.length > 60 ? `${line.slice(0, 60)}…` : line;
      throw new InputError(
        `The track's line ${row + 1} is no line of a bedGraph: "${shown}". Each line needs a chromosome, a start, a larger ` +
          "end, and a value of 0 or more.",
      );
    }
    const intervals = track.get(chrom) ?? { starts: [], ends: [], values: [] };
    intervals.starts.push(Number(start));
    intervals.ends.push(Number(end));
    intervals.values.push(number);
    track.set(chrom, intervals);
  });
  if (!track.size) throw new InputError("The track holds no interval. Choose a bedGraph with chromosome, start, end and value.");
  return track;
}

/**
 * Read a scale of `jundscan scale`, or the record of a scan, for the widths that the model sees.
 *
 * @param {string} text JSON.
 * @param {number[]} widths The first is the window's own.
 * @returns {Scale}
 */
export function readScale(text, widths) {
  const wrong = new InputError("This file is no accessibility scale. Make one of the whole track: jundscan scale TRACK -o scale.json.");
  let record;
  try {
    record = JSON.parse(text);
  } catch {
    throw wrong;
  }
  const found = record?.accessibility_scale ?? record;
  return new Map(
    widths.map((width, column) => {
      const knots = column ? found?.wider?.[width] : found;
      if (!areKnots(knots)) {
        if (column && areKnots(found)) {
          throw new InputError(`The scale has no percentiles for ${width} bases, which this model sees. Make it anew: jundscan scale.`);
        }
        throw wrong;
      }
      return [width, { values: knots.values, percentiles: knots.percentiles }];
    }),
  );
}

/** @param {any} knots */
function areKnots(knots) {
  const lists = [knots?.values, knots?.percentiles];
  if (!lists.every((list) => Array.isArray(list) && list.length && list.every((each) => Number.isFinite(each) && each >= 0))) {
    return false;
  }
  const [values, percentiles] = lists;
  return (
    values.length === percentiles.length &&
    values.every((/** @type {number} */ value, /** @type {number} */ at) => !at || value > values[at - 1]) &&
    percentiles.every((/** @type {number} */ each, /** @type {number} */ at) => each <= 1 && (!at || each >= percentiles[at - 1]))
  );
}

/**
 * Find the chromosome of a track that has a sequence's name, with or without "chr".
 *
 * @param {Track} track
 * @param {string} name
 */
export function matchingName(track, name) {
  const spellings = [name, name.startsWith("chr") ? name.slice(3) : `chr${name}`];
  return spellings.find((spelling) => track.has(spelling)) ?? null;
}

/**
 * Return the same accessibility for every window and width. @param {number} windows
 * @param {number} widths
 * @param {number} percentile NaN: not available.
 */
export function constantColumns(windows, widths, percentile) {
  return new Float32Array(windows * widths).fill(percentile);
}

/**
 * Return the percentiles of windows, by window and width.
 *
 * Bases without an interval, and beyond the sequence's ends, count as 0. Where intervals overlap, the highest value counts.
 *
 * @param {Track} track
 * @param {Scale} scale
 * @param {string} name Of the sequence.
 * @param {number} length Of the sequence, bases.
 * @param {Int32Array} starts
 * @param {number[]} widths
 */
export function trackColumns(track, scale, name, length, starts, widths) {
  const values = valuePerBase(track, matchingName(track, name), length);
  const sums = new Float64Array(length + 1);
  const covered = new Int32Array(length + 1); // a difference of sums need not be exactly 0 where every value is
  values.forEach((value, at) => {
    sums[at + 1] = sums[at] + value;
    covered[at + 1] = covered[at] + (value > 0 ? 1 : 0);
  });
  const columns = new Float32Array(starts.length * widths.length);
  widths.forEach((width, column) => {
    const knots = scale?.get(width);
    const offset = (widths[0] >> 1) - (width >> 1);
    starts.forEach((start, row) => {
      const begin = Math.max(start + offset, 0);
      const end = Math.min(start + offset + width, length);
      if (covered[end] === covered[begin]) return;
      const mean = Math.fround((sums[end] - sums[begin]) / width);
      columns[row * widths.length + column] = knots ? interpolate(mean, knots.values, knots.percentiles) : mean;
    });
  });
  return columns;
}

/**
 * @param {Track} track
 * @param {string | null} chrom
 * @param {number} length
 */
function valuePerBase(track, chrom, length) {
  const perBase = new Float64Array(length);
  const intervals = chrom === null ? undefined : track.get(chrom);
  intervals?.values.forEach((value, row) => {
    const end = Math.min(intervals.ends[row], length);
    for (let at = intervals.starts[row]; at < end; at++) perBase[at] = Math.max(perBase[at], value);
  });
  return perBase;
}

/**
 * Say what may mislead in a track: other names, other lengths, values that are no percentiles. Throws where nothing fits.
 *
 * @param {Track} track
 * @param {Scale} scale
 * @param {{name: string, codes: Uint8Array}[]} sequences
 * @returns {string[]}
 */
export function checkTrack(track, scale, sequences) {
  const matched = sequences.map(({ name }) => matchingName(track, name));
  const names = (/** @type {Iterable<string>} */ all) => [...all].slice(0, 5).join(", ");
  if (matched.every((name) => name === null)) {
    throw new InputError(
      `The track (${names(track.keys())}) and the sequences (${names(sequences.map(({ name }) => name))}) have no name in ` +
        'common. Name the sequence after its chromosome in the track: ">name" on the line above it.',
    );
  }
  const warnings = [];
  const closed = sequences.filter((_, at) => matched[at] === null).map(({ name }) => name);
  if (closed.length) warnings.push(`The track has no data for ${names(closed)}: taken as closed chromatin.`);
  let beyond = 0;
  let highest = 0;
  sequences.forEach(({ codes }, at) => {
    const intervals = track.get(matched[at] ?? "");
    beyond += intervals?.ends.filter((end) => end > codes.length).length ?? 0;
    highest = intervals?.values.reduce((most, value) => Math.max(most, value), highest) ?? highest;
  });
  if (!scale && highest > 1) {
    throw new InputError(
      `The track holds values up to ${highest}, so they are no percentiles. Choose the scale of the whole track too: ` +
        "jundscan scale TRACK -o scale.json makes it. A piece of a track cannot tell how open the rest of the genome is.",
    );
  }
  if (beyond) warnings.push(`${beyond} intervals of the track reach beyond the sequence's end. Is it another sequence?`);
  return warnings;
}
