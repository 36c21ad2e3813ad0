# Other right solutions of section 9; grader.mistakes describes the format.

# %% alternative: torch-own
# exercise: causal_attention
def causal_attention(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


# %% alternative: additive-mask-and-einsum
# exercise: causal_attention
def causal_attention(queries, keys, values):
    length = queries.size(1)
    future = torch.triu(torch.full((length, length), float("-inf"), dtype=queries.dtype), diagonal=1)
    scores = torch.einsum("btd,bsd->bts", queries, keys) * queries.size(-1) ** -0.5 + future
    return torch.einsum("bts,bsd->btd", F.softmax(scores, dim=-1), values)


# %% alternative: large-negative-fill
# exercise: causal_attention
def causal_attention(q, k, v):
    scores = torch.matmul(q / q.shape[-1] ** 0.5, k.mT)
    mask = torch.tril(torch.ones(scores.shape[-2:]))
    return torch.softmax(scores.masked_fill(mask == 0, -1e9), -1).bmm(v)


# %% alternative: loop-over-positions
# exercise: causal_attention
def causal_attention(q, k, v):
    rows = []
    for t in range(q.shape[1]):
        scores = (q[:, t : t + 1] * k[:, : t + 1]).sum(-1) / math.sqrt(q.shape[-1])  # (B, t + 1)
        rows.append((scores.softmax(-1)[..., None] * v[:, : t + 1]).sum(1))
    return torch.stack(rows, 1)


# %% alternative: torch-own-layer
# exercise: MultiHeadAttention
class MultiHeadAttention(nn.MultiheadAttention):
    def __init__(self, dim, heads):
        if dim % heads != 0:
            raise ValueError("dim must be divisible by heads")
        super().__init__(dim, heads, batch_first=True)

    def forward(self, query, key=None, value=None, mask=None):
        key = query if key is None else key
        value = key if value is None else value
        return super().forward(query, key, value, attn_mask=mask, need_weights=False)[0]


# %% alternative: view-and-sdpa
# exercise: MultiHeadAttention
class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, num_heads):
        super().__init__()
        if d_model % num_heads:
            raise ValueError("no")
        self.h, self.d = num_heads, d_model // num_heads
        self.in_proj_weight = nn.Parameter(torch.randn(3 * d_model, d_model) * 0.02)
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * d_model))
        self.out_proj = nn.Linear(d_model, d_model)

    def forward(self, q, k=None, v=None, mask=None):
        if k is None:
            k = q
        if v is None:
            v = k
        b, t, e = q.shape
        w, bias = self.in_proj_weight, self.in_proj_bias
        q = F.linear(q, w[:e], bias[:e]).view(b, t, self.h, self.d).permute(0, 2, 1, 3)
        k = F.linear(k, w[e : 2 * e], bias[e : 2 * e]).view(b, -1, self.h, self.d).permute(0, 2, 1, 3)
        v = F.linear(v, w[2 * e :], bias[2 * e :]).view(b, -1, self.h, self.d).permute(0, 2, 1, 3)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out_proj(out.permute(0, 2, 1, 3).contiguous().view(b, t, e))


# %% alternative: head-by-head
# exercise: MultiHeadAttention
class MultiHeadAttention(MultiHeadAttention):
    def forward(self, query, key=None, value=None, mask=None):
        key = query if key is None else key
        value = key if value is None else value
        dim = query.shape[-1]
        size = dim // self.heads
        outputs = []
        for head in range(self.heads):
            parts = []
            for number, x in enumerate((query, key, value)):
                rows = slice(number * dim + head * size, number * dim + (head + 1) * size)
                parts.append(x @ self.in_proj_weight[rows].T + self.in_proj_bias[rows])
            scores = parts[0] @ parts[1].mT / size**0.5
            if mask is not None:
                scores = scores + torch.zeros_like(scores).masked_fill(mask == 0, -1e30)
            outputs.append(scores.softmax(-1) @ parts[2])
        return self.out_proj(torch.cat(outputs, -1))


# %% alternative: exp-log-and-assignment
# exercise: sinusoidal_positions
def sinusoidal_positions(length, dim):
    pe = torch.zeros(length, dim)
    position = torch.arange(0, length, dtype=torch.float).unsqueeze(1)
    div_term = torch.exp(torch.arange(0, dim, 2).float() * (-math.log(10000.0) / dim))
    pe[:, 0::2] = torch.sin(position * div_term)
    pe[:, 1::2] = torch.cos(position * div_term)
    return pe


# %% alternative: loops
# exercise: sinusoidal_positions
def sinusoidal_positions(length, dim):
    def wave(t, column):
        angle = t / 10000 ** ((column - column % 2) / dim)
        return math.cos(angle) if column % 2 else math.sin(angle)

    return torch.tensor([[wave(t, column) for column in range(dim)] for t in range(length)])


