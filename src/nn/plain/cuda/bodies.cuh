// The kernels, for one `T`: kernels.cu says how they are called and takes them in for each.

// Softmax of scores times `scale` among the keys of the query's sequence; what is dropped of it where there is a mask.
KERNEL(softmax)(const T *scores, const unsigned *owners, const T *mask, T *probabilities, T *kept, float scale, int heads,
               int length, long long rows) {
    long long row = ROW;
    if (row >= rows) return;
    const unsigned *owner = owners + (unsigned)row / length / heads * length;
    unsigned own = owner[(unsigned)row % length];
    scores += row * length, probabilities += row * length;
    float most = -INFINITY, sum = 0;
    TURNS(i, length) if (owner[i] == own) most = fmaxf(most, up(scores[i]) * scale);
    most = most_of_lanes(most);
    TURNS(i, length) if (owner[i] == own) sum += expf(up(scores[i]) * scale - most);
    sum = sum_of_lanes(sum);
    TURNS(i, length) {
        float p = owner[i] == own ? expf(up(scores[i]) * scale - most) / sum : 0;
        put(probabilities + i, p);
        if (mask) put(kept + row * length + i, up(probabilities[i]) * up(mask[row * length + i]));
    }
}

// The gradient of the scores, given that of what was kept.
KERNEL(softmax_backward)(const T *gradient, const T *probabilities, const T *mask, T *scores, float scale, int length,
                        long long rows) {
    long long row = ROW;
    if (row >= rows) return;
    gradient += row * length, probabilities += row * length, scores += row * length;
    if (mask) mask += row * length;
    float sum = 0;
    TURNS(i, length) sum += up(probabilities[i]) * up(gradient[i]) * (mask ? up(mask[i]) : 1);
    sum = sum_of_lanes(sum);
    TURNS(i, length) {
        float of = up(gradient[i]) * (mask ? up(mask[i]) : 1);
        put(scores + i, up(probabilities[i]) * (of - sum) * scale);
    }
}

// states + (product + bias) · mask, and its layer norm, also rounded where there is room for that.
KERNEL(residual_norm)(const T *product, const float *bias, const float *mask, const float *states, const float *scale,
                     const float *shift, float *summed, float *normed, T *rounded, float epsilon, int width,
                     long long rows) {
    long long row = ROW;
    if (row >= rows) return;
    long long from = row * width;
    float mean = 0, variance = 0;
    TURNS(i, width) {
        float x = states[from + i] + (up(product[from + i]) + bias[i]) * (mask ? mask[from + i] : 1);
        summed[from + i] = x;
        mean += x;
    }
    mean = sum_of_lanes(mean) / width;
    TURNS(i, width) variance += (summed[from + i] - mean) * (summed[from + i] - mean);
    float over = 1 / sqrtf(sum_of_lanes(variance) / width + epsilon);
    TURNS(i, width) {
        float x = (summed[from + i] - mean) * over * scale[i] + shift[i];
        normed[from + i] = x;
        if (rounded) put(rounded + from + i, x);
    }
}

// A layer norm's gradient, given `input`, what came in, and that of what it puts out, `states` and `more` added. Leaves the
// gradient of what came in, the same times `mask` and rounded, and of each row its mean and one over its deviation.
KERNEL(norm_backward)(const float *input, const float *states, const T *more, const float *scale, const float *mask,
                     float *gradient, T *masked, float *about, float epsilon, int width, long long rows) {
    long long row = ROW;
    if (row >= rows) return;
    long long from = row * width;
    float mean = 0, variance = 0, across = 0, along = 0;
    TURNS(i, width) mean += input[from + i];
    mean = sum_of_lanes(mean) / width;
    TURNS(i, width) variance += (input[from + i] - mean) * (input[from + i] - mean);
    float over = 1 / sqrtf(sum_of_lanes(variance) / width + epsilon);
    TURNS(i, width) {
        float d = (states[from + i] + (more ? up(more[from + i]) : 0)) * scale[i];
        across += d;
        along += d * (input[from + i] - mean) * over;
    }
    across = sum_of_lanes(across) / width;
    along = sum_of_lanes(along) / width;
    TURNS(i, width) {
        float d = (states[from + i] + (more ? up(more[from + i]) : 0)) * scale[i];
        float x = (d - across - (input[from + i] - mean) * over * along) * over;
        gradient[from + i] = x;
        if (masked) put(masked + from + i, x * (mask ? mask[from + i] : 1));
    }
    if (LANE == 0) about[2 * row] = mean, about[2 * row + 1] = over;
}

