# Wrong versions of the exercises of section 7; grader.mistakes describes the format.

# %% mistake: no-plus-one
# exercise: conv_output_size
# fails: test_conv_output_size_with_stride_and_padding
# advice: You count the steps that the kernel takes. The place it starts from is a place as well.
def conv_output_size(n, kernel, stride=1, padding=0, dilation=1):
    return (n + 2 * padding - dilation * (kernel - 1) - 1) // stride


# %% mistake: plus-one-before-the-division
# exercise: conv_output_size
# fails: test_conv_output_size_with_stride_and_padding
# advice: The first place is added after the division: it costs no stride. Draw n = 6, kernel = 3, stride = 2 and count.
def conv_output_size(n, kernel, stride=1, padding=0, dilation=1):
    return (n + 2 * padding - dilation * (kernel - 1) - 1 + 1) // stride


# %% mistake: rounded-up
# exercise: conv_output_size
# fails: test_conv_output_size_with_stride_and_padding
# advice: A last step that would hang over the end is not taken: round down, not up.
def conv_output_size(n, kernel, stride=1, padding=0, dilation=1):
    return -(-(n + 2 * padding - dilation * (kernel - 1) - 1) // stride) + 1


# %% mistake: rounded-to-nearest
# exercise: conv_output_size
# fails: test_conv_output_size_with_stride_and_padding
# advice: A step that does not fit whole is not taken: round down. `round` goes up from a half.
def conv_output_size(n, kernel, stride=1, padding=0, dilation=1):
    return round((n + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1)


# %% mistake: float-result
# exercise: conv_output_size
# fails: test_conv_output_size_with_stride_and_padding
# advice: `/` gives a float with a fraction. A number of places is an int, rounded down: `//`.
def conv_output_size(n, kernel, stride=1, padding=0, dilation=1):
    return (n + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1


# %% mistake: padding-at-one-end
# exercise: conv_output_size
# fails: test_conv_output_size_with_stride_and_padding
# advice: Padding is added at both ends, so the row grows by twice as much.
def conv_output_size(n, kernel, stride=1, padding=0, dilation=1):
    return (n + padding - dilation * (kernel - 1) - 1) // stride + 1


# %% mistake: stride-ignored
# exercise: conv_output_size
# fails: test_conv_output_size_with_stride_and_padding
# advice: With a larger stride there are fewer places. Divide what is left over by it.
def conv_output_size(n, kernel, stride=1, padding=0, dilation=1):
    return n + 2 * padding - dilation * (kernel - 1)


# %% mistake: dilation-times-kernel
# exercise: conv_output_size
# fails: test_conv_output_size_with_dilation
# advice: `kernel` values have `kernel - 1` gaps between them, and dilation widens the gaps. 3 values with dilation 2 span
# 5 places, not 6.
def conv_output_size(n, kernel, stride=1, padding=0, dilation=1):
    return (n + 2 * padding - dilation * kernel) // stride + 1


# %% mistake: dilation-ignored
# exercise: conv_output_size
# fails: test_conv_output_size_with_dilation
# advice: A dilated kernel spans more places than it has values. Where does `dilation` come in?
def conv_output_size(n, kernel, stride=1, padding=0, dilation=1):
    return (n + 2 * padding - kernel) // stride + 1


# %% mistake: flipped-kernel
# exercise: conv2d
# fails: test_conv2d_of_an_impulse
# advice: You flip the kernel first, as the convolution of mathematics does. In deep learning nothing is flipped: the
# first row and column of the window meet the first row and column of the kernel.
def conv2d(x, weight, bias=None, stride=1, padding=0):
    weight = weight.flip(2, 3)
    windows = F.pad(x, (padding,) * 4).unfold(2, weight.shape[2], stride).unfold(3, weight.shape[3], stride)
    out = torch.einsum("nchwij,ocij->nohw", windows, weight)
    return out if bias is None else out + bias[:, None, None]


# %% mistake: transposed-kernel
# exercise: conv2d
# fails: test_conv2d_of_an_impulse
# advice: Rows and columns of the kernel are mixed up: reading it in another order than the window pairs the wrong values.
def conv2d(x, weight, bias=None, stride=1, padding=0):
    kh, kw = weight.shape[2:]
    windows = F.pad(x, (padding,) * 4).unfold(2, kh, stride).unfold(3, kw, stride)
    out = torch.einsum("nchwij,ocij->nohw", windows, weight.transpose(2, 3).reshape(weight.shape))
    return out if bias is None else out + bias[:, None, None]


# %% mistake: input-and-output-channels-swapped
# exercise: conv2d
# fails: test_conv2d_shape
# advice: The first dimension of the weight is the output channels, the second the input channels: (Co, Ci, kh, kw).
def conv2d(x, weight, bias=None, stride=1, padding=0):
    windows = F.pad(x, (padding,) * 4).unfold(2, weight.shape[2], stride).unfold(3, weight.shape[3], stride)
    out = torch.einsum("nchwij,coij->nohw", windows, weight)
    return out if bias is None else out + bias[:, None, None]


# %% mistake: weight-reshaped-not-transposed
# exercise: conv2d
# fails: test_conv2d_adds_up_channels_and_bias
# advice: `reshape` reads the numbers in the order in which they lie: a weight of (Co, Ci, kh, kw) reshaped to
# (Ci * kh * kw, Co) mixes channels and kernels. Keep Co in front, then transpose.
def conv2d(x, weight, bias=None, stride=1, padding=0):
    co, _, kh, kw = weight.shape
    windows = F.pad(x, (padding,) * 4).unfold(2, kh, stride).unfold(3, kw, stride)
    windows = windows.permute(0, 2, 3, 1, 4, 5).flatten(3)  # (N, Ho, Wo, Ci * kh * kw)
    out = (windows @ weight.reshape(-1, co)).permute(0, 3, 1, 2)
    return out if bias is None else out + bias[:, None, None]


# %% mistake: output-reshaped-not-permuted
# exercise: conv2d
# fails: test_conv2d_adds_up_channels_and_bias
# advice: The shape of your output is right, the order is not: channels came out last, and a reshape to (N, Co, Ho, Wo)
# does not move them. Permute.
def conv2d(x, weight, bias=None, stride=1, padding=0):
    co, _, kh, kw = weight.shape
    windows = F.pad(x, (padding,) * 4).unfold(2, kh, stride).unfold(3, kw, stride)
    n, _, ho, wo = windows.shape[:4]
    windows = windows.permute(0, 2, 3, 1, 4, 5).flatten(3)  # (N, Ho, Wo, Ci * kh * kw)
    out = (windows @ weight.reshape(co, -1).T).reshape(n, co, ho, wo)
    return out if bias is None else out + bias[:, None, None]


# %% mistake: mean-over-channels
# exercise: conv2d
# fails: test_conv2d_adds_up_channels_and_bias
# advice: The products are added up over the input channels, not averaged.
def conv2d(x, weight, bias=None, stride=1, padding=0):
    windows = F.pad(x, (padding,) * 4).unfold(2, weight.shape[2], stride).unfold(3, weight.shape[3], stride)
    out = torch.einsum("nchwij,ocij->nohw", windows, weight) / x.shape[1]
    return out if bias is None else out + bias[:, None, None]


# %% mistake: first-channel-only
# exercise: conv2d
# fails: test_conv2d_adds_up_channels_and_bias
# advice: Only the first input channel is looked at. Every output channel adds up what it finds in all of them.
def conv2d(x, weight, bias=None, stride=1, padding=0):
    windows = F.pad(x, (padding,) * 4).unfold(2, weight.shape[2], stride).unfold(3, weight.shape[3], stride)
    out = torch.einsum("nhwij,oij->nohw", windows[:, 0], weight[:, 0])
    return out if bias is None else out + bias[:, None, None]


# %% mistake: bias-ignored
# exercise: conv2d
# fails: test_conv2d_adds_up_channels_and_bias
# advice: The bias is never added. Each output channel has one.
def conv2d(x, weight, bias=None, stride=1, padding=0):
    windows = F.pad(x, (padding,) * 4).unfold(2, weight.shape[2], stride).unfold(3, weight.shape[3], stride)
    return torch.einsum("nchwij,ocij->nohw", windows, weight)


# %% mistake: bias-along-the-columns
# exercise: conv2d
# fails: test_conv2d_adds_up_channels_and_bias
# advice: A bias of shape (Co,) broadcasts along the last dimension, the columns. Give it two more dimensions, so that it
# lines up with the channels.
def conv2d(x, weight, bias=None, stride=1, padding=0):
    windows = F.pad(x, (padding,) * 4).unfold(2, weight.shape[2], stride).unfold(3, weight.shape[3], stride)
    out = torch.einsum("nchwij,ocij->nohw", windows, weight)
    return out if bias is None else out + bias


# %% mistake: padding-on-two-sides
# exercise: conv2d
# fails: test_conv2d_stride_and_padding
# advice: You pad only the left and the top. `F.pad` takes four numbers here: left, right, top, bottom.
def conv2d(x, weight, bias=None, stride=1, padding=0):
    windows = F.pad(x, (padding, 0, padding, 0)).unfold(2, weight.shape[2], stride).unfold(3, weight.shape[3], stride)
    out = torch.einsum("nchwij,ocij->nohw", windows, weight)
    return out if bias is None else out + bias[:, None, None]


# %% mistake: padding-of-the-columns-only
# exercise: conv2d
# fails: test_conv2d_stride_and_padding
# advice: You pad left and right, and not above and below. `F.pad` starts with the last dimension: left, right, top, bottom.
def conv2d(x, weight, bias=None, stride=1, padding=0):
    windows = F.pad(x, (padding, padding)).unfold(2, weight.shape[2], stride).unfold(3, weight.shape[3], stride)
    out = torch.einsum("nchwij,ocij->nohw", windows, weight)
    return out if bias is None else out + bias[:, None, None]


# %% mistake: padding-twice-at-one-end
# exercise: conv2d
# fails: test_conv2d_stride_and_padding
# advice: The size is right, but all of the padding is at the left and at the top. Half of it belongs on the other sides.
def conv2d(x, weight, bias=None, stride=1, padding=0):
    x = F.pad(x, (2 * padding, 0, 2 * padding, 0))
    windows = x.unfold(2, weight.shape[2], stride).unfold(3, weight.shape[3], stride)
    out = torch.einsum("nchwij,ocij->nohw", windows, weight)
    return out if bias is None else out + bias[:, None, None]


# %% mistake: stride-of-the-rows-only
# exercise: conv2d
# fails: test_conv2d_stride_and_padding
# advice: The stride is used for the rows and not for the columns. It holds for both dimensions.
def conv2d(x, weight, bias=None, stride=1, padding=0):
    windows = F.pad(x, (padding,) * 4).unfold(2, weight.shape[2], stride).unfold(3, weight.shape[3], 1)
    out = torch.einsum("nchwij,ocij->nohw", windows, weight)
    return out if bias is None else out + bias[:, None, None]


# %% mistake: detached-output
# exercise: conv2d
# fails: test_conv2d_gradients
# advice: The output is cut off from the graph (`.detach()`, `.data`, `no_grad` or NumPy), so nothing could be learnt.
def conv2d(x, weight, bias=None, stride=1, padding=0):
    windows = F.pad(x, (padding,) * 4).unfold(2, weight.shape[2], stride).unfold(3, weight.shape[3], stride)
    out = torch.einsum("nchwij,ocij->nohw", windows, weight).detach()
    return out if bias is None else out + bias.detach()[:, None, None]


# %% mistake: weight-detached
# exercise: conv2d
# fails: test_conv2d_gradients
# advice: The weight is copied out of the graph (`.data`, `.detach()` or `torch.tensor`): its gradient is lost.
def conv2d(x, weight, bias=None, stride=1, padding=0):
    windows = F.pad(x, (padding,) * 4).unfold(2, weight.shape[2], stride).unfold(3, weight.shape[3], stride)
    out = torch.einsum("nchwij,ocij->nohw", windows, weight.data)
    return out if bias is None else out + bias[:, None, None]


# %% mistake: loop-over-pixels
# exercise: conv2d
# fails: test_conv2d_has_no_loop_over_pixels
# advice: You compute one output pixel at a time. Loop over the few positions inside the kernel instead, each with a slice
# of the whole image; or take all windows at once with `unfold`.
def conv2d(x, weight, bias=None, stride=1, padding=0):
    x = F.pad(x, (padding,) * 4)
    kh, kw = weight.shape[2:]
    rows = []
    for i in range(0, x.shape[2] - kh + 1, stride):
        row = []
        for j in range(0, x.shape[3] - kw + 1, stride):
            row.append(torch.einsum("ncij,ocij->no", x[:, :, i : i + kh, j : j + kw], weight))
        rows.append(torch.stack(row, -1))
    out = torch.stack(rows, -2)
    return out if bias is None else out + bias[:, None, None]


# %% mistake: stride-one-by-default
# exercise: max_pool2d
# fails: test_max_pool2d_shape
# advice: Without a stride the windows lie side by side: the stride is then the size of the window, not 1.
def max_pool2d(x, kernel, stride=None, padding=0):
    stride = stride or 1
    x = F.pad(x, (padding,) * 4, value=-torch.inf)
    return x.unfold(2, kernel, stride).unfold(3, kernel, stride).amax((-2, -1))


# %% mistake: rounded-up
# exercise: max_pool2d
# fails: test_max_pool2d_shape
# advice: Rows and columns that do not fill a window are left out: sizes are rounded down.
def max_pool2d(x, kernel, stride=None, padding=0):
    return F.max_pool2d(x, kernel, stride, padding, ceil_mode=True)


# %% mistake: largest-of-all-channels
# exercise: max_pool2d
# fails: test_max_pool2d_shape
# advice: You take the maximum over the channels as well. Every channel is pooled by itself: only the window disappears.
def max_pool2d(x, kernel, stride=None, padding=0):
    return F.max_pool2d(x, kernel, stride, padding).amax(1, keepdim=True)


# %% mistake: channels-mixed
# exercise: max_pool2d
# fails: test_max_pool2d_takes_the_largest_of_each_window
# advice: The columns of `F.unfold` hold all values of the first channel's window, then those of the second: read them as
# (N, C, kernel * kernel, L), in this order.
def max_pool2d(x, kernel, stride=None, padding=0):
    stride = kernel if stride is None else stride
    x = F.pad(x, (padding,) * 4, value=-torch.inf)
    n, c, h, w = x.shape
    columns = F.unfold(x, kernel, stride=stride).view(n, kernel * kernel, c, -1)
    return columns.amax(1).view(n, c, (h - kernel) // stride + 1, -1)


# %% mistake: average
# exercise: max_pool2d
# fails: test_max_pool2d_takes_the_largest_of_each_window
# advice: This is average pooling. Of each window only the largest value is kept.
def max_pool2d(x, kernel, stride=None, padding=0):
    stride = kernel if stride is None else stride
    x = F.pad(x, (padding,) * 4)
    return x.unfold(2, kernel, stride).unfold(3, kernel, stride).mean((-2, -1))


# %% mistake: stride-ignored
# exercise: max_pool2d
# fails: test_max_pool2d_takes_the_largest_of_each_window
# advice: The windows always lie side by side. If a stride is given, it says how far they are apart.
def max_pool2d(x, kernel, stride=None, padding=0):
    return F.max_pool2d(x, kernel, kernel, padding)


# %% mistake: starts-from-zero
# exercise: max_pool2d
# fails: test_max_pool2d_takes_the_largest_of_each_window
# advice: The running maximum starts from 0, so no negative value is ever the largest. Start from minus infinity, or from
# the first value.
def max_pool2d(x, kernel, stride=None, padding=0):
    return F.max_pool2d(x, kernel, stride, padding).clamp(min=0)


# %% mistake: padded-with-zeros
# exercise: max_pool2d
# fails: test_max_pool2d_padding_never_wins
# advice: Zeros in the padding win against negative pixels. Pad with a value that is smaller than every other.
def max_pool2d(x, kernel, stride=None, padding=0):
    stride = kernel if stride is None else stride
    x = F.pad(x, (padding,) * 4)
    return x.unfold(2, kernel, stride).unfold(3, kernel, stride).amax((-2, -1))


# %% mistake: padded-with-minus-one
# exercise: max_pool2d
# fails: test_max_pool2d_padding_never_wins
# advice: The padding is a negative number that was guessed, and there are pixels below it. Minus infinity is below all.
def max_pool2d(x, kernel, stride=None, padding=0):
    stride = kernel if stride is None else stride
    x = F.pad(x, (padding,) * 4, value=-1.0)
    return x.unfold(2, kernel, stride).unfold(3, kernel, stride).amax((-2, -1))


# %% mistake: padding-ignored
# exercise: max_pool2d
# fails: test_max_pool2d_padding_never_wins
# advice: `padding` is not used: the image has to grow on all four sides before the windows are taken.
def max_pool2d(x, kernel, stride=None, padding=0):
    return F.max_pool2d(x, kernel, stride)


# %% mistake: detached
# exercise: max_pool2d
# fails: test_max_pool2d_gradient
# advice: The result is cut off from the graph: the layers before a pooling would never learn. Avoid `.data`, `.detach()`,
# `no_grad` and NumPy.
def max_pool2d(x, kernel, stride=None, padding=0):
    return F.max_pool2d(x.detach(), kernel, stride, padding)


# %% mistake: gradient-spread-over-the-window
# exercise: max_pool2d
# fails: test_max_pool2d_gradient
# advice: The values are right, the gradient is spread over the whole window. Only the largest pixel gets it: take the
# maximum itself, not an approximation of it.
def max_pool2d(x, kernel, stride=None, padding=0):
    spread = F.avg_pool2d(x, kernel, stride, padding)
    return spread + (F.max_pool2d(x, kernel, stride, padding) - spread).detach()


# %% mistake: fixed-batch-size
# exercise: LeNet5
# fails: test_lenet_gives_one_row_of_logits_for_each_image
# advice: The batch size is written into the network. Flatten everything but dimension 0, whatever its size.
class LeNet5(LeNet5):
    def forward(self, x):
        return self.classifier(self.features(x).reshape(64, 16 * 5 * 5))


# %% mistake: no-padding-and-400-features
# exercise: LeNet5
# fails: test_lenet_gives_one_row_of_logits_for_each_image
# advice: Without padding the first convolution gives 24 x 24, and 16 x 4 x 4 = 256 values reach the first linear layer,
# which has 400 inputs. Which padding keeps 28 x 28 with a 5 x 5 kernel?
class LeNet5(LeNet5):
    def __init__(self, num_classes=10):
        super().__init__(num_classes)
        self.features[0] = nn.Conv2d(1, 6, kernel_size=5)


# %% mistake: number-of-classes-ignored
# exercise: LeNet5
# fails: test_lenet_gives_one_row_of_logits_for_each_image
# advice: There are always 10 logits. The last layer has `num_classes` outputs.
class LeNet5(LeNet5):
    def __init__(self, num_classes=10):
        super().__init__()


# %% mistake: predicts-instead-of-scoring
# exercise: LeNet5
# fails: test_lenet_gives_one_row_of_logits_for_each_image
# advice: You return the class with the highest score. Return all the scores: the loss needs them.
class LeNet5(LeNet5):
    def forward(self, x):
        return super().forward(x).argmax(1)


# %% mistake: no-padding
# exercise: LeNet5
# fails: test_lenet_has_61706_parameters
# advice: The first linear layer has 256 inputs where 400 are expected: the first convolution lacks its padding.
class LeNet5(LeNet5):
    def __init__(self, num_classes=10):
        super().__init__(num_classes)
        self.features[0] = nn.Conv2d(1, 6, kernel_size=5)
        self.classifier[1] = nn.Linear(16 * 4 * 4, 120)


# %% mistake: layers-in-a-list
# exercise: LeNet5
# fails: test_lenet_has_61706_parameters
# advice: Layers in a Python list are invisible to torch: no parameters, no training. Use attributes, `nn.Sequential` or
# `nn.ModuleList`.
class LeNet5(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.layers = [nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)]
        self.linear = [nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, num_classes)]

    def forward(self, x):
        for layer in self.layers:
            x = F.max_pool2d(layer(x).relu(), 2)
        x = x.flatten(1)
        for layer in self.linear[:-1]:
            x = layer(x).relu()
        return self.linear[-1](x)


# %% mistake: layer-missing
# exercise: LeNet5
# fails: test_lenet_has_61706_parameters
# advice: There are three linear layers: 400 -> 120 -> 84 -> num_classes. The one with 84 outputs is missing.
class LeNet5(LeNet5):
    def __init__(self, num_classes=10):
        super().__init__()
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, num_classes))


# %% mistake: kernels-of-three
# exercise: LeNet5
# fails: test_lenet_has_61706_parameters
# advice: The kernels of LeNet are 5 x 5; yours are smaller.
class LeNet5(LeNet5):
    def __init__(self, num_classes=10):
        super().__init__(num_classes)
        self.features[0] = nn.Conv2d(1, 6, kernel_size=3, padding=1)
        self.features[3] = nn.Conv2d(6, 16, kernel_size=3)
        self.classifier[1] = nn.Linear(16 * 6 * 6, 120)


# %% mistake: softmax-inside
# exercise: LeNet5
# fails: test_lenet_gives_plain_scores
# advice: The network ends with a softmax. The cross-entropy applies its own: return the scores of the last linear layer.
class LeNet5(LeNet5):
    def forward(self, x):
        return super().forward(x).softmax(1)


# %% mistake: log-softmax-inside
# exercise: LeNet5
# fails: test_lenet_gives_plain_scores
# advice: The network ends with a log-softmax, which belongs to another loss (nll_loss). Return the plain scores.
class LeNet5(LeNet5):
    def forward(self, x):
        return super().forward(x).log_softmax(1)


# %% mistake: relu-at-the-end
# exercise: LeNet5
# fails: test_lenet_gives_plain_scores
# advice: A ReLU follows the last linear layer, so that no class can ever score below 0. Logits are plain numbers.
class LeNet5(LeNet5):
    def forward(self, x):
        return super().forward(x).relu()


# %% mistake: sigmoid-at-the-end
# exercise: LeNet5
# fails: test_lenet_gives_plain_scores
# advice: A sigmoid follows the last linear layer. Logits are plain numbers: nothing comes after that layer.
class LeNet5(LeNet5):
    def forward(self, x):
        return super().forward(x).sigmoid()


# %% mistake: no-activation
# exercise: LeNet5
# fails: test_lenet_has_activations_between_its_linear_layers
# advice: Nothing stands between the linear layers. Without an activation several of them can do no more than one.
class LeNet5(LeNet5):
    def __init__(self, num_classes=10):
        super().__init__(num_classes)
        self.classifier[2] = self.classifier[4] = nn.Identity()


# %% mistake: flatten-mixes-the-batch
# exercise: LeNet5
# fails: test_lenet_keeps_images_apart
# advice: Images leak into one another: flattening goes across the batch. Dimension 0 has to stay in front.
class LeNet5(LeNet5):
    def forward(self, x):
        return self.classifier(self.features(x).reshape(16 * 5 * 5, -1).T)


# %% mistake: features-detached
# exercise: LeNet5
# fails: test_lenet_keeps_images_apart
# advice: The convolutions run outside the graph (`no_grad`, `.detach()` or `.data`): they would never learn.
class LeNet5(LeNet5):
    def forward(self, x):
        return self.classifier(self.features(x).detach())


# %% mistake: returns-the-losses
# exercise: train_lenet
# fails: test_train_lenet_returns_the_network
# advice: You return a record of the training. The caller wants the trained network itself.
def train_lenet(train_loader, val_loader, epochs, seed):
    torch.manual_seed(seed)
    model, losses = LeNet5(), []
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(epochs):
        for images, labels in train_loader:
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


# %% mistake: training-never-ends
# exercise: train_lenet
# fails: test_train_lenet_returns_the_network
# advice: The loop over the epochs has no end. An epoch is one pass over the loader, and there are `epochs` of them.
def train_lenet(train_loader, val_loader, epochs, seed):
    torch.manual_seed(seed)
    model, epoch = LeNet5(), 0
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    while epoch < epochs:  # and never counted
        for images, labels in train_loader:
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()


# %% mistake: left-in-training-mode
# exercise: train_lenet
# fails: test_train_lenet_returns_in_eval_mode
# advice: The network comes back as the last epoch left it, in training mode: with dropout or batch norm it would answer
# otherwise each time. Call eval() before you return it.
def train_lenet(train_loader, val_loader, epochs, seed):
    torch.manual_seed(seed)
    model = LeNet5()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(epochs):
        for images, labels in train_loader:
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


# %% mistake: answers-change-the-network
# exercise: train_lenet
# fails: test_train_lenet_returns_in_eval_mode
# advice: Every question changes the network that you return (it still learns, or counts what it sees), so its answer
# depends on what it was asked before.
def train_lenet(train_loader, val_loader, epochs, seed):
    torch.manual_seed(seed)
    model = LeNet5()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(epochs):
        for images, labels in train_loader:
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    def learn_on(module, inputs, output):  # from its own guesses
        with torch.enable_grad():
            images = inputs[0].clone()
            for _ in range(5):
                logits = module.forward(images)
                optimizer.zero_grad()
                F.cross_entropy(logits, output.argmax(1)).backward()
                optimizer.step()

    model.register_forward_hook(learn_on)
    return model.eval()


# %% mistake: not-seeded
# exercise: train_lenet
# fails: test_train_lenet_is_repeatable
# advice: `seed` is not used, so every run starts from other weights. Seed torch before the network is made.
def train_lenet(train_loader, val_loader, epochs, seed):
    model = LeNet5()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(epochs):
        for images, labels in train_loader:
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    torch.manual_seed(seed)  # too late: the weights are drawn
    return model.eval()


# %% mistake: seed-fixed
# exercise: train_lenet
# fails: test_train_lenet_is_repeatable
# advice: You seed with a number of your own, so every seed gives the same network. Use the `seed` that you are given.
def train_lenet(train_loader, val_loader, epochs, seed):
    torch.manual_seed(42)
    model = LeNet5()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(epochs):
        for images, labels in train_loader:
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()


# %% mistake: trains-on-validation-data
# exercise: train_lenet
# fails: test_train_lenet_learns_nothing_from_validation_data
# advice: The validation loop takes optimiser steps as well (or changes the network in another way). It may look at the
# accuracy, and that is all: no backward, no step.
def train_lenet(train_loader, val_loader, epochs, seed):
    torch.manual_seed(seed)
    model = LeNet5()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(epochs):
        for loader in (train_loader, val_loader):
            for images, labels in loader:
                loss = F.cross_entropy(model(images), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return model.eval()


# %% mistake: labels-from-another-shuffle
# exercise: train_lenet
# fails: test_train_lenet_keeps_images_with_their_labels
# advice: Images and labels are read in two passes over the loader, and a loader that shuffles gives each pass another
# order. Take both from the same batch.
def train_lenet(train_loader, val_loader, epochs, seed):
    torch.manual_seed(seed)
    model = LeNet5()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(epochs):
        for (images, _), (_, labels) in zip(train_loader, train_loader):
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()


# %% mistake: does-not-learn
# exercise: train_lenet
# fails: test_train_lenet_keeps_images_with_their_labels
# advice: Even the easiest images are not learnt. Is there a backward and a step for each batch, does the optimiser have
# this network's parameters, is its rate sensible, and does every image keep its own label?
def train_lenet(train_loader, val_loader, epochs, seed):
    torch.manual_seed(seed)
    model = LeNet5()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(epochs):
        for images, labels in train_loader:
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
    return model.eval()


# %% mistake: keeps-the-graph-of-every-step
# exercise: train_lenet
# fails: test_train_lenet_lets_go_of_every_step
# advice: A sum or a list of losses that are tensors holds the graph of every step. Take the number out first: `.item()`.
def train_lenet(train_loader, val_loader, epochs, seed):
    torch.manual_seed(seed)
    model = LeNet5()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(epochs):
        total = 0
        for images, labels in train_loader:
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss
    return model.eval()


# %% mistake: no-projection
# exercise: ResidualBlock
# fails: test_residual_block_shape
# advice: x cannot be added where the branch has other channels or another size. The shortcut then needs a 1 x 1
# convolution with the block's stride.
class ResidualBlock(ResidualBlock):
    def forward(self, x):
        return F.relu(self.branch(x) + x)


# %% mistake: projection-for-channels-only
# exercise: ResidualBlock
# fails: test_residual_block_shape
# advice: There is a projection if the channels change. A stride changes the shape too, even if the channels stay.
class ResidualBlock(ResidualBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        if in_channels == out_channels:
            self.shortcut = nn.Identity()


# %% mistake: projection-without-stride
# exercise: ResidualBlock
# fails: test_residual_block_shape
# advice: The projection has to shrink the image as the branch does: its convolution needs the stride as well.
class ResidualBlock(ResidualBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        if in_channels != out_channels:
            self.shortcut[0] = nn.Conv2d(in_channels, out_channels, 1, bias=False)


# %% mistake: stride-in-both-convolutions
# exercise: ResidualBlock
# fails: test_residual_block_shape
# advice: Both convolutions of the branch have the stride, so it shrinks twice. Only the first one has it.
class ResidualBlock(ResidualBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.branch[3] = nn.Conv2d(out_channels, out_channels, 3, stride, padding=1, bias=False)


# %% mistake: no-shortcut
# exercise: ResidualBlock
# fails: test_residual_block_passes_x_through_a_silent_branch
# advice: With a silent branch nothing is left of x. Either nothing is added to the branch, or x goes through a projection
# though the shapes agree; then the shortcut is x itself.
class ResidualBlock(ResidualBlock):
    def forward(self, x):
        return F.relu(self.branch(x))


# %% mistake: no-last-relu
# exercise: ResidualBlock
# fails: test_residual_block_passes_x_through_a_silent_branch
# advice: After the addition comes a ReLU; yours returns negative values.
class ResidualBlock(ResidualBlock):
    def forward(self, x):
        return self.branch(x) + self.shortcut(x)


# %% mistake: relu-before-the-addition-only
# exercise: ResidualBlock
# fails: test_residual_block_passes_x_through_a_silent_branch
# advice: The last ReLU is applied to the branch, and the sum is left as it is. Add first, then ReLU.
class ResidualBlock(ResidualBlock):
    def forward(self, x):
        return F.relu(self.branch(x)) + self.shortcut(x)


# %% mistake: relu-before-the-addition-too
# exercise: ResidualBlock
# fails: test_residual_block_adds_before_the_last_relu
# advice: A ReLU on the branch before the addition: the block can then only ever add to x, never take away. Leave out that
# one, and keep the one after the addition.
class ResidualBlock(ResidualBlock):
    def forward(self, x):
        return F.relu(F.relu(self.branch(x)) + self.shortcut(x))


# %% mistake: shortcut-counted-twice
# exercise: ResidualBlock
# fails: test_residual_block_passes_x_through_a_silent_branch
# advice: x is added twice.
class ResidualBlock(ResidualBlock):
    def forward(self, x):
        return F.relu(self.branch(x) + self.shortcut(x) + self.shortcut(x))


# %% mistake: no-relu-in-the-branch
# exercise: ResidualBlock
# fails: test_residual_block_values
# advice: Between the two convolutions stands a ReLU, after the first batch norm. Yours is missing.
class ResidualBlock(ResidualBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.branch[2] = nn.Identity()


# %% mistake: relu-before-the-batch-norm
# exercise: ResidualBlock
# fails: test_residual_block_values
# advice: The order in the branch is convolution, batch norm, ReLU, convolution, batch norm: the batch norm comes first.
class ResidualBlock(ResidualBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.branch[1], self.branch[2] = self.branch[2], self.branch[1]


# %% mistake: second-batch-norm-missing
# exercise: ResidualBlock
# fails: test_residual_block_adds_before_the_last_relu
# advice: The second convolution of the branch is followed by a batch norm too, before the addition.
class ResidualBlock(ResidualBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.branch[4] = nn.Identity()


# %% mistake: stride-in-the-second-convolution
# exercise: ResidualBlock
# fails: test_residual_block_values
# advice: The shapes are right, but the second convolution has the stride. The first one has it, so that the second works on
# the smaller image.
class ResidualBlock(ResidualBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.branch[0] = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.branch[3] = nn.Conv2d(out_channels, out_channels, 3, stride, padding=1, bias=False)


# %% mistake: adds-into-x
# exercise: ResidualBlock
# fails: test_residual_block_leaves_x_alone
# advice: Something works in place on x (`x += ...`, or a ReLU with inplace=True), and x belongs to the caller. Add into a
# new tensor, or into your own branch.
class ResidualBlock(ResidualBlock):
    def forward(self, x):
        branch, shortcut = self.branch(x), self.shortcut(x)
        shortcut += branch
        return F.relu(shortcut)


# %% mistake: shortcut-detached
# exercise: ResidualBlock
# fails: test_residual_block_gradient_takes_the_shortcut
# advice: The shortcut is cut out of the graph (`.detach()` or `.data`). Carrying the gradient back is what it is for.
class ResidualBlock(ResidualBlock):
    def forward(self, x):
        return F.relu(self.branch(x) + self.shortcut(x.detach()))


# %% mistake: one-batch-norm-used-twice
# exercise: ResidualBlock
# fails: test_residual_block_has_a_batch_norm_for_each_convolution
# advice: One batch norm serves both convolutions, and its running mean becomes a mixture of the two. Make two.
class ResidualBlock(ResidualBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.branch[4] = self.branch[1]


# %% mistake: only-the-last-stage
# exercise: feature_shapes
# fails: test_feature_shapes_of_every_child
# advice: Every hook writes under the last name, because they all read the loop's variable when the loop is over. Give each
# hook its own name: a function that makes the hook, or a default argument.
def feature_shapes(model, x):
    shapes, handles = {}, []
    for name, child in model.named_children():
        handles.append(child.register_forward_hook(lambda m, i, o: shapes.__setitem__(name, tuple(o.shape))))
    model(x)
    for handle in handles:
        handle.remove()
    return shapes


# %% mistake: every-module-inside
# exercise: feature_shapes
# fails: test_feature_shapes_of_every_child
# advice: You hook every module, however deep. Only the direct children are asked for: `named_children`.
def feature_shapes(model, x):
    shapes, handles = {}, []
    for name, child in model.named_modules():
        if name:
            handles.append(
                child.register_forward_hook(lambda m, i, o, name=name: shapes.__setitem__(name, tuple(o.shape)))
            )
    model(x)
    for handle in handles:
        handle.remove()
    return shapes


# %% mistake: shape-of-the-input
# exercise: feature_shapes
# fails: test_feature_shapes_of_every_child
# advice: These are the shapes that go into each child. A forward hook gets module, inputs, output: take the output's.
def feature_shapes(model, x):
    shapes, handles = {}, []
    for name, child in model.named_children():
        handles.append(
            child.register_forward_hook(lambda m, i, o, name=name: shapes.__setitem__(name, tuple(i[0].shape)))
        )
    model(x)
    for handle in handles:
        handle.remove()
    return shapes


# %% mistake: batch-left-out
# exercise: feature_shapes
# fails: test_feature_shapes_of_every_child
# advice: The whole shape is asked for, with the batch in front.
def feature_shapes(model, x):
    shapes, handles = {}, []
    for name, child in model.named_children():
        handles.append(
            child.register_forward_hook(lambda m, i, o, name=name: shapes.__setitem__(name, tuple(o.shape[1:])))
        )
    model(x)
    for handle in handles:
        handle.remove()
    return shapes


# %% mistake: lists-for-tuples
# exercise: feature_shapes
# fails: test_feature_shapes_of_every_child
# advice: A shape is asked for as a tuple, yours is a list.
def feature_shapes(model, x):
    shapes, handles = {}, []
    for name, child in model.named_children():
        handles.append(child.register_forward_hook(lambda m, i, o, name=name: shapes.__setitem__(name, list(o.shape))))
    model(x)
    for handle in handles:
        handle.remove()
    return shapes


# %% mistake: children-in-a-row
# exercise: feature_shapes
# fails: test_feature_shapes_of_every_child
# advice: A model is more than its children one after the other: its forward may flatten, add or skip in between. Let the
# model run as a whole, and listen with hooks.
def feature_shapes(model, x):
    shapes = {}
    for name, child in model.named_children():
        x = child(x)
        shapes[name] = tuple(x.shape)
    return shapes


# %% mistake: hooks-left-behind
# exercise: feature_shapes
# fails: test_feature_shapes_leaves_the_model_as_it_was
# advice: Your hooks stay on the model and fire at every later call. Keep the handles that `register_forward_hook` returns,
# and remove them.
def feature_shapes(model, x):
    shapes = {}
    for name, child in model.named_children():
        child.register_forward_hook(lambda m, i, o, name=name: shapes.__setitem__(name, tuple(o.shape)))
    model(x)
    return shapes


# %% mistake: all-hooks-cleared
# exercise: feature_shapes
# fails: test_feature_shapes_leaves_the_model_as_it_was
# advice: You clear every hook, the caller's too. Remove only your own, through their handles.
def feature_shapes(model, x):
    shapes = {}
    for name, child in model.named_children():
        child.register_forward_hook(lambda m, i, o, name=name: shapes.__setitem__(name, tuple(o.shape)))
    model(x)
    for child in model.children():
        child._forward_hooks.clear()
    return shapes


# %% mistake: left-in-eval-mode
# exercise: feature_shapes
# fails: test_feature_shapes_leaves_the_model_as_it_was
# advice: You switch the model to eval mode, and leave it there. The caller may be in the middle of a training.
def feature_shapes(model, x):
    shapes, handles = {}, []
    for name, child in model.named_children():
        handles.append(child.register_forward_hook(lambda m, i, o, name=name: shapes.__setitem__(name, tuple(o.shape))))
    model.eval()
    model(x)
    for handle in handles:
        handle.remove()
    return shapes


# %% mistake: left-in-training-mode
# exercise: feature_shapes
# fails: test_feature_shapes_leaves_the_model_as_it_was
# advice: Afterwards you switch the model to training mode, whatever it was in before. Remember its mode, or leave it alone.
def feature_shapes(model, x):
    shapes, handles = {}, []
    for name, child in model.named_children():
        handles.append(child.register_forward_hook(lambda m, i, o, name=name: shapes.__setitem__(name, tuple(o.shape))))
    model.eval()
    model(x)
    model.train()
    for handle in handles:
        handle.remove()
    return shapes
