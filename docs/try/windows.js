// Windows of a sequence: they start at 0, stride, 2 · stride, … and at length - 101, where that is off the grid.

import { UNKNOWN } from "./letters.js";

/**
 * Return the start of each window, ascending.
 *
 * @param {number} length Bases of the sequence.
 * @param {number} windowLength
 * @param {number} stride
 */
export function windowStarts(length, windowLength, stride) {
  const last = length - windowLength;
  if (last < 0) return new Int32Array(0);
  const onGrid = Math.floor(last / stride) + 1;
  const starts = new Int32Array(onGrid + (last % stride ? 1 : 0));
  for (let at = 0; at < onGrid; at++) starts[at] = at * stride;
  starts[starts.length - 1] = last;
  return starts;
}

/**
 * Return 1 for each window without unknown letters, else 0.
 *
 * @param {Uint8Array} codes
 * @param {Int32Array} starts
 * @param {number} windowLength
 */
export function knownWindows(codes, starts, windowLength) {
  const before = new Int32Array(codes.length + 1);
  for (let at = 0; at < codes.length; at++) before[at + 1] = before[at] + (codes[at] === UNKNOWN ? 1 : 0);
  return Uint8Array.from(starts, (start) => (before[start + windowLength] === before[start] ? 1 : 0));
}

/**
 * Return the bases [start, end) of a sequence, with unknown letters beyond its ends.
 *
 * @param {Uint8Array} codes
 * @param {number} start
 * @param {number} end
 */
export function basesBetween(codes, start, end) {
  const bases = new Uint8Array(end - start).fill(UNKNOWN);
  bases.set(codes.subarray(Math.max(start, 0), Math.max(Math.min(end, codes.length), 0)), Math.max(-start, 0));
  return bases;
}
