"""Codebooks against independent implementations, and against what SN-2.8 printed for its iris demonstration."""

import numpy as np
import pytest
from data_folder import DATA, needs_data
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier
from sn28_programs import fault, printed

from snsim.errors import Source
from snsim.language.evaluator import Evaluator
from snsim.program import lisp_functions
from snsim.sn28.codebooks.codebooks import Codebook
from snsim.sn28.codebooks.nearest_neighbours import nearest, nearest_k, nearest_two, squared_distances, vote
from snsim.sn28.graphics.canvas import BLACK, Disc, Line, Screen

needs_iris = needs_data("sn28/iris_train.cb", "sn28/iris_test.cb")


def iris(name):
    """Words and labels of an iris file, read without the code under test."""
    numbers = (DATA / "sn28" / f"iris_{name}.cb").read_text().split()
    rows = np.array(numbers[2:], float).reshape(int(numbers[0]), int(numbers[1]) + 1)
    return rows[:, :-1].astype(np.float32), rows[:, -1].astype(int)


@st.composite
def vectors(draw):
    """A vector and words of small whole numbers, so that many distances are equal."""
    width, count = draw(st.integers(1, 3)), draw(st.integers(3, 25))
    numbers = draw(st.lists(st.integers(-3, 3), min_size=width * (count + 1), max_size=width * (count + 1)))
    rows = np.array(numbers, np.float32).reshape(count + 1, width)
    return rows[0], rows[1:]


@given(vectors(), st.integers(1, 25))
@settings(deadline=None)
def test_nearest_words_are_those_of_a_stable_sort(both, k):
    x, words = both
    expected = ((words.astype(float) - x) ** 2).sum(axis=1)
    assert (squared_distances(x, words) == expected).all()  # whole numbers: exact in single precision
    order = np.argsort(expected, kind="stable").tolist()
    assert nearest(x, words) == order[0] and nearest_two(x, words) == tuple(order[:2])
    assert nearest_k(x, words, k) == order[:k]


def test_sums_of_distances_are_rounded_step_by_step():
    words = np.array([[1e4] + [1.0] * 8], np.float32)  # 1e8 + 1 in single precision stays 1e8
    assert squared_distances(np.zeros(9, np.float32), words)[0] == np.float32(1e8)
    assert squared_distances(np.zeros(9, np.float32), words[:, ::-1])[0] == np.float32(1e8 + 8)


def test_a_vote_that_is_a_tie_is_rejected():
    labels = np.array([0, 1, 2, 1])
    assert [vote(labels, places, 3) for places in ([0], [0, 1], [0, 1, 3], [0, 1, 2], [0, 2])] == [0, -1, 1, -1, -1]


@needs_iris
@pytest.mark.parametrize("k", [1, 2, 3, 5, 11])
def test_classification_of_iris_is_that_of_scikit_learn(k):
    """Where neighbours tie in distance or classes in votes, they may differ: such flowers are left out."""
    words, labels = iris("train")
    test_words, _ = iris("test")
    theirs = KNeighborsClassifier(k, algorithm="brute").fit(words, labels)
    compared = 0
    for x in test_words:
        distances = np.sort(((words - x).astype(float) ** 2).sum(axis=1))
        counts = np.bincount(labels[theirs.kneighbors(x[None], k, return_distance=False)[0]], minlength=3)
        if distances[k - 1] != distances[k] and (counts == counts.max()).sum() == 1:
            assert vote(labels, nearest_k(x, words, k), 3) == counts.argmax()
            compared += 1
    assert compared >= 35


def k_means_of_reference(words, k):
    """MacQueen's k-means of docs/reference/sn28.md, section 5, one number at a time."""
    f = np.float32
    centres, counts = [list(w) for w in words[:k]], [1] * k

    def distance(a, b):
        total = f(0)
        for p, q in zip(a, b):
            total = f(total + f(f(p - q) * f(p - q)))
        return total

    def distortion():
        total = f(0)
        for x in words:
            total = f(total + min(distance(x, c) for c in centres))
        return f(total / f(len(words)))

    before, now = None, f(1)
    while True:
        for x in words:
            distances = [distance(x, c) for c in centres]
            i = distances.index(min(distances))
            if distances[i] != 0:
                n = f(counts[i])
                centres[i] = [f(f(f(n * c) + p) / f(counts[i] + 1)) for c, p in zip(centres[i], x)]
                counts[i] += 1
        last, now = before, distortion()
        if now <= 1e-5 or (last is not None and f(f(last - now) / now) <= 1e-4):
            return np.array(centres, np.float32)
        before = now


