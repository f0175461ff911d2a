// The model in the browser: ONNX Runtime Web runs the same file as jundscan does. The page answers only after the
// reference windows have scored as at the model's export.

import { InputError } from "./letters.js";
import { basesBetween, knownWindows, windowStarts } from "./windows.js";

/**
 * @typedef {object} CalibrationRow
 * @property {number} threshold
 * @property {number} recall
 * @property {number} fpr
 * @property {number | null} precision
 * @property {number | null} hit_precision
 * @property {number | null} peak_recall
 *
 * @typedef {object} ThresholdTable
 * @property {number} default_threshold
 * @property {string} default_rule
 * @property {CalibrationRow[]} rows
 *
 * @typedef {object} Metadata What the model's file says of itself, as far as the page needs it.
 * @property {string} name
 * @property {string} version
 * @property {string} factor
 * @property {string} alphabet
 * @property {number} window_length
 * @property {number} flank
 * @property {number[]} accessibility_widths
 * @property {Record<string, number>} tiles
 * @property {number} max_windows_per_call
 * @property {string} assembly
 * @property {string[]} cell_types
 * @property {ThresholdTable} with_accessibility
 * @property {ThresholdTable} without_accessibility
 * @property {Record<string, number[] | null> | null} self_test
 *
 * @typedef {object} ModelFile The build of the page makes it from the model: `model.json`.
 * @property {Metadata} metadata
 * @property {{letters: string, accessibility: number[][], stride: number, tolerance: number}} reference
 * @property {{sequence: string, name: string, strand: string}[]} consensus
 * @property {number} clip Probabilities are clipped to [clip, 1 - clip] before the logit.
 * @property {number} summit_resolution
 * @property {number} default_stride
 * @property {string} sha256
 *
 * @typedef {object} ScoredWindows
 * @property {Int32Array} starts
 * @property {Float32Array} probabilities NaN where a window holds unknown letters.
 */

const CALL_BASES = 1 << 16;
const PROGRESS_WINDOWS = 1 << 14;

/**
 * Start ONNX Runtime Web with one thread, from bytes that the caller has loaded.
 *
 * @param {string | URL} library Address of the library's JavaScript.
 * @param {Uint8Array<ArrayBuffer>} wasm
 */
export async function startRuntime(library, wasm) {
  /** @type {typeof import("onnxruntime-web")} */
  const ort = await import(String(library));
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = wasm;
  ort.env.logLevel = "fatal";
  return ort;
}

export class Model {
  /**
   * @param {typeof import("onnxruntime-web")} ort
   * @param {import("onnxruntime-web").InferenceSession} session
   * @param {ModelFile} file
   */
  constructor(ort, session, file) {
    this.ort = ort;
    this.session = session;
    this.file = file;
    this.metadata = file.metadata;
    this.span = file.metadata.window_length + 2 * file.metadata.flank;
    this.widths = file.metadata.accessibility_widths.length;
  }

  /**
   * Open a model, and compare its scores of the reference windows with those in its metadata.
   *
   * @param {typeof import("onnxruntime-web")} ort
   * @param {Uint8Array} bytes The `.onnx` file.
   * @param {ModelFile} file
   */
  static async open(ort, bytes, file) {
    const options = { executionProviders: ["wasm"], logSeverityLevel: /** @type {const} */ (4) };
    const model = new Model(ort, await ort.InferenceSession.create(bytes, options), file);
    const difference = await model.selfTest();
    if (!(difference <= file.reference.tolerance)) {
      throw new InputError(
        `This browser computes other numbers than the model's authors did: its reference scores differ by ` +
          `${difference.toPrecision(2)}. So the page gives no answer. Reload it, or try another browser.`,
      );
    }
    return model;
  }

  /**
   * Score sequences of one length, each with its accessibility, in one call.
   *
   * @param {Uint8Array} codes Rows of `length` bases.
   * @param {number} rows
   * @param {Float32Array} accessibility By row, window and width; NaN where not available.
   * @param {number} stride
   * @returns {Promise<Float32Array>} By row and window.
   */
  async run(codes, rows, accessibility, stride) {
    const { Tensor } = this.ort;
    const windows = accessibility.length / rows / this.widths;
    const shape = this.widths === 1 ? [rows, windows] : [rows, windows, this.widths];
    const inputs = {
      sequence: new Tensor("uint8", codes, [rows, codes.length / rows]),
      accessibility: new Tensor("float32", accessibility, shape),
      stride: new Tensor("int64", BigInt64Array.of(BigInt(stride)), []),
    };
    const { probability } = await this.session.run(inputs);
    return /** @type {Float32Array} */ (probability.data);
  }

