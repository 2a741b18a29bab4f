"""The right name for a wrong one: misspelled, spelled as elsewhere, or put in the wrong place."""

from __future__ import annotations

from collections.abc import Iterable

from bpnet.errors import nearest

_ALIASES = {
    # options
    "learning_rate": "lr eta alpha step_size learningrate base_lr initial_lr",
    "epsilon": "eps",
    "beta1": "beta_1 betas b1",
    "beta2": "beta_2 b2",
    "weight_decay": "wd decay l2_penalty",
    "momentum": "mu",
    "rate": "p prob probability drop dropout dropout_rate drop_rate drop_prob ratio",
    "units": "size neurons nodes hidden hidden_size hidden_units out out_features outputs width "
    "output_size output_dim num_units n_units dim",
    "bias": "use_bias with_bias",
    "init": "initializer weight_init kernel_initializer initialization weights_init",
    "bias_init": "bias_initializer",
    "slope": "alpha negative_slope leak",
    "epochs": "epoch n_epochs num_epochs max_epochs nb_epoch n_epoch iterations max_iter",
    "batch_size": "batch bs batchsize minibatch minibatch_size mini_batch_size",
    "accumulate": "gradient_accumulation_steps gradient_accumulation accumulation "
    "grad_accumulation accumulate_grad_batches",
    "clip_norm": "clip clipnorm grad_clip gradient_clip max_grad_norm gradient_clipping "
    "clip_grad_norm max_norm gradient_clip_val",
    "clip_value": "clipvalue clip_grad_value",
    "max_time": "time_limit max_duration",
    "optimizer": "optim optimiser solver updater",
    "loss": "loss_function loss_fn criterion objective cost cost_function",
    "schedule": "scheduler lr_schedule lr_scheduler learning_rate_schedule lr_decay",
    "regularization": "regularizer regularisation regularizers reg",
    "metrics": "metric scores",
    "early_stopping": "early_stop earlystopping stopping",
    "checkpoint": "checkpoints checkpointing saving save",
    "training": "train trainer fit",
    "train": "training path file source dataset csv input",
    "data": "dataset datasets input inputs",
    "model": "network net architecture nn",
    "layers": "layer hidden_layers modules stack",
    "seed": "random_seed random_state rng_seed",
    "compute": "backend engine device",
    "threads": "num_threads n_threads n_jobs workers num_workers",
    "dtype": "precision float_type",
    "logging": "log logger",
    "validation": "val valid val_split validation_split val_data validation_data dev eval "
    "val_fraction validation_fraction",
    "test": "test_split test_data test_size test_fraction holdout",
    "target": "label labels y targets target_column output",
    "features": "x inputs input_columns feature_columns columns",
    "exclude": "drop ignore skip drop_columns",
    "scale": "scaling scaler normalize normalization normalise standardize",
    "missing": "impute imputation na nan fillna",
    "encode": "encoding encoder",
    "patience": "wait max_no_improvement",
    "min_delta": "delta threshold tolerance tol",
    "monitor": "metric watch",
    "restore_best": "restore_best_weights",
    "label_smoothing": "smoothing",
    "class_weight": "class_weights weights",
    "warmup": "warmup_steps warm_up warmup_epochs",
    "gamma": "factor decay_rate decay",
    "every": "step_size step_every interval period",
    "length": "t_max duration total_steps decay_steps",
    "minimum": "min_lr eta_min lr_min end_lr",
    "milestones": "boundaries steps",
    # names
    "dense": "linear fc fully_connected affine full",
    "batch_norm": "bn batchnorm1d batch_normalization",
    "layer_norm": "ln layer_normalization",
    "leaky_relu": "lrelu",
    "swish": "silu",
    "sigmoid": "logistic",
    "cross_entropy": "ce crossentropy categorical_crossentropy sparse_categorical_crossentropy nll "
    "softmax_cross_entropy log_loss nll_loss cross_entropy_loss",
    "binary_cross_entropy": "bce binary_crossentropy bce_with_logits bcewithlogits",
    "mse": "mean_squared_error l2 squared_error mse_loss rmse",
    "mae": "mean_absolute_error l1 absolute_error l1_loss",
    "huber": "smooth_l1",
    "sgd": "gd gradient_descent stochastic_gradient_descent",
    "nesterov": "nag",
    "xavier_uniform": "glorot_uniform xavier glorot",
    "xavier_normal": "glorot_normal",
    "xavier": "glorot glorot_uniform",
    "he_uniform": "kaiming_uniform he kaiming",
    "he_normal": "kaiming_normal",
    "he": "kaiming kaiming_normal",
    "zeros": "zero",
    "normal": "gaussian randn",
    "uniform": "rand",
    "accuracy": "acc",
    "roc_auc": "auc",
    "standard": "std standardize zscore z_score standardise standard_scaler",
    "minmax": "min_max normalize minmax_scaler",
    "median": "med",
    "mean": "average avg",
    "most_frequent": "mode",
    "one_hot": "onehot dummies dummy",
    "cosine": "cosine_annealing",
    "plateau": "reduce_on_plateau reduce_lr_on_plateau",
    "one_cycle": "onecycle",
    "max": "maximize maximise",
    "min": "minimize minimise",
    "float32": "float float16 half single f32 fp32 32",
    "float64": "double f64 fp64 64",
}
"""What other tools, and people in a hurry, call our options and entries."""

_ELSEWHERE = {
    "activation": "an activation is a layer of its own: put '- relu' (or another) after this one",
    "act": "an activation is a layer of its own: put '- relu' (or another) after this one",
    "dropout": "dropout is a layer of its own: put '- {type: dropout, rate: 0.2}' after this one",
    **dict.fromkeys(
        ["input", "inputs", "input_shape", "input_dim", "input_size", "in_features", "n_inputs"],
        "the size of the input is known from the layer before it or the data; remove it",
    ),
}
"""Options that layers have in other tools, and what to do here."""


def normal(name: str) -> str:
    """Return a name without what people vary: ``learningRate``, ``Learning-Rate``."""
    return "".join(ch for ch in name.lower() if ch.isalnum())


def same_word(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` is another way of writing, or another word for."""
    known = list(known)
    wanted = normal(name)
    if not wanted:
        return None
    for candidate in known:
        if normal(candidate) == wanted:
            return candidate
    for candidate in known:
        if wanted in (normal(alias) for alias in _ALIASES.get(candidate, "").split()):
            return candidate
    return None


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most likely meant, or None."""
    known = list(known)
    return same_word(name, known) or nearest(name[:100], known)


def advice(key: str) -> str | None:
    """Return what to do instead of an option that layers have in other tools."""
    return _ELSEWHERE.get(key.lower())