def program(words, labels, text):
    """A program that begins with a codebook `data` of these words and labels."""
    rows = " ".join("(" + " ".join(repr(float(x)) for x in w) + ")" for w in words)
    return (
        f"(setq data (new-codebook {len(words)} {words.shape[1]}))"
        f"((codebook-word data) () () '({rows}))"
        f"(each ((i (range 0 {len(words) - 1})) (l '({' '.join(map(str, labels))}))) (codebook-label data i l))" + text
    )


def printed_numbers(text):
    return np.array([float(x) for x in printed(text).split()])


SHOW = '(for (i 0 (bound m 1)) (each ((x (m i ()))) (printf "%.9g " x)))'


@pytest.mark.parametrize("seed", range(4))
def test_k_means_is_that_of_the_reference_to_the_bit(seed):
    rng = np.random.default_rng(seed)
    words = (rng.normal(size=(30, 3)) + 4 * rng.integers(0, 3, (30, 1))).astype(np.float32)
    found = printed_numbers(program(words, [0] * 30, "(setq m (codebook-word (k-means data 4)))" + SHOW))
    assert (found.astype(np.float32) == k_means_of_reference(words, 4).ravel()).all()


def lvq_of_reference(version, words, labels, references, of, sweeps, a0=0.1, win=0.01):
    """The three rules in double precision, from the description."""
    r = references.astype(float)
    rate = 0.0
    for t in range(sweeps):
        for x, c in zip(words.astype(float), labels):
            d = ((r - x) ** 2).sum(axis=1)
            order = np.argsort(d, kind="stable")
            now = a0 * (1 - t / sweeps)
            if version == 1:
                if of[order[0]] == c:
                    r[order[0]] += rate * (x - r[order[0]])
                else:
                    rate = now
                    r[order[0]] -= rate * (x - r[order[0]])
                continue
            right = order[1] if version == 2 else next(i for i in order if of[i] == c)
            wrong = order[0]
            if of[wrong] != c and of[right] == c:
                u, v = r[wrong].copy(), r[right].copy()
                if abs(2 * (x - u) @ (v - u) - (v - u) @ (v - u)) <= win * ((v - u) @ (v - u)):
                    r[wrong] -= now * (x - u)
                    r[right] += now * (x - v)
    return r


@pytest.mark.parametrize("version", [1, 2, 3])
def test_learning_vector_quantisation_is_that_of_the_reference(version):
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 3, 60)
    words = (rng.normal(size=(60, 2)) + np.array([[0, 0], [2, 0], [1, 2]])[labels]).astype(np.float32)
    of = [0, 0, 1, 1, 2, 2]
    references = np.concatenate([words[labels == c][:2] for c in range(3)])
    window = 0.01 if version == 1 else 0.6
    rows = " ".join("(" + " ".join(repr(float(x)) for x in w) + ")" for w in references)
    text = (
        f"(setq m (float-matrix 6 2))(m () () '({rows}))(setq ref (new-codebook m [0 0 1 1 2 2]))"
        f"(learn-lvq {version} data ref 5 0.1{'' if version == 1 else ' 0.6'})" + SHOW
    )
    found = printed_numbers(program(words, labels, text)).reshape(6, 2)
    expected = lvq_of_reference(version, words, labels, references, of, 5, win=window)
    assert np.abs(found - expected).max() < 2e-5
    assert np.abs(found - references).max() > 0.02  # it did learn


@needs_iris
def test_the_iris_demonstration_gives_what_sn_gave():
    """The figures that the original printed: percent right, 96 96 98 96 96 98 98 98 98, and the labels' frequencies."""
    text = """
      (load-iris)
      (setq edited (multiedit iris-a 3))
      (setq nine (k-means iris-a 9))
      (codebook-assign-labels iris-a nine)
      (each ((cb (list iris-a edited (condense edited) (condense iris-a) nine (k-means-class iris-a 3))))
        (printf "%d " (perf-knn iris-t cb 1)))
      (for (v 1 3)
        (let ((cb (init-lvq-class iris-a 3))) (learn-lvq v iris-a cb 20) (printf "%d " (perf-knn iris-t cb 1))))
      (print (sort-list (all ((i (range 0 8))) (codebook-label nine i)) >))
      (print (confusion-knn iris-t iris-a 1) (perf-knn iris-t iris-a 1 t))
    """
    lines = printed(text).split("\n")
    assert lines[0] == "96 96 98 96 96 98 98 98 98 (0 0 1 1 1 2 2 2 2)"
    assert lines[1:] == ["[[ 15.00  0.00  0.00 ]", " [  0.00 17.00  2.00 ]", " [  0.00  0.00 16.00 ]] (4 0)", ""]


