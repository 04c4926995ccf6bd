/*
 * Arithmetic of word alignment on plain arrays: normalised attention, median filter, dynamic time
 * warping. Facts: openai/whisper, whisper/timing.py (find_alignment, median_filter, dtw_cpu).
 */
#ifndef ENGINE_DTW_H
#define ENGINE_DTW_H

/* w: n_rows x n_cols. Each column less its mean, over its standard deviation (0 where that is 0). */
void dtw_normalise(float *w, int n_rows, int n_cols);

/* dst[c] += median of src[c-3 .. c+3], n values, mirrored at both ends; the value itself if n <= 3. */
void dtw_median7_add(float *dst, const float *src, int n);

/*
 * The path of largest sum through `gain` (n_rows x n_cols, both >= 1) from the first to the last
 * element, each step going one row on, one column on, or both. Equal sums are settled as dtw_cpu
 * does. `path_row`, `path_col`: n_rows + n_cols ints each. Returns the path's length or
 * SOTTO_ENOMEM.
 */
int dtw_path(const float *gain, int n_rows, int n_cols, int *path_row, int *path_col);

#endif
