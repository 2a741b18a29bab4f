"""Every layer as ONNX, run by onnxruntime, against its own forward."""

import numpy as np
import pytest

from bpnet.nn.layers import LAYERS
from bpnet.nn.network import Network

onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
pytest.importorskip("onnx", reason="needs onnx")

from bpnet.exporting.graph import Graph  # noqa: E402
from bpnet.exporting.layers import TRANSLATIONS, translate  # noqa: E402

D = LAYERS["dense"]


def make(name, **options):
    return LAYERS[name](**options)


ROWS = {
    "dense": [lambda: make("dense", units=3), lambda: make("dense", units=3, bias=False)],
    "relu": [lambda: make("relu")],
    "leaky_relu": [lambda: make("leaky_relu"), lambda: make("leaky_relu", slope=0.3)],
    "elu": [lambda: make("elu"), lambda: make("elu", alpha=0.7)],
    "gelu": [lambda: make("gelu"), lambda: make("gelu", approximate="tanh")],
    "swish": [lambda: make("swish"), lambda: make("swish", beta=1.7)],
    "sigmoid": [lambda: make("sigmoid")],
    "tanh": [lambda: make("tanh")],
    "softplus": [lambda: make("softplus"), lambda: make("softplus", beta=2.5)],
    "softmax": [lambda: make("softmax")],
    "identity": [lambda: make("identity")],
    "dropout": [lambda: make("dropout", rate=0.5)],
    "batch_norm": [lambda: make("batch_norm"), lambda: make("batch_norm", affine=False)],
    "layer_norm": [
        lambda: make("layer_norm"),
        lambda: make("layer_norm", affine=False),
        lambda: make("layer_norm", over="all"),
    ],
    "flatten": [lambda: make("flatten")],
    "reshape": [lambda: make("reshape", shape=[3, -1])],
    "residual": [
        lambda: make("residual", layers=[D(units=6), make("tanh")]),
        lambda: make("residual", layers=[D(units=4), make("gelu")], projection=D(units=4)),
        lambda: make(
            "residual",
            layers=[make("residual", layers=[make("batch_norm"), D(units=6)]), make("relu")],
        ),
    ],
}
CASES = [(name, i) for name, makers in ROWS.items() for i in range(len(makers))]
SHAPES = {"layer_norm": [(6,), (2, 3, 2)], "batch_norm": [(6,), (2, 3, 2)], "flatten": [(2, 3, 2)]}
TOLERANCE = {"float32": 2e-6, "float64": 1e-14}


def test_every_layer_has_its_translation_and_its_row_here():
    assert set(TRANSLATIONS) == set(LAYERS) == set(ROWS)


def run(network, dtype):
    """Return a function that runs a network in onnxruntime."""
    graph = Graph(dtype)
    x = graph.input("x", dtype, network.in_shape, "")
    graph.output(translate(graph, network.chain, x), "y", dtype, network.out_shape, "")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        graph.encode("", {}, "0"), options, providers=["CPUExecutionProvider"]
    )
    return lambda x: session.run(["y"], {"x": x})[0]


def scatter(network, random):
    """Give all tensors values that no layer starts with."""
    for name, array in network.weights().items():
        array[...] = random.standard_normal(array.shape)
        if name.endswith("variance"):
            array[...] = np.abs(array) + 0.1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "i"), CASES, ids=[f"{n}-{i}" for n, i in CASES])
def test_onnxruntime_computes_what_the_layer_computes(name, i, dtype):
    random = np.random.default_rng(0)
    for shape in SHAPES.get(name, [(6,)]):
        network = Network([ROWS[name][i]()], shape, dtype=dtype)
        scatter(network, random)
        exported = run(network, dtype)
        for rows in (5, 1, 300):  # the number of rows is free
            x = (3 * random.standard_normal((rows, *shape))).astype(dtype)
            ours, theirs = network.predict(x), exported(x)
            assert theirs.dtype == ours.dtype
            assert theirs.shape == ours.shape
            scale = max(1.0, float(np.abs(ours).max()))
            assert np.abs(ours - theirs).max() <= TOLERANCE[dtype] * scale


def test_a_chain_of_all_layers_is_one_graph():
    layers = [
        *(
            make("reshape", shape=[12]),
            D(units=6),
            make("batch_norm"),
            make("elu"),
            make("dropout"),
        ),
        make("residual", layers=[D(units=6), make("gelu")]),
        *(make("layer_norm"), D(units=6), make("swish"), D(units=3), make("softmax")),
    ]
    network = Network(layers, (2, 3, 2), dtype="float64")
    scatter(network, np.random.default_rng(1))
    x = np.random.default_rng(2).standard_normal((7, 2, 3, 2))
    assert np.allclose(run(network, "float64")(x), network.predict(x), rtol=0, atol=1e-14)
    assert run(network, "float64")(x[:0]).shape == (0, 3)


def test_extreme_inputs_come_out_alike():
    layers = [make("gelu"), make("softplus"), make("elu"), make("sigmoid"), make("softmax")]
    x = np.array([[-1e4, -30.0, 0.0, 30.0, 1e4]])
    for dtype in ("float32", "float64"):
        for layer in layers:
            network = Network([layer], (5,), dtype=dtype)
            ours, theirs = network.predict(x.astype(dtype)), run(network, dtype)(x.astype(dtype))
            assert np.isfinite(theirs).all(), layer
            assert np.allclose(ours, theirs, rtol=1e-6, atol=1e-6), layer