@needs_iris
def test_a_net_of_radial_functions_learns_as_its_formulas_say():
    """Against the same in double precision: bells (1 - a^2)^3 of a weighted distance, outputs 1.7159 tanh(2a/3)."""
    text = f"""
      (seed 0) (load-iris) (init-rbf iris-a 2) (setq m (codebook-word rbf-codebook)) {SHOW}
      (printf "%.9g\\n" (sval (car input-layer) (car bell-layer)))
      (learn-rbf iris-a 4) (perf-rbf iris-t) (printf "%.9g" global-error)
    """
    lines = printed(text).split("\n")
    *centres, width = map(float, lines[0].split())
    centres = np.array(centres).reshape(6, 4)
    words, labels = iris("train")
    test_words, test_labels = iris("test")

    def forward(x):
        distances = ((centres - x) ** 2).sum(axis=1)
        a = bells * distances
        h = np.where(abs(a) < 1, (1 - a * a) ** 3, 0)
        sums = bias + weights @ h
        return distances, a, h, sums, 1.71590459 * np.tanh(0.66666666 * sums)

    bells, weights, bias = np.full(6, width), np.zeros((3, 6)), np.zeros(3)
    of_bells, of_classes = 0.02 * width, 0.02 / np.sqrt(6)
    for sweep in range(4):
        for x, label in zip(words.astype(float), labels):
            distances, a, h, sums, y = forward(x)
            g = (np.where(np.arange(3) == label, 1, -1) - y) * 1.14393636 * (1 - np.tanh(0.66666666 * sums) ** 2)
            back = (weights.T @ g) * np.where(abs(a) < 1, -6 * a * (1 - a * a) ** 2, 0)
            weights += of_classes * (1 - sweep / 4) * np.outer(g, h)
            bias += of_classes * (1 - sweep / 4) * g
            bells += of_bells * (1 - sweep / 4) * back * distances
    errors = [
        ((np.where(np.arange(3) == label, 1, -1) - forward(x)[-1]) ** 2).mean() / 2
        for x, label in zip(test_words.astype(float), test_labels)
    ]
    assert float(lines[-1]) == pytest.approx(np.mean(errors), rel=1e-4)
    right = [forward(x)[-1].argmax() == label for x, label in zip(test_words.astype(float), test_labels)]
    assert lines[-2].endswith(f"performance={100 * np.mean(right):g}") and np.mean(right) > 0.8


def test_editing_drops_what_its_neighbours_contradict_and_condensing_keeps_the_borders():
    words = np.array(
        [[0], [1], [2], [10], [11], [0.5], [1.5], [2.5], [10.5], [11.5], [0.45], [1.52], [2.1], [10.2], [1.1]],
        np.float32,
    )
    labels = [0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1]  # the last lies among those of the other class
    text = """(setq edited (multiedit data 3)) (print edited) (setq few (condense edited))
              (print (codebook-label few) (perf-knn edited few) (bound (codebook-word (condense data))))"""
    assert printed(program(words, labels, text)) == "::CODEBOOK:14x1\n[i     0     1 ] 100 (6 1)\n"


def test_editing_and_condensing_tell_how_they_go_on():
    text = "(multiedit data 3 t) (condense data t)"
    words = np.array([[0], [10], [1], [11], [2], [12]], np.float32)
    assert printed(program(words, [0, 1, 0, 1, 0, 1], text)) == (
        "restarting with 6 elements\nrestarting with 1 element(s)\nrestarting with 2 element(s)\n"
    )


@needs_iris
def test_a_net_of_radial_functions_knows_the_flowers_as_sn_did():
    """The original's demonstration: 96 % right at an error of 0.0468 after 100 sweeps; it hangs on what is drawn."""
    out = printed("(seed 1) (load-iris) (init-rbf iris-a 3) (learn-rbf iris-a 100) (perf-rbf iris-t) (print classify)")
    assert "age=10000" in out and "performance=96" in out and "class-quadrant" in out
    assert 0.035 < float(out.split("error=")[1].split(",")[0]) < 0.055


def test_parts_share_words_and_copies_do_not():
    text = program(
        np.arange(8, dtype=np.float32).reshape(4, 2),
        [0, 1, 0, 1],
        """
      (setq part (codebook-split data 1 2)) (setq copy (codebook-select (lambda (c) (= c 1)) data))
      (part 0 0 99) (codebook-label part 0 5) (copy 0 1 77)
      (print (data 1 ()) (codebook-label data) (codebook-labels part) (codebook-labels (codebook-merge part copy)))
      (let (((p d) (codebook-to-patdes data)))
        (print (bound p) d (codebook-label (patdes-to-codebook p d))))
    """,
    )
    assert printed(text) == (
        "(99 3) [i     0     1     0     1 ] (0 5) (0 1 5)\n(4 2) [[  1.00 -1.00 ]\n"
        + " " * 7
        + "[ -1.00  1.00 ]\n"
        + " " * 7
        + "[  1.00 -1.00 ]\n"
        + " " * 7
        + "[ -1.00  1.00 ]] [i     0     1     0     1 ]\n"
    )