  /**
   * Score every window of a sequence. Windows with unknown letters get NaN.
   *
   * @param {Uint8Array} codes
   * @param {Float32Array} accessibility By window and width, in the order of `windowStarts`.
   * @param {number} stride
   * @param {(windows: number) => void} [onProgress] Gets the number of windows of each call.
   * @returns {Promise<ScoredWindows>}
   */
  async scan(codes, accessibility, stride, onProgress = () => {}) {
    const { window_length: windowLength, flank } = this.metadata;
    const starts = windowStarts(codes.length, windowLength, stride);
    const known = knownWindows(codes, starts, windowLength);
    const probabilities = new Float32Array(starts.length).fill(NaN);
    const isOffGrid = starts.length > 0 && starts[starts.length - 1] % stride !== 0;
    const onGrid = starts.length - (isOffGrid ? 1 : 0);
    const step = this.windowsPerCall(stride);
    for (let first = 0; first < starts.length; ) {
      const end = first < onGrid ? Math.min(first + step, onGrid) : starts.length;
      if (known.subarray(first, end).some(Boolean)) {
        const bases = basesBetween(codes, starts[first] - flank, starts[end - 1] + windowLength + flank);
        const values = accessibility.subarray(first * this.widths, end * this.widths);
        probabilities.set(await this.run(bases, 1, values, stride), first);
      }
      onProgress(end - first);
      first = end;
    }
    known.forEach((isKnown, at) => {
      if (!isKnown) probabilities[at] = NaN;
    });
    return { starts, probabilities };
  }

  /** @param {number} stride */
  windowsPerCall(stride) {
    const tile = this.metadata.tiles[String(stride)];
    return tile ? Math.max(Math.floor(PROGRESS_WINDOWS / tile), 1) * tile : this.metadata.max_windows_per_call;
  }

  /** Sequences of a length that one call takes. @param {number} length */
  rowsPerCall(length) {
    const windows = length - this.span + 1;
    return Math.max(1, Math.min(Math.floor(CALL_BASES / length), Math.floor(this.metadata.max_windows_per_call / windows)));
  }

  /** Return the logit of a probability, clipped as in jundscan. @param {number} probability */
  logit(probability) {
    const { clip } = this.file;
    const clipped = Math.min(Math.max(probability, clip), 1 - clip);
    return Math.log(clipped / (1 - clipped));
  }

  /** Return the largest difference from the reference scores: as one row, by single windows, with and without flanks. */
  async selfTest() {
    const { reference, metadata } = this.file;
    const expected = metadata.self_test;
    if (!expected) throw new InputError("The model holds no reference scores, so this page cannot check itself.");
    const codes = Uint8Array.from(reference.letters, (letter) => (metadata.alphabet + "N").indexOf(letter));
    const columns = Float32Array.from(reference.accessibility.flat());
    const none = new Float32Array(columns.length).fill(NaN);
    const windows = reference.accessibility.length;
    const apart = Uint8Array.from({ length: windows * this.span }, (_, at) => {
      return codes[Math.floor(at / this.span) * reference.stride + (at % this.span)];
    });
    const { flank } = metadata;
    const alone = apart.map((code, at) => (at % this.span < flank || at % this.span >= this.span - flank ? 4 : code));
    const own = columns.map((value, at) => (at % this.widths ? NaN : value));
    /** @type {[string, Uint8Array, number, Float32Array][]} */
    const runs = [
      ["with_accessibility", codes, 1, columns],
      ["without_accessibility", codes, 1, none],
      ["with_accessibility", apart, windows, columns],
      ["without_accessibility", apart, windows, none],
      ["window_with_accessibility", alone, windows, own],
      ["window_without_accessibility", alone, windows, none],
    ];
    let largest = 0;
    for (const [mode, bases, rows, values] of runs) {
      const scores = expected[mode];
      if (!scores) continue;
      const found = await this.run(bases, rows, values, reference.stride);
      if (found.length !== scores.length) return Infinity;
      found.forEach((value, at) => {
        const difference = Math.abs(value - scores[at]);
        largest = difference <= largest ? largest : difference; // NaN is a difference too
      });
    }
    return largest;
  }
}
