// A network of layers with ReLU between them, its mean squared error, and gradient descent on it:
// what `adapt` of maml_tutorial does with an `MLP`, in plain JavaScript.

/** Cut a flat list of parameters (weight, bias, weight, bias …) into layers. */
export function unpack(flat, sizes) {
  let at = 0;
  const take = (n) => Float64Array.from(flat.subarray(at, (at += n)));
  return sizes.slice(1).map((outputs, i) => ({ w: take(outputs * sizes[i]), b: take(outputs) }));
}

/** What each layer gives for one number x; the last entry is the prediction. */
function forward(layers, x) {
  const values = [[x]];
  layers.forEach(({ w, b }, i) => {
    const input = values[i];
    const output = Array.from({ length: b.length });
    for (let o = 0; o < b.length; o++) {
      let sum = b[o];
      for (let k = 0; k < input.length; k++) sum += w[o * input.length + k] * input[k];
      output[o] = i < layers.length - 1 && sum < 0 ? 0 : sum;
    }
    values.push(output);
  });
  return values;
}

export const predict = (layers, xs) => xs.map((x) => forward(layers, x)[layers.length][0]);

/** The gradient of the mean squared error at the points (xs, ys), in the shape of the layers. */
function gradient(layers, xs, ys) {
  const slopes = layers.map(({ w, b }) => ({ w: new Float64Array(w.length), b: new Float64Array(b.length) }));
  xs.forEach((x, point) => {
    const values = forward(layers, x);
    let delta = [(2 / xs.length) * (values[layers.length][0] - ys[point])];
    for (let i = layers.length - 1; i >= 0; i--) {
      const input = values[i];
      const before = new Float64Array(input.length);
      for (let o = 0; o < delta.length; o++) {
        slopes[i].b[o] += delta[o];
        for (let k = 0; k < input.length; k++) {
          slopes[i].w[o * input.length + k] += delta[o] * input[k];
          if (input[k] > 0) before[k] += delta[o] * layers[i].w[o * input.length + k];
        }
      }
      delta = before;
    }
  });
  return slopes;
}

/** The layers after 0, 1, … `steps` gradient steps; the layers given are left as they are. */
export function adapt(layers, xs, ys, innerLr, steps) {
  const path = [layers];
  for (let s = 0; s < steps; s++) {
    const slopes = gradient(path[s], xs, ys);
    const next = (values, slope) => values.map((v, i) => v - innerLr * slope[i]);
    path.push(path[s].map(({ w, b }, i) => ({ w: next(w, slopes[i].w), b: next(b, slopes[i].b) })));
  }
  return path;
}
