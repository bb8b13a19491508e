// A policy that walks towards a goal it does not see, and one policy-gradient step on its walks:
// what `Navigation.play`, `as_data`, `reinforce` and `adapt` of maml_tutorial do, in plain JavaScript.
import { clamp, range } from "./kit.js";
import { unpack } from "./mlp.js";

/** A policy from its numbers in one list: the layers of the mean, and last the log deviations. */
export const unpackPolicy = (flat, sizes) => ({
  layers: unpack(flat, sizes),
  logStd: Float64Array.from(flat.slice(-sizes[sizes.length - 1])),
});

export const packPolicy = ({ layers, logStd }) => [...layers.flatMap(({ w, b }) => [...w, ...b]), ...logStd];

/** `n` standard normal numbers, the same for the same seed. */
export function normals(seed, n) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return (((bits ^ (bits >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
  return Float64Array.from({ length: n }, () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()));
}

/** What each layer gives in a state; the last entry is the mean of the action. */
function layersAt(layers, state) {
  const values = [state];
  layers.forEach(({ w, b }, i) => {
    const input = values[i];
    const output = new Float64Array(b.length);
    for (let o = 0, at = 0; o < output.length; o++) {
      let sum = b[o];
      for (let k = 0; k < input.length; k++, at++) sum += w[at] * input[k];
      output[o] = i < layers.length - 1 && sum < 0 ? 0 : sum;
    }
    values.push(output);
  });
  return values;
}

/** Walks of a policy: one for each pair of numbers that a step's noise has, as `Navigation.play`
    draws it (step by step, walk by walk). A walk is over once it arrives: no step follows. */
export function walks(policy, goal, noise, world) {
  const n = noise.length / (2 * world.horizon);
  const std = policy.logStd.map(Math.exp);
  return range(n).map((i) => {
    const walk = { states: [], actions: [], rewards: [], end: new Float64Array(2), arrived: false };
    for (let t = 0; t < world.horizon && !walk.arrived; t++) {
      const means = layersAt(policy.layers, walk.end)[policy.layers.length];
      const action = means.map((mu, d) => mu + std[d] * noise[2 * (t * n + i) + d]);
      walk.states.push(walk.end);
      walk.actions.push(action);
      walk.end = walk.end.map((v, d) => v + world.longestMove * clamp(action[d], -1, 1));
      const gap = walk.end.map((v, d) => v - goal[d]);
      walk.rewards.push(-Math.hypot(...gap));
      walk.arrived = Math.max(...gap.map(Math.abs)) < world.arrived;
    }
    return walk;
  });
}

/** How much better each step went than those of the other walks at its time, over all steps of
    mean 0 and deviation 1: a list for each walk. */
export function advantagesOf(walked, gamma) {
  const better = walked.map(({ rewards }) => {
    const ahead = [...rewards];
    for (let t = ahead.length - 2; t >= 0; t--) ahead[t] += gamma * ahead[t + 1];
    return ahead;
  });
  for (let t = 0; ; t++) {
    const walking = better.filter((ahead) => t < ahead.length);
    if (!walking.length) break;
    const usual = walking.reduce((sum, ahead) => sum + ahead[t], 0) / walking.length;
    for (const ahead of walking) ahead[t] -= usual;
  }
  const all = better.flat();
  const middle = all.reduce((sum, v) => sum + v, 0) / all.length;
  const spread = Math.sqrt(all.reduce((sum, v) => sum + (v - middle) ** 2, 0) / all.length);
  return better.map((ahead) => ahead.map((v) => (v - middle) / (spread + 1e-8)));
}

/** The gradient of minus the mean of log π(a|s) · A over all steps, in the shape of the policy. */
export function policySlope(policy, walked, gamma) {
  const { layers, logStd } = policy;
  const slope = {
    layers: layers.map(({ w, b }) => ({ w: new Float64Array(w.length), b: new Float64Array(b.length) })),
    logStd: new Float64Array(logStd.length),
  };
  const steps = walked.reduce((sum, { rewards }) => sum + rewards.length, 0);
  advantagesOf(walked, gamma).forEach((list, i) => list.forEach((advantage, t) => {
    const { states, actions } = walked[i];
    const values = layersAt(layers, states[t]);
    let delta = values[layers.length].map((mu, d) => {
      const z = (actions[t][d] - mu) / Math.exp(logStd[d]);
      slope.logStd[d] -= (advantage / steps) * (z * z - 1);
      return -((advantage / steps) * z) / Math.exp(logStd[d]);
    });
    for (let l = layers.length - 1; l >= 0; l--) {
      const [input, { w }, own] = [values[l], layers[l], slope.layers[l]];
      const before = new Float64Array(input.length);
      for (let o = 0, at = 0; o < delta.length; o++) {
        const by = delta[o];
        own.b[o] += by;
        for (let k = 0; k < input.length; k++, at++) {
          own.w[at] += by * input[k];
          if (input[k] > 0) before[k] += by * w[at];
        }
      }
      delta = before;
    }
  }));
  return slope;
}

/** The policy after one step of gradient descent; the one given is left as it is. */
export function updated(policy, walked, rate, gamma) {
  const slope = policySlope(policy, walked, gamma);
  const less = (values, by) => values.map((v, i) => v - rate * by[i]);
  return {
    layers: policy.layers.map(({ w, b }, l) => ({ w: less(w, slope.layers[l].w), b: less(b, slope.layers[l].b) })),
    logStd: less(policy.logStd, slope.logStd),
  };
}
