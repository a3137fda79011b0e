// In the place of a kernel: the masked autoencoder of notebook 06 in the browser. It computes what
// `MaskedAutoencoder.forward` computes (lecturelib/mae.py), for one image, with weights in 16 bits.
// Tokens are (T, D), all rows one after the other in one array.

const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

// Return floats of 16 bits as floats of 32: sign, five bits of exponent, ten of fraction.
export function halves(codes) {
  return Float32Array.from(codes, (code) => {
    const [sign, exponent, fraction] = [code & 0x8000 ? -1 : 1, (code >> 10) & 31, code & 1023];
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
  });
}

export function read(known) {
  const weights = {};
  for (const [name, [shape, codes]] of Object.entries(known.weights)) {
    weights[name] = Object.assign(halves(new Uint16Array(bytes(codes).buffer)), { shape });
  }
  return { ...known, weights };
}

// ---- layers; `part` returns the weights of a layer by their names

const within = (weights, prefix) => (name) => weights[`${prefix}.${name}`];

function linear(part, x) {
  const [weight, bias] = [part("weight"), part("bias")];
  const [wide, from] = weight.shape;
  const y = new Float32Array((x.length / from) * wide);
  for (let t = 0, n = 0; t < x.length; t += from) {
    for (let o = 0; o < wide; o++, n++) {
      let sum = bias[o];
      for (let i = 0; i < from; i++) sum += weight[o * from + i] * x[t + i];
      y[n] = sum;
    }
  }
  return y;
}

function norm(part, x) {
  const [weight, bias] = [part("weight"), part("bias")];
  const D = weight.length;
  const y = new Float32Array(x.length);
  for (let t = 0; t < x.length; t += D) {
    const row = x.subarray(t, t + D);
    const mean = row.reduce((sum, v) => sum + v, 0) / D;
    const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / D;
    for (let i = 0; i < D; i++) y[t + i] = ((row[i] - mean) / Math.sqrt(variance + 1e-5)) * weight[i] + bias[i];
  }
  return y;
}

function attention(part, heads, x, D) {
  const [q, k, v] = ["q_proj", "k_proj", "v_proj"].map((name) => linear((each) => part(`${name}.${each}`), x));
  const [T, K] = [x.length / D, D / heads];
  const mix = new Float32Array(x.length);
  const weights = new Float64Array(T);
  for (let h = 0; h < D; h += K) {
    for (let t = 0; t < T; t++) {
      for (let s = 0; s < T; s++) {
        let dot = 0;
        for (let i = h; i < h + K; i++) dot += q[t * D + i] * k[s * D + i];
        weights[s] = dot / Math.sqrt(K);
      }
      const top = Math.max(...weights);
      let sum = 0;
      for (let s = 0; s < T; s++) sum += weights[s] = Math.exp(weights[s] - top);
      for (let s = 0; s < T; s++) {
        for (let i = h; i < h + K; i++) mix[t * D + i] += (weights[s] / sum) * v[s * D + i];
      }
    }
  }
  return linear((each) => part(`out_proj.${each}`), mix);
}

// The error function (Abramowitz and Stegun 1964, 7.1.26): wrong by less than 0.0000002.
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const sum = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - sum * Math.exp(-x * x));
}

const gelu = (x) => (x / 2) * (1 + erf(x / Math.SQRT2));
const add = (x, y) => x.map((v, n) => v + y[n]);

function blocks(weights, prefix, layers, heads, x, D) {
  for (let n = 0; n < layers; n++) {
    const part = within(weights, `${prefix}.${n}`);
    const of = (layer) => (name) => part(`${layer}.${name}`);
    x = add(x, attention(of("attention"), heads, norm(of("norm_attention"), x), D));
    const inner = linear(of("feed_forward.0"), norm(of("norm_feed_forward"), x)).map(gelu);
    x = add(x, linear(of("feed_forward.2"), inner));
  }
  return x;
}

// ---- the network

// Return for each pixel of an image (C, height, width), in the order of `patchify`, its place in the image.
export function order([channels, height, width], P) {
  const places = [];
  for (let row = 0; row < height; row += P) {
    for (let column = 0; column < width; column += P) {
      for (let c = 0; c < channels; c++) {
        for (let i = 0; i < P; i++) {
          for (let j = 0; j < P; j++) places.push((c * height + row + i) * width + column + j);
        }
      }
    }
  }
  return places;
}