def test_files_keep_every_bit_or_six_decimals(tmp_path):
    words = np.array([[1 / 3, 1e-20], [-7, 3e8]], np.float32)
    text = program(
        words,
        [0, 12],
        f"""
      (save-codebook data "b") (save-ascii-codebook data "a")
      (setq m (codebook-word (load-codebook "b"))) {SHOW} (print (codebook-label (load-codebook "b")))
      (setq m (codebook-word (load-ascii-codebook "a.cb"))) {SHOW}
    """,
    )
    assert printed(text, tmp_path).split("\n") == [
        "0.333333343 9.99999968e-21 -7 300000000 [i     0    12 ]",
        "0.333332986 0 -7 300000000 ",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("(new-codebook [[1 2]])", "in single precision"),
        ("(knn [f 1 2] (new-codebook 3 2) 4)", "4 of the 3 words"),
        ("(knn [f 1 2 3] (new-codebook 3 2) 1)", "expected a vector of 2 numbers"),
        ("(codebook-label (new-codebook 3 2) 3)", "no word 3: the codebook has 3 words"),
        ("(codebook-label (new-codebook 3 2) 0 -1)", "from 0 to 1,000,000, not -1"),
        ("(perf-knn (new-codebook 3 2) (new-codebook 3 4))", "have 2 and 4 numbers"),
        ("(condense (new-codebook 0 2))", "has no words"),
        (
            "(setq cb (new-codebook 2 1)) (codebook-label cb 1 1) (condense cb)",
            "word 1 occurs in the codebook with two",
        ),
        ("(multiedit (new-codebook 9 2) 2)", "3 parts or more"),
        ("(learn-lvq 1 (new-codebook 2 2) (new-codebook 2 2) 5 0.1 0.3)", "LVQ1 has no window"),
        ("(learn-lvq 4 (new-codebook 2 2) (new-codebook 2 2) 5)", "there is no version 4"),
        ('(save-codebook (new-codebook 2 2) "x") (load-ascii-codebook "x.cb")', "not a text codebook"),
        ('(save-ascii-codebook (new-codebook 2 2) "x") (load-codebook "x")', "not a binary codebook"),
        ('(new-window) (bidim-query "cities")', "no mouse input"),
    ],
)
def test_what_is_wrong_is_said(text, sentence, tmp_path):
    assert sentence in fault(text, tmp_path)[0]


def test_the_distances_of_grids():
    text = """
      (de show (topology n i) (let ((m (matrix n))) (topology i m) (print (m ()))))
      (show (tmap-topo-1d 5) 5 3) (show (tmap-topo-ring 6) 6 1) (show (tmap-topo-2d 2 3) 6 4)
      (show (tmap-topo-3d 2 2 2) 8 7) (show (tmap-topo-kd 3 2) 6 0)
      (print ((tmap-dst-lin 4) 2 0.5) ((tmap-dst-lin 4) 2.5 0.5) ((tmap-dst-const 1) 1 0) ((tmap-epsi-lin 0.5) 0.5))
    """
    assert printed(text).split("\n") == [
        "(3 2 1 0 1)",
        "(1 0 1 2 3 2)",
        "(2 1 2 1 0 1)",
        "(3 2 2 1 2 1 1 0)",
        "(0 1 1 2 2 3)",
        "1 () 1 0.25",
        "",
    ]


def test_a_map_learns_by_its_rule():
    """Against the rule in double precision: each node within the radius goes a share of the way."""
    rng = np.random.default_rng(3)
    words, nodes = rng.normal(size=(25, 2)).astype(np.float32), rng.normal(size=(6, 2)).astype(np.float32)
    rows = " ".join("(" + " ".join(repr(float(x)) for x in w) + ")" for w in nodes)
    learn = "(learn-tmap data (new-codebook m) 4 (tmap-topo-ring 6) (tmap-epsi-lin 0.4) %s)"
    start = f"(setq m (float-matrix 6 2))(m () () '({rows}))"
    built_in = printed(program(words, [0] * 25, start + learn % "(tmap-dst-lin 2)" + SHOW))
    own = printed(program(words, [0] * 25, start + learn % "(lambda (d c) (when (<= d (* 2 c)) 1))" + SHOW))
    expected = nodes.astype(float)
    for t in range(4):
        left = (4 - t) / 4
        for x in words.astype(float):
            winner = ((expected - x) ** 2).sum(axis=1).argmin()
            for j in range(6):
                if min(abs(j - winner), 6 - abs(j - winner)) <= 2 * left:
                    expected[j] += 0.4 * left * (x - expected[j])
    assert built_in == own
    assert np.abs(np.array(own.split(), float).reshape(6, 2) - expected).max() < 1e-5