# %% alternative: torch-own-layer
# exercise: TransformerBlock
class TransformerBlock(nn.TransformerEncoderLayer):
    def __init__(self, dim, heads, hidden, dropout=0.0):
        super().__init__(dim, heads, hidden, dropout, activation="gelu", batch_first=True, norm_first=True)

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return super().forward(x, src_mask=mask, is_causal=True)


# %% alternative: no-biases-and-fused-projection
# exercise: TransformerBlock
class TransformerBlock(nn.Module):
    def __init__(self, dim, heads, hidden, dropout=0.0):
        super().__init__()
        self.heads, self.p = heads, dropout
        self.ln = nn.ModuleList([nn.LayerNorm(dim) for _ in range(2)])
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.proj = nn.Linear(dim, dim, bias=False)
        self.up, self.down = nn.Linear(dim, hidden, bias=False), nn.Linear(hidden, dim, bias=False)
        nn.init.zeros_(self.proj.weight)
        nn.init.zeros_(self.down.weight)

    def attend(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        p = self.p if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=p)
        return self.proj(y.transpose(1, 2).reshape(b, t, d))

    def forward(self, x):
        x = x + F.dropout(self.attend(self.ln[0](x)), self.p, self.training)
        return x + F.dropout(self.down(F.relu(self.up(self.ln[1](x)))), self.p, self.training)


# %% alternative: sinusoidal-and-tied
# exercise: TinyGPT
class TinyGPT(nn.Module):
    def __init__(self, vocabulary, dim, heads, layers, context):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, dim)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.register_buffer("positions", sinusoidal_positions(context, dim))
        self.blocks = nn.ModuleList(TransformerBlock(dim, heads, 4 * dim) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, vocabulary, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids):
        assert ids.size(1) <= len(self.positions), "too long"
        x = self.embedding(ids) * math.sqrt(self.embedding.embedding_dim) + self.positions[: ids.size(1)]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


# %% alternative: torch-own-encoder
# exercise: TinyGPT
class TinyGPT(nn.Module):
    def __init__(self, vocab_size, d_model, n_heads, n_layers, block_size):
        super().__init__()
        self.tok = nn.Embedding(vocab_size, d_model)
        self.pos = nn.Parameter(torch.zeros(1, block_size, d_model))
        layer = nn.TransformerEncoderLayer(
            d_model, n_heads, 4 * d_model, dropout=0.1, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, n_layers, enable_nested_tensor=False)
        self.out = nn.Linear(d_model, vocab_size)

    def forward(self, ids):
        t = ids.shape[1]
        mask = torch.triu(torch.ones(t, t, dtype=torch.bool), 1)
        return self.out(self.encoder(self.tok(ids) + self.pos[:, :t], mask=mask))


# %% alternative: distributions
# exercise: reparameterize
def reparameterize(mu, logvar, generator=None):
    noise = torch.empty_like(mu).normal_(generator=generator)
    return torch.addcmul(mu, noise, logvar.exp().sqrt())


# %% alternative: randn-like-where-possible
# exercise: reparameterize
def reparameterize(mean, log_variance, rng=None):
    std = torch.exp(log_variance / 2)
    if rng is None:
        return torch.distributions.Normal(mean, std).rsample()
    return mean + std * torch.randn(mean.size(), generator=rng).to(mean)


# %% alternative: torch-distributions
# exercise: kl_divergence
def kl_divergence(mu, logvar):
    cloud = torch.distributions.Normal(mu, torch.exp(logvar / 2))
    standard = torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
    return torch.distributions.kl_divergence(cloud, standard).sum(-1)


# %% alternative: minus-one-half
# exercise: kl_divergence
def kl_divergence(mu, logvar):
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1)


# %% alternative: per-image
# exercise: vae_loss
def vae_loss(reconstruction_logits, x, mu, logvar):
    elementwise = F.binary_cross_entropy_with_logits(reconstruction_logits, x, reduction="none")
    return (elementwise.flatten(1).sum(1) + kl_divergence(mu, logvar)).mean()


# %% alternative: softplus
# exercise: vae_loss
def vae_loss(reconstruction_logits, x, mu, logvar):
    bce = (F.softplus(reconstruction_logits) - x * reconstruction_logits).sum()
    kl = -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum()
    return (bce + kl) / x.size(0)


# %% alternative: sigmoid-first
# exercise: vae_loss
def vae_loss(reconstruction_logits, x, mu, logvar):
    bce = nn.BCELoss(reduction="sum")(torch.sigmoid(reconstruction_logits), x)
    return bce / x.shape[0] + kl_divergence(mu, logvar).mean(0)