// Return all patches (N * C P P) as the network paints them; `mask` (N) is 1 where a patch is hidden.
export function paint({ weights, layers, heads }, patches, mask) {
  const rows = (x, D, pick) => Float32Array.from(pick.flatMap((n) => [...x.subarray(n * D, (n + 1) * D)]));
  const visible = [...mask.keys()].filter((n) => !mask[n]);
  const D = weights["encoder.norm.weight"].length;
  let x = linear(within(weights, "encoder.patch_embed"), rows(patches, patches.length / mask.length, visible));
  x = add(x, rows(weights["encoder.pos_embed"], D, visible));
  x = norm(within(weights, "encoder.norm"), blocks(weights, "encoder.blocks", layers[0], heads[0], x, D));
  const narrow = linear(within(weights, "decoder_embed"), x);
  const W = weights.mask_token.length;
  const all = Float32Array.from(weights.decoder_pos_embed);
  mask.forEach((hidden, n) => {
    const at = hidden ? -1 : visible.indexOf(n);
    for (let i = 0; i < W; i++) all[n * W + i] += hidden ? weights.mask_token[i] : narrow[at * W + i];
  });
  const decoded = blocks(weights, "decoder_blocks", layers[1], heads[1], all, W);
  return linear(within(weights, "decoder_pred"), norm(within(weights, "decoder_norm"), decoded));
}

// ---- the answer

const squared = (x, y, where) => {
  let [sum, count] = [0, 0];
  x.forEach((v, n) => {
    if (!where(n)) return;
    sum += (v - y[n]) ** 2;
    count += 1;
  });
  return sum / count;
};

// Return what `repaint` returns (lecturelib/widgets/patch_answers.py): pixels in bytes, and both errors.
export function repaint(network, image, shape, mask) {
  const places = order(shape, network.patch_size);
  const patches = Float32Array.from(places, (place) => image[place]);
  const painted = paint(network, patches, mask).map((v) => Math.min(Math.max(v, 0), 1));
  const long = patches.length / mask.length;
  const hidden = (n) => mask[Math.floor(n / long)];
  const channel = (n) => Math.floor((n % long) / network.patch_size ** 2);
  const [sums, counts] = [new Float64Array(shape[0]), new Float64Array(shape[0])];
  patches.forEach((v, n) => {
    if (hidden(n)) return;
    sums[channel(n)] += v;
    counts[channel(n)] += 1;
  });
  const mean = patches.map((_, n) => sums[channel(n)] / counts[channel(n)]);
  const pixels = new Uint8Array(patches.length);
  places.forEach((place, n) => { pixels[place] = Math.round(255 * painted[n]); });
  return { pixels, error: squared(painted, patches, hidden), mean_error: squared(mean, patches, hidden) };
}

export function connect(model, known) {
  const network = read(known);
  const { images, shape } = model.get("data");
  const size = shape[1] * shape[2] * shape[3];
  const given = bytes(images);
  const by = () => [model.get("ratio"), model.get("kind"), model.get("seed")].join(" ");
  let drawn = by();
  let waits = false;

  const draw = () => {
    const N = model.get("mask").length;
    const hidden = Math.min(Math.max(Math.floor(model.get("ratio") * N + 0.5), 1), N - 1);
    const draws = known.masks[model.get("kind")][hidden - 1];
    const bits = bytes(draws[model.get("seed") % draws.length]);
    return Array.from({ length: N }, (_, n) => ((bits[n >> 3] >> (n & 7)) & 1) === 1);
  };

  const answer = () => {
    waits = false;
    if (by() !== drawn) {
      drawn = by();
      model.set("mask", draw());
    }
    const [number, image, own] = ["asked", "image", "own"].map((name) => model.get(name));
    const mask = model.get("mask");
    const reply = { number, image, own, mask, pixels: null, error: null, mean_error: null, message: "" };
    const full = mask.every((each) => each);
    if (full || !mask.some((each) => each)) {
      model.set("answer", { ...reply, message: known.refused[Number(full)] });
      return;
    }
    const blank = () => new Array(size).fill(0);
    const shown = own ? (model.get("drawing")?.flat() ?? blank()) : given.subarray(image * size, (image + 1) * size);
    const pixels = Float32Array.from(shown, (v) => (own ? v : v / 255));
    const made = repaint(network, pixels, shape.slice(1), Uint8Array.from(mask, Number));
    model.set("answer", { ...reply, ...made, pixels: btoa(String.fromCharCode(...made.pixels)) });
  };

  model.on("save", () => {
    if (waits || model.get("answer").number === model.get("asked")) return;
    waits = true;
    setTimeout(answer); // the page shows first what the hand has done
  });
}