def test_first_nodes_in_the_plane():
    words = np.array([[0, 0], [2, 0], [0, 2], [2, 2]], np.float32)  # mean 1 1, variance 1
    text = program(
        words,
        [0] * 4,
        "(setq m (codebook-word (bidim-init-ring data 4)))"
        + SHOW
        + '(printf "\\n") (setq m (codebook-word (bidim-init-2d data 2 3)))'
        + SHOW,
    )
    ring, net = (np.array(line.split(), float).reshape(-1, 2) for line in printed(text).split("\n"))
    angles = np.arange(4) * 6.28 / 4  # the full circle of the original
    assert np.abs(ring - np.stack([1 + 2 * np.cos(angles), 1 + 2 * np.sin(angles)], axis=1)).max() < 1e-6
    assert net.tolist() == [[-1, -1], [1, -1], [3, -1], [-1, 3], [1, 3], [3, 3]]


def test_demonstrations_learn_what_is_clicked():
    """A `get-click` of the program stands for the mouse; the click at the top is the last."""
    clicks = """(setq places '((60 100) (340 120) (320 360) (200 250) (90 330) (10 2)))
                (de get-click () (let ((place (car places))) (setq places (cdr places)) place))"""
    cities = np.array([[60, 100], [340, 120], [320, 360], [200, 250], [90, 330]])
    points = np.stack([cities[:, 0] / 200 - 1, 1 - cities[:, 1] / 200], axis=1)
    ring = printed_numbers(clicks + "(setq m (codebook-word (tsp-demo 30)))" + SHOW).reshape(10, 2)
    assert all(np.abs(ring - point).max(axis=1).min() < 1e-6 for point in points)  # each city is on the way
    net = printed_numbers(clicks + "(setq m (codebook-word (grid-demo)))" + SHOW).reshape(-1, 2)
    assert max(np.sqrt(((net - point) ** 2).sum(axis=1)).min() for point in points) < 0.15
    assert len(net) == 64 and np.abs(net).max() < 1


def test_maps_are_drawn_in_the_plane():
    """Data as circles, nodes as lines: the square -1 to 1 is the whole window of 100 x 100 pixels."""
    interpreter = Evaluator(lisp_functions())
    interpreter.run(
        Source(
            "<test>",
            """
      (setq m (float-matrix 4 2)) (m () () '((-0.5 -0.5) (0.5 -0.5) (-0.5 0.5) (0.5 0.5))) (setq cb (new-codebook m))
      (new-window 100 100) (bidim-display-dots cb -1 -1 1 1) (bidim-display-ring cb -1 -1 1 1)
      (new-window 100 100) ((tmap-display-bidim-2d 2 2) cb cb 0)
    """,
        )
    )
    ring, net = (made.marks for made in interpreter.part(Screen).windows)
    circles = [Disc(BLACK, x, y, 3, False) for x, y in ((25, 75), (75, 75), (25, 25), (75, 25))]
    assert ring == [
        *circles,
        Line(BLACK, 25, 75, 75, 75),
        Line(BLACK, 75, 75, 25, 25),
        Line(BLACK, 25, 25, 75, 25),
        Line(BLACK, 75, 25, 25, 75),
    ]
    assert net == [
        *circles,
        Line(BLACK, 25, 75, 75, 75),
        Line(BLACK, 25, 25, 75, 25),
        Line(BLACK, 25, 75, 25, 25),
        Line(BLACK, 75, 75, 75, 25),
    ]


def test_a_codebook_is_its_matrix_when_it_is_called():
    book = Codebook.unlabelled(np.arange(6, dtype=np.float32).reshape(3, 2))
    assert (len(book), book.width, str(book)) == (3, 2, "::CODEBOOK:3x2")
    assert (
        printed("(setq cb (new-codebook 2 2)) (cb 1 0 5) (print (cb 1 0) (cb () 0) cb (codebookp cb) (codebookp 1))")
        == "5 (0 5) ::CODEBOOK:2x2 ::CODEBOOK:2x2 ()\n"
    )