// Of each column, over `chunk` rows: the gradients of a norm's scale and shift, and the sum of `masked`.
KERNEL(norm_columns)(const float *input, const float *states, const T *more, const T *masked, const float *about,
                    float *sums, int width, int chunk, long long rows) {
    long long number = (unsigned)THREAD / width, column = (unsigned)THREAD % width, first = number * chunk;
    if (first >= rows) return;
    long long last = first + chunk < rows ? first + chunk : rows;
    float scale = 0, shift = 0, sum = 0;
    for (long long row = first; row < last; row++) {
        long long at = row * width + column;
        float d = states[at] + (more ? up(more[at]) : 0);
        scale += d * (input[at] - about[2 * row]) * about[2 * row + 1];
        shift += d;
        if (masked) sum += up(masked[at]);
    }
    sums += number * 3 * width + column;
    sums[0] = scale, sums[width] = shift, sums[2 * width] = sum;
}

// The sum of `count` rows.
KERNEL(sum_rows)(const T *rows, float *sum, int count, int width) {
    long long column = THREAD;
    if (column >= width) return;
    float all = 0;
    for (int row = 0; row < count; row++) all += up(rows[(long long)row * width + column]);
    sum[column] = all;
}

// A product with its bias, and GELU of that.
KERNEL(gelu)(const T *product, const T *bias, T *expanded, T *wide, int width, long long count) {
    long long i = THREAD;
    if (i >= count) return;
    put(expanded + i, up(product[i]) + up(bias[(unsigned)i % width]));
    float x = up(expanded[i]);
    put(wide + i, 0.5f * x * (1 + erff(x * 0.70710678f)));
}

// The gradient of what GELU took in: Φ(x) + x · φ(x) times that of what it puts out.
KERNEL(gelu_backward)(const T *gradient, const T *expanded, T *out, long long count) {
    long long i = THREAD;
    if (i >= count) return;
    float x = up(expanded[i]);
    float slope = 0.5f * (1 + erff(x * 0.70710678f)) + x * 0.39894228f * expf(-0.5f * x * x);
    put(out + i, up(gradient[i]) * slope);
}

// Of tokens [T, parts · heads · width], with a bias or without, the heads' rows [parts, m, heads, length, width] times
// `factor`; zeros where no token stands, which has the owner `nobody`.
KERNEL(to_rows)(const T *tokens, const T *bias, const unsigned *gather, const unsigned *owners, T *rows, float factor,
               unsigned nobody, int parts, int heads, int width, int length, long long m) {
    unsigned rest = THREAD; // Rust sees to it that there are no more.
    int w = rest % width;
    rest /= width;
    int place = rest % length;
    rest /= length;
    int head = rest % heads;
    rest /= heads;
    long long at = (long long)(rest % (unsigned)m) * length + place;
    int part = rest / (unsigned)m;
    if (part >= parts) return;
    float x = 0;
    if (owners[at] != nobody) {
        int column = (part * heads + head) * width + w;
        x = up(tokens[(long long)gather[at] * parts * heads * width + column]) + (bias ? up(bias[column]) : 0);
    }
    put(rows + THREAD, x * factor);
}

// The way back, of up to three parts: [m, heads, length, width] each.
KERNEL(to_tokens)(const T *first, const T *second, const T *third, const unsigned *scatter, T *tokens, float factor,
                 int parts, int heads, int width, int length, long long count) {
    unsigned rest = THREAD; // Rust sees to it that there are no more.
    int w = rest % width;
    rest /= width;
    int head = rest % heads;
    rest /= heads;
    int part = rest % parts;
    long long token = rest / parts;
    if (token >= count) return;
    long long number = scatter[token] / length;
    int place = scatter[token] % length;
    const T *from = part == 0 ? first : part == 1 ? second : third;
    put(tokens + THREAD, up(from[((number * heads + head) * length + place) * width + w]) * factor);
}

// A step of AdamW of everything; the first `decaying` values decay.
KERNEL(adamw)(const float *values, const float *gradients, const float *scale, const float *old_first,
             const float *old_second, float *moved, T *rounded, float *first, float *second, float beta1, float beta2,
             float rate, float epsilon, float decay, long long decaying, long long count) {
    long long i = THREAD;
    if (i >= count) return;
    float g = gradients[i] * *scale;
    float m = g * (1 - beta1) + (old_first ? old_first[i] * beta1 : 0);
    float v = g * g * (1 - beta2) + (old_second ? old_second[i] * beta2 : 0);
    float x = values[i] * (i < decaying ? decay : 1) - m * rate / (sqrtf(v) + epsilon);
    first[i] = m, second[i] = v, moved[i] = x;
    if (rounded) put(rounded + i, x);
}

// What belongs to `begin..end`, end to end, added to `sum` where there is one; zeros in between.
KERNEL(collect)(Table table, const float *sum, float *out, long long begin, long long end) {
    long long i = THREAD + begin;
    if (i >= end) return;
    int low = 0, high = table.count;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (table.start[middle] <= i) low = middle;
        else high = middle;
    }
    long long at = i - table.start[low];
    float x = sum ? sum[i] : 0;
    if (at >= 0 && at < table.length[low])
        x += table.is_wide[low] ? ((const float *)table.from[low])[at] : up(((const T *)table.from[low])[at]);
    out[i] = x;
}
