"""Makes the run of this format that every later version must go on with.

Run once per format version: ``python tests/runs/make_golden.py``; never for a format that is there.
"""

import json
from pathlib import Path

from bpnet import model, session
from bpnet.config.document import Document
from bpnet.experiment import build
from bpnet.runs import rundir
from bpnet.runs.tensors import FORMAT
from bpnet.training.events import StepEnd

CONFIG = """\
name: golden
data: {train: builtin:iris, target: species}
model:
  layers:
    - {type: dense, units: 6}
    - {type: batch_norm}
    - {type: relu}
    - {type: dropout, rate: 0.1}
    - {type: residual, layers: [{type: dense, units: 6}, {type: tanh}]}
    - {type: dense, units: auto}
loss: cross_entropy
optimizer: {type: adamw, learning_rate: 0.02, weight_decay: 0.01}
schedule: {type: plateau, patience: 1}
training: {epochs: 8, batch_size: 16, accumulate: 2, clip_norm: 5}
early_stopping: {patience: 6}
checkpoint: {every: 1 step, keep: 1, pause: 0 s}
"""
CUT = 18
"""Steps after which the training is interrupted, within its fifth epoch."""


def make(directory):
    """Train until the cut, and leave out what is said about the machine."""
    experiment = build(Document.parse(CONFIG, "golden.yaml"))
    with session.begin(experiment, run_dir=directory) as begun:
        for event in begun.events():
            if isinstance(event, StepEnd) and event.step == CUT:
                experiment.state.stop_request = "made to be gone on with"
    model.save(directory / rundir.MODEL, experiment)
    for name in (".lock", "manifest.sha256", "events.jsonl", "log.txt"):
        (directory / name).unlink()
    facts = rundir.read_json(directory / rundir.RUN)
    facts |= {"command": [], "platform": "", "cpu": "", "git_commit": None}
    (directory / rundir.RUN).write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    make(Path(__file__).parent / f"golden_{FORMAT}")
