"""The classes and functions that a page of plain PyTorch is put together from. A page has only those it needs."""

READER = '''
class Reader:
    """Goes through sequences for truncated backpropagation: a step is computed from the last `steps` steps."""

    def __init__(self, net, steps, context):
        self.net, self.steps, self.context_units = net, steps, context
        self.context, self.window = torch.zeros(1, context), []

    def outputs(self, x, starts):
        """The outputs of steps, in their order; `starts` tells which of them start a sequence."""
        made = []
        for one, is_start in zip(x, starts):
            if is_start:
                self.context, self.window = torch.zeros(1, self.context_units), []
            self.window = [*self.window, one[None]][-self.steps :]
            y, first = self.net.step(self.window[0], self.context)
            context = first
            for later in self.window[1:]:
                y, context = self.net.step(later, context)
            if len(self.window) == self.steps:  # the window moves on: its first step becomes a constant
                self.context = first.detach()
            made.append(y)
        return torch.cat(made)
'''
CONNECTION = '''
class Connection(nn.Module):
    """Weighted sums of the states of a layer. Fixed weights never learn."""

    def __init__(self, *shape, fixed=None, border=0.0, scale=1.0{gain_argument}):
        super().__init__()
        self.border, self.scale = border, scale
        if fixed is None:
            self.weight = nn.Parameter(torch.zeros(shape))
        else:
            self.register_buffer("weight", torch.full(shape, float(fixed)), persistent=False)
{gain_lines}
    def forward(self, x):
        return self.scale * self.sums(x, {weight}, self.border)
'''
GAIN_LINES = """        self.gain = None
        if owners is not None:  # the map or unit that each weight enters: one gain for each
            self.gain = nn.Parameter(torch.zeros(max(owners) + 1))
            self.register_buffer("owners", torch.tensor(owners), persistent=False)
"""
NORMALIZED = '''
    def normalized(self):
        """gain * v / |v| (Salimans and Kingma 2016): the length of the weights of a map learns by itself."""
        if self.gain is None:
            return self.weight
        v = self.weight.flatten()
        lengths = torch.zeros_like(self.gain).index_add(0, self.owners, v * v).sqrt()
        return (v * (self.gain / lengths)[self.owners]).reshape(self.weight.shape)
'''
SQUARES = '''
    def squares(self, q, v):
        """The sums with everything squared: q = x * x, v = weight * weight."""
        return self.scale**2 * self.sums(q, v, self.border**2)
'''
CURVATURE_OF_PARTS = '''
    def curvature_of_parts(self, h, weight_slope=None, gain_slope=None):
        """From d2E/dw2 of the weights w = gain * v / |v| to that of v and of the gains; with slopes the full one."""
        v, h = self.weight.detach().flatten(), h.flatten()

        def summed(values):
            return torch.zeros_like(self.gain).index_add(0, self.owners, values).detach()

        lengths = summed(v * v).sqrt()
        ratio, u = (self.gain.detach() / lengths)[self.owners], v / lengths[self.owners]
        of_gain = summed(u * u * h)
        of_v = ratio**2 * (h * (1 - 2 * u * u) + u * u * of_gain[self.owners])
        if weight_slope is not None:
            more = 2 * u * weight_slope.flatten() + ratio * (1 - u * u) * gain_slope[self.owners]
            of_v = of_v - more / lengths[self.owners]
        return of_v.reshape(self.weight.shape), of_gain
'''
NOISY = '''
    def noisy(self, sums, layer):
        """The sums of a layer with the noise that a training has drawn for them."""
        return sums + self.noises[layer].reshape(sums.shape) if layer in self.noises else sums
'''
FULL = '''
class Full(Connection):
    """Every unit feeds every unit."""

    def sums(self, x, weight, border):
        return x.flatten(1) @ weight
'''
ONE_TO_ONE = '''
class OneToOne(Connection):
    """Every unit feeds the unit of the same number."""

    def sums(self, x, weight, border):
        return x.flatten(1) * weight
'''
TABLE = '''
class Table(Connection):
    """Each connection by its source unit (`len(x)` for a border cell), target unit and weight."""

    def __init__(self, source, target, number, units, *shape, **options):
        super().__init__(*shape, **options)
        self.units = units
        self.register_buffer("source", torch.tensor(source), persistent=False)
        self.register_buffer("target", torch.tensor(target), persistent=False)
        self.register_buffer("number", torch.tensor(number), persistent=False)

    def sums(self, x, weight, border):
        x = F.pad(x.flatten(1), (0, 1), value=border)
        products = x[:, self.source] * weight.flatten()[self.number]
        return products.new_zeros(len(x), self.units).index_add(1, self.target, products)
'''
DISTANCES = '''
class Distances(Table):
    """Sums of (weight - x) ** 2 over the connections."""

    def pairs(self, x, weight, border):
        return F.pad(x.flatten(1), (0, 1), value=border)[:, self.source], weight.flatten()[self.number]

    def summed(self, values):
        return values.new_zeros(len(values), self.units).index_add(1, self.target, values)

    def sums(self, x, weight, border):
        x, weight = self.pairs(x, weight, border)
        return self.summed((weight - x) ** 2)

    def twin(self, x, q, v):
        """Sums whose slopes by q and v are the slopes squared of (weight - x) ** 2 by x and weight."""
        x, weight = self.pairs(x.detach(), self.weight.detach(), self.border)
        return self.summed(4 * (weight - x) ** 2 * sum(self.pairs(q, v, 0.0)))

    def bends(self, q, v):
        """Sums whose slopes by q and v are the second derivatives of (weight - x) ** 2."""
        return self.summed(2 * sum(self.pairs(q, v, 0.0)))
'''
FRAMES = '''
class Frames(Connection):
    """A time-delay layer: each frame reads `len(weight)` frames of the source, all of their traits."""

    def __init__(self, source, step, *shape, **options):
        super().__init__(*shape, **options)
        self.source, self.step = source, step

    def sums(self, x, weight, border):
        read = x.reshape(-1, *self.source).unfold(1, len(weight), self.step)
        return torch.einsum("nfiw,wio->nfo", read, weight)
'''
WINDOWS = '''
class Windows(Connection):
    """Map j reads the maps of the source that `maps[j]` lists, through windows with shared weights."""

    def __init__(self, source, maps, window, step, pad, *shape, **options):
        super().__init__(*shape, **options)
        self.source, self.maps, self.window, self.step, self.pad = source, maps, window, step, pad
        pairs = [(j, i) for j, row in enumerate(maps) for i in row]
        self.register_buffer("pairs", torch.tensor(pairs).T, persistent=False)

    def edged(self, x, border):
        """The source maps with `border` round them: left, right, above, below."""
        return F.pad(x.reshape(-1, *self.source), self.pad, value=border)

    def sums(self, x, weight, border):
        kernel = weight.new_zeros(len(self.maps), self.source[0], *self.window)  # 0 where a map does not feed another
        kernel[self.pairs[0], self.pairs[1]] = self.windows(weight)
        return F.conv2d(self.edged(x, border), kernel, stride=self.step)

    def windows(self, weight):
        return weight.reshape(-1, *self.window)
'''
WRAPPED = '''
class Wrapped:
    """Windows that leave a map on one side read on at the other."""

    def edged(self, x, border):
        x = x.reshape(-1, *self.source)
        left, _, above, _ = self.pad
        rows, columns = ((torch.arange(self.reach[k]) - n) % self.source[k + 1] for k, n in ((0, above), (1, left)))
        return x[:, :, rows][:, :, :, columns]
'''
EQUAL = '''
class EqualWindows(Windows):
    """As `Windows`, with one weight for all the cells of a window."""

    def windows(self, weight):
        return weight.reshape(-1, 1, 1).expand(-1, *self.window)
'''
LOCAL = '''
class LocalWindows(Windows):
    """As `Windows`, but every unit has weights of its own."""

    def sums(self, x, weight, border):
        read = self.edged(x, border)
        read = read.unfold(2, self.window[0], self.step[0]).unfold(3, self.window[1], self.step[1])
        read = read[:, self.pairs[1]]  # (patterns, pairs of maps, rows, columns, rows and columns of a window)
        products = torch.einsum("npijrc,pijrc->npij", read, weight.reshape(read.shape[1:]))
        sums = products.new_zeros(len(products), len(self.maps), *products.shape[2:])
        return sums.index_add(1, self.pairs[0], products)
'''
NORMALIZE = '''
def normalize(x):
    """Mean 0 and variance 1 over the maps at each position (Ba, Kiros and Hinton 2016). x: (patterns, maps, ...)."""
    centred = x - x.mean(1, keepdim=True)
    return centred / torch.sqrt((centred * centred).mean(1, keepdim=True) + {epsilon:g})
'''
ATTEND = '''
def attend(q, k, v, heads):
    """Attention over the positions (Vaswani et al. 2017). q, k, v: (patterns, maps, rows, columns)."""
    shape = q.shape
    q, k, v = (x.reshape(len(x), heads, shape[1] // heads, -1) for x in (q, k, v))
    weights = torch.softmax(q.transpose(2, 3) @ k / q.shape[2] ** 0.5, -1)
    return (v @ weights.transpose(2, 3)).reshape(shape)
'''
POOLED = '''
def pooled(x, q, window, step):
    """The values q at the largest x of each window; both are (patterns, maps, rows, columns)."""
    largest, at = F.max_pool2d(x.detach(), window, step, return_indices=True)
    return q.flatten(2).gather(2, at.flatten(2)).reshape(largest.shape)
'''
SQUARED = '''
def squared(f, states, squares):
    """Sums of squares of a transform f: the slopes by each of its states, squared, times the squared states."""
    sums = 0.0
    for k, q in enumerate(squares):
        slopes = torch.func.vmap(torch.func.jacrev(lambda *x: f(*(one[None] for one in x))[0], k))(
            *(x.detach() for x in states)
        )
        slopes = slopes.reshape(len(q), q[0].numel(), q[0].numel())
        sums = sums + (slopes**2 @ q.reshape(len(q), -1, 1)).reshape(q.shape)
    return sums
'''
BENDS = '''
def bends(f, states, squares, slopes):
    """The second derivatives of a transform f by each of its states alone, for the slopes dE/df."""
    bent = 0.0
    for k, q in enumerate(squares):

        def cost(slope, *x):
            return (slope * f(*(one[None] for one in x))[0]).sum()

        second = torch.func.vmap(torch.func.hessian(cost, k + 1))(slopes.detach(), *(x.detach() for x in states))
        second = second.reshape(len(q), q[0].numel(), q[0].numel()).diagonal(dim1=1, dim2=2).reshape(q.shape)
        bent = bent + (second * (q - q.detach())).sum()
    return bent
'''
LAYER = '''
class Layer(nn.Module):
    """The bias and the non-linearity of a layer. `view`: the shape of the bias beside the sums."""

    def __init__(self, f, bias=None, view=None):
        super().__init__()
        self.f, self.view = f, view
        self.bias = None if bias is None else nn.Parameter(torch.zeros(bias))

    def forward(self, sums):
        return self.f(self.biased(sums, self.bias))

    def biased(self, sums, bias):
        return sums if bias is None else sums + bias.view(self.view)
'''
SHIFTED = {
    "wrap": '''
def shifted(x, down, right):
    """A picture (..., rows, columns) moved by some cells; what leaves it on one side comes in on the other."""
    return torch.roll(x, (int(down), int(right)), (-2, -1))
''',
    "fill": '''
def shifted(x, down, right):
    """A picture (..., rows, columns) moved by some cells; {fill:g} comes in from outside."""
    down, right, (rows, columns) = int(down), int(right), x.shape[-2:]
    most = max(abs(down), abs(right))
    padded = F.pad(x, (most, most, most, most), value={fill:g})
    return padded[..., most - down : most - down + rows, most - right : most - right + columns]
''',
}
CRITERIA = {
    "max": "((x == x.amax(1, keepdim=True)) == (d == d.amax(1, keepdim=True))).all(1)",
    "quadrant": "~(((d > 0) & (x <= 0)) | ((d < 0) & (x >= 0))).any(1)",
    "lms": "((d - x) ** 2).mean(1) < {0!r}",
    "sgn": "(((x < {0!r}) == (d < {0!r})) & ((x > {1!r}) == (d > {1!r}))).all(1)",
    "labels": "(((d > {0!r}) & (x > {0!r})) | ((d <= {0!r}) & (x < {0!r}))).all(1)",
    "hamming": "((d - x).abs() <= {0!r}).all(1)",
}
CONJUGATE = '''
class {name}:
    """Conjugate gradient: one step a pass with all patterns, along a direction that does not undo the last one.

    Its length is -(g.d) / (c + mu), where c is the curvature of the cost along the direction d: no line search.
    """

    def __init__(self, net):
        self.g = self.direction = None

    def step(self, net, x, d, mu):
        net.zero_grad()
        for some, wanted in zip(x.split(1000), d.split(1000)):
            net.cost(net(some), wanted).backward()
        g = {n: w.grad{masked} for n, w in net.named_parameters()}
        direction = {n: -g[n] for n in g}
        if self.g is not None:
            down = -dot(self.direction, self.g)
            beta = 0.0 if down == 0 else (dot(g, g) - dot(self.g, g)) / down
            direction = {n: beta * self.direction[n] - g[n] for n in g}
        at, c = {n: w.detach() for n, w in net.named_parameters()}, 0.0
        for some, wanted in zip(x.split(1000), d.split(1000)):
            y, t = torch.func.jvp(lambda w: torch.func.functional_call(net, w, (some,)), (at,), (direction,))
            y, t = y.detach().double(), t.detach().double()  # outputs, and how they change along the direction
            {bend}
        slope = dot(g, direction)
        with torch.no_grad():
            for n, w in net.named_parameters():
                w += (-slope / (c + mu) if slope else 0.0) * direction[n]
        self.g, self.direction = g, direction


def dot(a, b):
    """The sum of the products of all numbers, in double precision."""
    return float(sum((a[n] * b[n]).double().sum() for n in a))
'''
CONJUGATE_BENDS = {
    False: "c += float((net.bend(y, wanted.double()) * t * t).sum())",
    True: "p = {softmax}\n            c += float((wanted.sum(1) * ((p * t * t).sum(1) - (p * t).sum(1) ** 2)).sum())",
}
PRUNE = '''
def prune(net, x, d, fraction{arguments}):
    """Optimal brain damage (LeCun, Denker and Solla 1990): cut a fraction of the {what}, those of least h * w * w.

    `net.kept` has 1 for each weight that remains and 0 for the others.
    """
    parts = [net.{method}(*part) for part in zip(x.split(100), d.split(100))]
    h = {n: sum(part[n] for part in parts) / len(x) for n in parts[0]}
    loss = {n: h[n].double() * w.detach().double() ** 2 for n, w in net.named_parameters()}
    kept = net.kept or {n: torch.ones_like(w) for n, w in net.named_parameters()}
    remaining = {remaining}
    limit = remaining.sort().values[int(len(remaining) * fraction)]
    net.kept = {n: kept[n] * (loss[n] >= limit) for n in kept}
    keep(net)
'''
KEEP = '''
@torch.no_grad()
def keep(net):
    """Hold the weights that were cut at 0."""
    for name, w in net.named_parameters():
        w *= net.kept[name]
'''
REMAINING = {
    "weights": "torch.cat([loss[n][kept[n] > 0] for n in loss])",
    "connections": 'torch.cat([\n        loss[n][kept[n] > 0].repeat_interleave(data[f"connections.{n}"]'
    "[kept[n] > 0]) for n in loss\n    ])",
}
FORGET = '''
@torch.no_grad()
def forget(rule, kept):
    """Set what the rule remembers of weights that were cut to 0."""
    for memory in vars(rule).values():
        for name in kept if isinstance(memory, dict) else ():
            memory[name] *= kept[name]
'''
FAN_IN = '''
def fan_in(net, data):
    """F of each weight: how many connections remain at the unit that uses it (the last one, if several do)."""
    lines = {}
    for layer, names in LAYERS.items():
        units = data[f"lines.{layer}"].clone()
        for name in names:
            kept = net.kept[name].flatten()[data[f"weight.{name}"]]
            units.index_add_(0, data[f"target.{name}"], kept)
        for name in names:
            lines[name] = units[data[f"user.{name}"]].clamp(min=1)
    return lines
'''
BITS = '''
def bits(packed, *shape):
    """Numbers 0 and 1 that are kept as the bits of bytes."""
    unpacked = packed[:, None] >> torch.arange(8, dtype=torch.uint8) & 1
    return unpacked.flatten()[: shape[0] * shape[1]].reshape(shape)
'''