# %% alternative: convolutions-and-clamp
# exercise: VAE
class VAE(nn.Module):
    def __init__(self, latent):
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, 16, 4, 2, 1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 4, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
        )
        self.fc_mu, self.fc_logvar = nn.Linear(32 * 49, latent), nn.Linear(32 * 49, latent)
        self.decoder = nn.Sequential(
            nn.Linear(latent, 32 * 49),
            nn.ReLU(),
            nn.Unflatten(1, (32, 7, 7)),
            nn.ConvTranspose2d(32, 16, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(16, 1, 4, 2, 1),
        )

    def forward(self, x):
        h = self.convolutions(x)
        mu, logvar = self.fc_mu(h), self.fc_logvar(h).clamp(-10, 10)
        return self.decoder(reparameterize(mu, logvar)), mu, logvar


# %% alternative: mean-in-eval-mode
# exercise: VAE
class VAE(nn.Module):
    def __init__(self, z_dim):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(784, 400), nn.Linear(400, z_dim), nn.Linear(400, z_dim)
        self.fc4, self.fc5 = nn.Linear(z_dim, 400), nn.Linear(400, 784)

    def decoder(self, z):
        return self.fc5(F.relu(self.fc4(z)))

    def forward(self, x):
        h = torch.tanh(self.fc1(x.view(-1, 784)))
        mu, logvar = self.fc2(h), self.fc3(h)
        z = mu
        if self.training:
            std = torch.exp(0.5 * logvar)
            z = mu + std * torch.randn_like(std)
        return self.decoder(z).view_as(x), mu, logvar


# %% alternative: adamw-with-clipping-and-sum
# exercise: train_vae
def train_vae(model, train_loader, epochs):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for epoch in range(epochs):
        model.train()
        for batch in train_loader:
            x = batch[0]
            optimizer.zero_grad(set_to_none=False)
            loss = vae_loss(*((lambda out: (out[0], x, out[1], out[2]))(model(x)))) * len(x)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 500.0)
            optimizer.step()
    return model.eval()


# %% alternative: two-passes-and-module-loss
# exercise: gan_step
def gan_step(generator, discriminator, real, opt_g, opt_d, noise):
    bce = nn.BCEWithLogitsLoss()
    n = real.size(0)
    opt_d.zero_grad()
    with torch.no_grad():
        fake = generator(noise)
    d_real = bce(discriminator(real), torch.ones(n, 1))
    d_fake = bce(discriminator(fake), torch.zeros(n, 1))
    d_real.backward()
    d_fake.backward()
    opt_d.step()
    opt_g.zero_grad()
    loss_g = bce(discriminator(generator(noise)), torch.ones(n, 1))
    loss_g.backward()
    opt_g.step()
    return float((d_real + d_fake).detach()), float(loss_g.detach())


# %% alternative: softplus-and-frozen-discriminator
# exercise: gan_step
def gan_step(generator, discriminator, real, opt_g, opt_d, noise):
    fake = generator(noise)
    loss_d = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake.detach())).mean()
    opt_d.zero_grad()
    loss_d.backward()
    opt_d.step()
    discriminator.requires_grad_(False)
    loss_g = F.softplus(-discriminator(fake)).mean()
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
    discriminator.requires_grad_(True)
    return loss_d.item(), loss_g.item()


# %% alternative: freeze-all-and-thaw
# exercise: freeze_backbone
def freeze_backbone(model):
    model.requires_grad_(False)
    model.fc.requires_grad_(True)


# %% alternative: child-by-child
# exercise: freeze_backbone
def freeze_backbone(model):
    for name, child in model.named_children():
        if name != "fc":
            child.eval()
            for p in child.parameters():
                p.requires_grad = False


# %% alternative: head-keys-dropped
# exercise: build_finetune_model
def build_finetune_model(num_classes, weights_path):
    model = digits_resnet(num_classes)
    state = torch.load(weights_path, map_location="cpu", weights_only=True)
    state = {k: v.float() for k, v in state.items() if not k.startswith("fc.")}
    result = model.load_state_dict(state, strict=False)
    wrong = [k for k in result.missing_keys if not k.startswith("fc.")] + result.unexpected_keys
    if wrong:
        raise RuntimeError(f"keys that do not fit: {wrong}")
    return model


# %% alternative: frozen-already
# exercise: build_finetune_model
def build_finetune_model(num_classes, weights_path):
    with open(weights_path, "rb") as file:
        state_dict = torch.load(file)
    model = digits_resnet(state_dict["fc.weight"].shape[0])
    model.load_state_dict(state_dict, strict=True)
    for p in model.parameters():
        p.requires_grad = False
    model.fc = nn.Linear(model.fc.in_features, num_classes)
    return model


# %% alternative: sgd-all-norms-eval
# exercise: fine_tune
def fine_tune(model, train_loader, epochs):
    model.train()
    for m in model.modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm):
            if not any(p.requires_grad for p in m.parameters()):
                m.eval()
    optimizer = torch.optim.SGD(filter(lambda p: p.requires_grad, model.parameters()), lr=1e-2, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    for _ in range(epochs):
        for x, y in train_loader:
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            optimizer.step()
    model.eval()
    return model


# %% alternative: slow-adamw-in-eval-mode
# exercise: fine_tune
def fine_tune(model, train_loader, epochs):
    model.eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    for _ in range(epochs):
        for x, y in train_loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    return model
