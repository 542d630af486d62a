// Scores of rows by onnxruntime in Node, without vaepipe; `onnxruntime-web` runs the same in a browser.
//
//     vaepipe export model.onnx -m vae.safetensors --summary json > model.json
//     npm install onnxruntime-node
//     node examples/onnx_node.mjs model.onnx model.json < rows.ndjson
//
// A row is a JSON object of numbers, Booleans, strings and lists; times are integers as the file describes them.

import { readFileSync } from "node:fs";
import ort from "onnxruntime-node";

const ARRAYS = {
  float: ["float32", Float32Array], double: ["float64", Float64Array], bool: ["bool", Uint8Array],
  int8: ["int8", Int8Array], int16: ["int16", Int16Array], int32: ["int32", Int32Array],
  uint8: ["uint8", Uint8Array], uint16: ["uint16", Uint16Array], uint32: ["uint32", Uint32Array],
  int64: ["int64", BigInt64Array, BigInt], uint64: ["uint64", BigUint64Array, BigInt],
};

// The rows as one input: numbers are typed arrays, words are strings.
function tensor(rows, { name, type, length, missing }) {
  const given = rows.flatMap((row) => (length === null ? [row[name]] : (row[name] ?? Array(length).fill(null))));
  const shape = length === null ? [rows.length] : [rows.length, length];
  if (missing === null && given.some((value) => value === null || value === undefined)) {
    throw new Error(`${name}: a value is missing, and no number can stand for it`);
  }
  if (type === "string") return new ort.Tensor("string", given.map((value) => value ?? missing), shape);
  const [of, Values, convert = Number] = ARRAYS[type];
  return new ort.Tensor(of, Values.from(given.map((value) => convert(value ?? missing))), shape);
}

const [file, described] = process.argv.slice(2);
// `vaepipe export --summary json` prints the inputs; the file has them as well, which onnxruntime for Node does not show.
const { inputs } = JSON.parse(readFileSync(described, "utf8"));
const rows = readFileSync(0, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
const session = await ort.InferenceSession.create(file);
const feeds = Object.fromEntries(inputs.map((input) => [input.name, tensor(rows, input)]));
const { anomaly_score: scores, is_anomaly: anomalies } = await session.run(feeds);
scores.data.forEach((score, n) => console.log(JSON.stringify({ anomaly_score: score, is_anomaly: !!anomalies?.data[n] })));
