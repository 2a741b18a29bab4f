"""Why a training stopped, and what its curves say of going on: in words, with numbers."""

from __future__ import annotations

import math
import shlex

from bpnet.report.record import Record
from bpnet.report.wording import figure, share
from bpnet.runs.rundir import CUT_OFF


def why_stopped(record: Record) -> list[str]:
    """Say what ended the training, and what its curves say of going on."""
    facts, status = record.facts, record.status
    reason = str(facts.get("stop_reason") or "").strip().rstrip(".")
    run = shlex.quote(str(record.directory))
    said = []
    done = len(record.rows)
    of = f" of {record.planned:,}" if record.planned else ""
    if status == "running":
        return [f"It has not: {done:,}{of} epochs are done."]
    if status == CUT_OFF:
        said.append(
            f"It was cut off without a word, after {done:,}{of} epochs (a kill, a power cut). "
            f"bpnet train --resume {run} goes on."
        )
    elif status == "diverged":
        said.append(f"It diverged after {done:,}{of} epochs: {reason}.")
        said.append(f"bpnet replay {run} shows the step at which it happened, tensor by tensor.")
    elif status == "interrupted":
        said.append(f"It was interrupted after {done:,}{of} epochs: {reason}.")
        said.append(f"bpnet train --resume {run} goes on.")
    elif status == "failed":
        said.append(f"It failed after {done:,}{of} epochs: {reason}.")
    else:
        early = record.result.get("stop_reason") == "early_stopping"
        word = f"Early stopping: {reason}" if early else f"{reason[:1].upper()}{reason[1:]}"
        said.append(f"{word}." if reason else "The training is over.")
    return said + _shape(record)


def _shape(record: Record) -> list[str]:
    """Say what the curve of the monitored metric tells."""
    name = record.monitor
    curve = [(int(x), y) for x, y in record.curve(name) if math.isfinite(y)]
    best_epoch = record.model_epoch or record.best_epoch
    if len(curve) < 3 or best_epoch is None:
        return []
    values = dict(curve)
    if best_epoch not in values:
        return []
    best, (last_epoch, last) = values[best_epoch], curve[-1]
    of_model = "The model has the weights of" if record.model_epoch else "The best so far is"
    said = [f"{of_model} epoch {best_epoch:,} of {last_epoch:,} ({name} {figure(best)})."]
    losing = name.endswith("/loss")
    if losing and name == "val/loss" and last > best * 1.1 and best_epoch < 0.8 * last_epoch:
        before = dict(record.curve("train/loss"))
        from_, to = before.get(float(best_epoch), math.nan), before.get(float(last_epoch), math.nan)
        told = f"After that, val/loss rose to {figure(last)}"
        apart = f"from {figure(from_)} to {figure(to)}"
        if to < from_:
            said.append(
                f"{told} while train/loss fell {apart}: it began to learn the training rows by "
                "heart. Dropout, regularization or more data may help; more epochs will not."
            )
        elif math.isfinite(to - from_):
            said.append(
                f"{told}, and train/loss did not fall either ({apart}): the steps are too large "
                "to settle. A lower learning rate, a schedule that lowers it, or "
                "training.clip_norm may help."
            )
    elif best_epoch >= 0.9 * last_epoch and losing:
        earlier = curve[max(0, len(curve) - 1 - max(1, len(curve) // 10))][1]
        if earlier > 0 and best < 0.98 * earlier:
            said.append(
                f"{name} was still falling, by {share((earlier - best) / earlier)} over the last "
                "tenth of the epochs: more epochs, or a higher learning rate, may help."
            )
    return said
