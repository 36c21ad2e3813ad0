# Wrong versions of the exercises of section 2; grader.mistakes describes the format.


# %% mistake: not-scaled
# exercise: pixels_to_unit
# fails: test_pixels_are_scaled_by_the_largest_byte
# advice: The cast alone leaves values up to 255. They must still be scaled into [0, 1].
def pixels_to_unit(pixels):
    return pixels.float()


# %% mistake: divided-by-256
# exercise: pixels_to_unit
# fails: test_pixels_are_scaled_by_the_largest_byte
# advice: White comes out as 0.996. A byte has 256 values, but which one is the largest?
def pixels_to_unit(pixels):
    return pixels.float() / 256


# %% mistake: integer-division
# exercise: pixels_to_unit
# fails: test_pixels_become_float32
# advice: `//` divides integers into integers: all that is left is 0 and 1. Turn the bytes into floats, and use `/`.
def pixels_to_unit(pixels):
    return pixels // 255


# %% mistake: integer-division-then-cast
# exercise: pixels_to_unit
# fails: test_pixels_are_scaled_by_the_largest_byte
# advice: The division happened among integers, and the cast came too late: the fractions were gone. Cast first.
def pixels_to_unit(pixels):
    return (pixels // 255).float()


# %% mistake: float64
# exercise: pixels_to_unit
# fails: test_pixels_become_float32
# advice: float64 is twice the memory, and does not fit a model's float32 weights. Ask for float32.
def pixels_to_unit(pixels):
    return pixels.double() / 255


# %% mistake: scaled-by-the-brightest
# exercise: pixels_to_unit
# fails: test_pixels_are_scaled_by_the_largest_byte
# advice: You divide by the brightest pixel at hand, so a dark batch becomes bright. The scale belongs to the dtype, and
#   is the same for every batch.
def pixels_to_unit(pixels):
    return pixels / pixels.max()


# %% mistake: scaled-image-by-image
# exercise: pixels_to_unit
# fails: test_pixels_are_scaled_by_the_largest_byte
# advice: You divide each image by its own brightest pixel, so a dark image becomes bright. The scale belongs to the
#   dtype, and is the same for every image.
def pixels_to_unit(pixels):
    return pixels / pixels.amax(dim=(1, 2), keepdim=True)


# %% mistake: minus-one-to-one
# exercise: pixels_to_unit
# fails: test_pixels_are_scaled_by_the_largest_byte
# advice: Your values run from -1 to 1. Here 0 stays 0.
def pixels_to_unit(pixels):
    return pixels / 127.5 - 1


# %% mistake: classes-from-the-labels
# exercise: one_hot
# fails: test_one_hot_has_a_column_for_every_class
# advice: You take the number of classes from the largest label present. A batch need not hold every class: use
#   `num_classes`.
def one_hot(labels, num_classes):
    return torch.nn.functional.one_hot(labels).float()


# %% mistake: integer-result
# exercise: one_hot
# fails: test_one_hot_has_a_column_for_every_class
# advice: The result is made of integers. It is to meet a network's floats: turn it into float32.
def one_hot(labels, num_classes):
    return torch.nn.functional.one_hot(labels, num_classes)


# %% mistake: bool-result
# exercise: one_hot
# fails: test_one_hot_has_a_column_for_every_class
# advice: A comparison gives True and False. Turn them into ones and zeros of float32.
def one_hot(labels, num_classes):
    return labels[:, None] == torch.arange(num_classes)


# %% mistake: transposed
# exercise: one_hot
# fails: test_one_hot_has_a_column_for_every_class
# advice: Your rows are the classes and your columns the examples. Which of the two must be the column that broadcasts?
def one_hot(labels, num_classes):
    return (torch.arange(num_classes)[:, None] == labels).float()


# %% mistake: scatter-arguments-swapped
# exercise: one_hot
# fails: test_one_hot_puts_ones_in_the_labels_columns
# advice: Your ones stand in the *rows* that the labels name, all in column 0. In `scatter_(dim, index, value)`, `dim` is
#   the one that the index runs along.
def one_hot(labels, num_classes):
    return torch.zeros(len(labels), num_classes).scatter_(0, labels[:, None], 1.0)


# %% mistake: whole-columns
# exercise: one_hot
# fails: test_one_hot_puts_ones_in_the_labels_columns
# advice: `result[:, labels] = 1` writes to these columns in every row. Each row has a label of its own: give the rows an
#   index too.
def one_hot(labels, num_classes):
    result = torch.zeros(len(labels), num_classes)
    result[:, labels] = 1
    return result


# %% mistake: labels-from-one
# exercise: one_hot
# fails: test_one_hot_puts_ones_in_the_labels_columns
# advice: Every 1 stands one column too far left (that of label 0 came out at the end). Labels count from 0.
def one_hot(labels, num_classes):
    return torch.eye(num_classes)[labels - 1]


# %% mistake: paired-indexing
# exercise: select_grid
# fails: test_grid_has_a_row_for_each_row_index
# advice: `x[rows, columns]` walks through both lists together, like zip: (rows[0], columns[0]), (rows[1], columns[1]).
#   For a grid, the row indices must broadcast against the column indices.
def select_grid(x, rows, columns):
    return x[rows, columns]


# %% mistake: rows-only
# exercise: select_grid
# fails: test_grid_has_a_row_for_each_row_index
# advice: The rows are right, but all their columns came along.
def select_grid(x, rows, columns):
    return x[rows]


# %% mistake: rows-and-columns-swapped
# exercise: select_grid
# fails: test_grid_has_a_row_for_each_row_index
# advice: You use the row indices for the columns, and the other way round. The first axis of x is the rows.
def select_grid(x, rows, columns):
    return x[columns][:, rows]


# %% mistake: transposed
# exercise: select_grid
# fails: test_grid_has_a_row_for_each_row_index
# advice: Your grid is turned over: its first axis must follow `rows`. Which of the two index tensors got the extra axis?
def select_grid(x, rows, columns):
    return x[rows, columns[:, None]]


# %% mistake: slices
# exercise: select_grid
# fails: test_grid_has_a_row_for_each_row_index
# advice: You cut out everything between the smallest and the largest index. Only the indices given are asked for, in
#   their order.
def select_grid(x, rows, columns):
    return x[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


# %% mistake: order-lost
# exercise: select_grid
# fails: test_grid_holds_the_values_where_rows_and_columns_cross
# advice: The grid follows the order of x. It must follow the order of the indices, and repeat what they repeat.
def select_grid(x, rows, columns):
    return x[rows.sort().values][:, columns.sort().values]


# %% mistake: view-of-a-run
# exercise: select_grid
# fails: test_grid_is_a_copy
# advice: For a run of neighbours you return a slice, which shares its memory with x: writing to the grid writes to x.
#   Index tensors make a copy.
def select_grid(x, rows, columns):
    if (rows.diff() == 1).all() and (columns.diff() == 1).all():
        return x[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return x[rows[:, None], columns]


# %% mistake: reshape
# exercise: nhwc_to_nchw
# fails: test_each_channel_is_a_plane
# advice: The shape is right, but every number is in the wrong place: reshape keeps the order in memory, and cuts it anew.
#   To swap axes, take an operation that does that.
def nhwc_to_nchw(x):
    n, h, w, c = x.shape
    return x.reshape(n, c, h, w)


# %% mistake: height-and-width-swapped
# exercise: nhwc_to_nchw
# fails: test_channels_come_second
# advice: The channels are right, but height and width are swapped: your images lie on their sides. Write down where each
#   of the four old axes goes.
def nhwc_to_nchw(x):
    return x.transpose(1, 3).contiguous()


# %% mistake: wrong-direction
# exercise: nhwc_to_nchw
# fails: test_channels_come_second
# advice: That is the way from channels first to channels last. permute asks for each *new* axis which old one comes there.
def nhwc_to_nchw(x):
    return x.permute(0, 2, 3, 1).contiguous()


# %% mistake: batch-lost
# exercise: nhwc_to_nchw
# fails: test_channels_come_second
# advice: The channels came first, before the batch. Axis 0, the batch, stays where it is.
def nhwc_to_nchw(x):
    return x.permute(3, 0, 1, 2).contiguous()


# %% mistake: not-contiguous
# exercise: nhwc_to_nchw
# fails: test_result_is_contiguous
# advice: Swapping axes moves nothing in memory. Make a copy in plain order at the end.
def nhwc_to_nchw(x):
    return x.permute(0, 3, 1, 2)


# %% mistake: per-row
# exercise: standardize
# fails: test_standardize_works_on_columns
# advice: You average along the rows' own values. Each column is one feature: reduce over dimension 0, the rows.
def standardize(x):
    return (x - x.mean(1, keepdim=True)) / x.std(1, correction=0, keepdim=True)


# %% mistake: per-row-without-keepdim
# exercise: standardize
# fails: test_standardize_works_on_columns
# advice: Row statistics of shape (N,) were spread over the columns. Reduce over dimension 0.
def standardize(x):
    return (x - x.mean(1)) / x.std(1, correction=0)


# %% mistake: whole-tensor
# exercise: standardize
# fails: test_standardize_works_on_columns
# advice: One mean and one standard deviation for all of x mixes the features. Reduce over dimension 0 only.
def standardize(x):
    return (x - x.mean()) / x.std(correction=0)


# %% mistake: unbiased-std
# exercise: standardize
# fails: test_standardize_works_on_columns
# advice: torch's std divides by N - 1 by default. Ask for the biased one.
def standardize(x):
    return (x - x.mean(0)) / x.std(0)


# %% mistake: divided-by-the-variance
# exercise: standardize
# fails: test_standardize_works_on_columns
# advice: You divide by the variance. The standard deviation is its square root.
def standardize(x):
    return (x - x.mean(0)) / x.var(0, correction=0)


# %% mistake: only-centred
# exercise: standardize
# fails: test_standardize_works_on_columns
# advice: The columns have mean 0, but they still have their own spread. Scale them too.
def standardize(x):
    return x - x.mean(0)


# %% mistake: nan-on-constant-column
# exercise: standardize
# fails: test_standardize_gives_zeros_for_a_constant_column
# advice: A constant column has standard deviation 0, and 0 / 0 is NaN. Divide such a column by something else.
def standardize(x):
    return (x - x.mean(0)) / x.std(0, correction=0)


# %% mistake: torchs-own
# exercise: softmax
# fails: test_softmax_along_any_dimension
# advice: That is torch's own. Write the formula with exp and sum.
def softmax(x, dim):
    return torch.softmax(x, dim)


# %% mistake: dim-fixed
# exercise: softmax
# fails: test_softmax_along_any_dimension
# advice: You always work along the last dimension. Use the `dim` that you were given.
def softmax(x, dim):
    e = torch.exp(x - x.amax(-1, keepdim=True))
    return e / e.sum(-1, keepdim=True)


# %% mistake: first-dim-fixed
# exercise: softmax
# fails: test_softmax_along_any_dimension
# advice: You always work along the first dimension. Use the `dim` that you were given.
def softmax(x, dim):
    e = torch.exp(x - x.amax(0, keepdim=True))
    return e / e.sum(0, keepdim=True)


# %% mistake: sum-over-everything
# exercise: softmax
# fails: test_softmax_along_any_dimension
# advice: All probabilities together add up to 1. They should along `dim`, for each row (or column) on its own.
def softmax(x, dim):
    e = torch.exp(x - x.amax(dim, keepdim=True))
    return e / e.sum()


# %% mistake: no-keepdim
# exercise: softmax
# fails: test_softmax_along_any_dimension
# advice: Without keepdim=True the sum loses a dimension and is spread over the wrong one.
def softmax(x, dim):
    e = torch.exp(x - x.amax(dim, keepdim=True))
    return e / e.sum(dim)


# %% mistake: overflow
# exercise: softmax
# fails: test_softmax_survives_large_scores
# advice: exp(1000) is infinite, and inf / inf is NaN. Subtract the maximum along `dim` first.
def softmax(x, dim):
    return torch.exp(x) / torch.exp(x).sum(dim, keepdim=True)


# %% mistake: global-maximum
# exercise: softmax
# fails: test_softmax_survives_large_scores
# advice: You subtract the maximum of the whole tensor: a row far below it underflows to 0 / 0. Take it along `dim`.
def softmax(x, dim):
    e = torch.exp(x - x.max())
    return e / e.sum(dim, keepdim=True)


# %% mistake: graph-cut
# exercise: softmax
# fails: test_softmax_gradient
# advice: The values are right, but no gradient can flow back through them: somewhere you left the graph (`detach`,
#   `.data`, `no_grad`, NumPy).
def softmax(x, dim):
    x = x.detach()
    e = torch.exp(x - x.amax(dim, keepdim=True))
    return e / e.sum(dim, keepdim=True)


# %% mistake: denominator-detached
# exercise: softmax
# fails: test_softmax_gradient
# advice: The sum in the denominator depends on x as well, and its part of the gradient is missing. Only the maximum may be
#   detached.
def softmax(x, dim):
    e = torch.exp(x - x.amax(dim, keepdim=True))
    return e / e.detach().sum(dim, keepdim=True)


# %% mistake: divided-by-t
# exercise: masked_mean
# fails: test_masked_mean_counts_what_the_mask_lets_through
# advice: You divide by T, the length of the row. Divide by the number of positions where the mask is True.
def masked_mean(x, mask):
    return x.masked_fill(~mask, 0).mean(1)


# %% mistake: zeros-not-counted
# exercise: masked_mean
# fails: test_masked_mean_counts_what_the_mask_lets_through
# advice: You count the values that are not 0. A 0 where the mask is True is a value like any other: count the mask.
def masked_mean(x, mask):
    kept = x.masked_fill(~mask, 0)
    return kept.sum(1) / (kept != 0).sum(1).clamp(min=1)


# %% mistake: mask-inverted
# exercise: masked_mean
# fails: test_masked_mean_counts_what_the_mask_lets_through
# advice: You average where the mask is False. True means that the position counts.
def masked_mean(x, mask):
    return x.masked_fill(mask, 0).sum(1) / (~mask).sum(1).clamp(min=1)


# %% mistake: over-the-columns
# exercise: masked_mean
# fails: test_masked_mean_counts_what_the_mask_lets_through
# advice: You average each column over the batch. One mean is asked for each row: which dimension must disappear?
def masked_mean(x, mask):
    return x.masked_fill(~mask, 0).sum(0) / mask.sum(0).clamp(min=1)


# %% mistake: one-count-for-all
# exercise: masked_mean
# fails: test_masked_mean_counts_what_the_mask_lets_through
# advice: You divide every row by the count of the whole batch. Each row has a count of its own.
def masked_mean(x, mask):
    return x.masked_fill(~mask, 0).sum(1) / mask.sum()


# %% mistake: one-mean-for-all
# exercise: masked_mean
# fails: test_masked_mean_gives_a_number_for_each_row
# advice: Indexing with a mask flattens: the rows are gone, and one mean is left. Keep the shape, and put 0 where the mask
#   is False.
def masked_mean(x, mask):
    return x[mask].mean()


# %% mistake: keepdim-left
# exercise: masked_mean
# fails: test_masked_mean_gives_a_number_for_each_row
# advice: The result is (N, 1): keepdim=True is not wanted here, as nothing is broadcast back.
def masked_mean(x, mask):
    return x.masked_fill(~mask, 0).sum(1, keepdim=True) / mask.sum(1, keepdim=True).clamp(min=1)


# %% mistake: multiplied-by-the-mask
# exercise: masked_mean
# fails: test_masked_mean_is_not_poisoned
# advice: NaN * 0 is NaN, and so is infinity * 0. Multiplying does not silence what the mask excludes: choose instead.
def masked_mean(x, mask):
    return (x * mask).sum(1) / mask.sum(1).clamp(min=1)


# %% mistake: nan-on-an-empty-row
# exercise: masked_mean
# fails: test_masked_mean_of_an_empty_row_is_zero
# advice: A row without any True is 0 / 0, which is NaN. Keep its divisor from being 0.
def masked_mean(x, mask):
    return x.masked_fill(~mask, 0).sum(1) / mask.sum(1)


# %% mistake: graph-cut
# exercise: masked_mean
# fails: test_masked_mean_gradient
# advice: The values are right, but no gradient can flow back: they were taken out as plain numbers and packed into a new
#   tensor. Stay with tensors all the way.
def masked_mean(x, mask):
    return torch.tensor([r[m].mean().item() if m.any() else 0.0 for r, m in zip(x, mask)], dtype=x.dtype)


# %% mistake: sum-forgotten
# exercise: pairwise_squared_distances
# fails: test_distances_have_a_row_for_each_point_of_a
# advice: You return the squared difference of every coordinate, (N, M, D). A distance adds them up.
def pairwise_squared_distances(a, b):
    return (a[:, None] - b).square()


# %% mistake: transposed
# exercise: pairwise_squared_distances
# fails: test_distances_have_a_row_for_each_point_of_a
# advice: Your result is (M, N). Its rows must belong to a: which of the two got the extra axis in front?
def pairwise_squared_distances(a, b):
    return (a - b[:, None]).square().sum(2)


# %% mistake: summed-over-the-points
# exercise: pairwise_squared_distances
# fails: test_distances_have_a_row_for_each_point_of_a
# advice: You sum over the wrong axis of (N, M, D). It is the coordinates that must disappear.
def pairwise_squared_distances(a, b):
    return (a[:, None] - b).square().sum(1)


# %% mistake: only-matching-pairs
# exercise: pairwise_squared_distances
# fails: test_distances_have_a_row_for_each_point_of_a
# advice: `a - b` subtracts row by row: the first of a with the first of b. Every row of a must meet every row of b.
def pairwise_squared_distances(a, b):
    return (a - b).square().sum(1)


# %% mistake: square-root
# exercise: pairwise_squared_distances
# fails: test_distances_are_sums_of_squares
# advice: That is the distance. The squared distance is asked for: no square root.
def pairwise_squared_distances(a, b):
    return torch.cdist(a, b)


# %% mistake: not-squared
# exercise: pairwise_squared_distances
# fails: test_distances_are_sums_of_squares
# advice: You add up the differences themselves, so that positive and negative ones cancel. Square them first.
def pairwise_squared_distances(a, b):
    return (a[:, None] - b).sum(2)


# %% mistake: absolute-differences
# exercise: pairwise_squared_distances
# fails: test_distances_are_sums_of_squares
# advice: You add up absolute differences (the city-block distance). Take squares.
def pairwise_squared_distances(a, b):
    return (a[:, None] - b).abs().sum(2)


# %% mistake: mean-of-the-coordinates
# exercise: pairwise_squared_distances
# fails: test_distances_are_sums_of_squares
# advice: You average over the coordinates. The squared distance is their sum.
def pairwise_squared_distances(a, b):
    return (a[:, None] - b).square().mean(2)


# %% mistake: wrong-sign-in-the-expansion
# exercise: pairwise_squared_distances
# fails: test_distances_are_sums_of_squares
# advice: That is the squared length of a + b. In the square of a difference the mixed term has a minus.
def pairwise_squared_distances(a, b):
    return a.square().sum(1, keepdim=True) + b.square().sum(1) + 2 * a @ b.T


# %% mistake: negative-from-the-expansion
# exercise: pairwise_squared_distances
# fails: test_distances_are_never_negative
# advice: |a|^2 + |b|^2 - 2ab subtracts large numbers that almost cancel, and rounding can leave less than 0. Subtract the
#   points first, or don't let anything below 0 out.
def pairwise_squared_distances(a, b):
    return a.square().sum(1, keepdim=True) + b.square().sum(1) - 2 * a @ b.T


# %% mistake: graph-cut
# exercise: pairwise_squared_distances
# fails: test_distances_gradient
# advice: The values are right, but they were computed with plain numbers and packed into a new tensor: no gradient flows
#   back, and it is slow. Broadcast the tensors instead.
def pairwise_squared_distances(a, b):
    rows = [[sum((p - q) ** 2 for p, q in zip(m, n)) for n in b.tolist()] for m in a.tolist()]
    return torch.tensor(rows, dtype=a.dtype)


# %% mistake: loop-over-all-pairs
# exercise: pairwise_squared_distances
# fails: test_distances_need_no_loop
# advice: Two nested loops call torch N * M times. Give a an axis of size 1, so that one subtraction does every pair.
def pairwise_squared_distances(a, b):
    return torch.stack([torch.stack([((p - q) ** 2).sum() for q in b]) for p in a])


# %% mistake: loop-over-a
# exercise: pairwise_squared_distances
# fails: test_distances_need_no_loop
# advice: You still go through the rows of a one by one. Give a an axis of size 1, so that one subtraction does every pair.
def pairwise_squared_distances(a, b):
    return torch.stack([((p - b) ** 2).sum(1) for p in a])


# %% mistake: loop-over-b
# exercise: pairwise_squared_distances
# fails: test_distances_need_no_loop
# advice: You still go through the rows of b one by one. Give a an axis of size 1, so that one subtraction does every pair.
def pairwise_squared_distances(a, b):
    return torch.stack([((a - q) ** 2).sum(1) for q in b], dim=1)


# %% mistake: loop-over-the-coordinates
# exercise: pairwise_squared_distances
# fails: test_distances_need_no_loop
# advice: You still go through the coordinates one by one. Keep them as the last axis, and sum over it.
def pairwise_squared_distances(a, b):
    return sum((a[:, k, None] - b[:, k]) ** 2 for k in range(a.shape[1]))
