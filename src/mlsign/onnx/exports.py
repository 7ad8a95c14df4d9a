"""How a model of another library or format becomes an ONNX model: fixed advice, and nothing of it from the file.

The calls are shown at work in ``examples/training``.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

_PAGE: Final = "docs/training-tools.md"

DEFAULT_HINT: Final = "export the model to ONNX and pack that file"

LIBRARIES: Final = MappingProxyType(
    {
        "sklearn": ("scikit-learn", "skl2onnx.to_onnx(model, X[:1])"),
        "lightgbm": ("LightGBM", "onnxmltools.convert_lightgbm(model, initial_types=...)"),
        "xgboost": ("XGBoost", "onnxmltools.convert_xgboost(model, initial_types=...)"),
        "pyspark": ("Spark ML", "onnxmltools.convert_sparkml(model, name, initial_types, spark_session=...)"),
        "catboost": ("CatBoost", 'model.save_model("model.onnx", format="onnx")'),
        "torch": ("PyTorch", 'torch.onnx.export(module, (example,), "model.onnx")'),
        "keras": ("Keras", 'model.export("saved") and python -m tf2onnx.convert --saved-model saved --output model.onnx'),
        "tensorflow": ("TensorFlow", "python -m tf2onnx.convert --saved-model DIR --output model.onnx"),
        "statsmodels": ("statsmodels", ""),
    }
)
"""Top-level modules that pickles of models name: the library as people write it, and its export; empty where there is none."""
SAVERS: Final = MappingProxyType({"joblib": "joblib", "cloudpickle": "cloudpickle", "dill": "dill"})
"""Modules that tell who wrote a pickle, whatever model is in it."""
_RELATIVES: Final = MappingProxyType(
    {"imblearn": "sklearn", "skops": "sklearn", "tf_keras": "keras", "torchvision": "torch", "lightning": "torch"}
)
"""Libraries whose models are exported as those of another one."""
KNOWN_MODULES: Final = frozenset((*LIBRARIES, *SAVERS, *_RELATIVES))

_LOAD: Final = MappingProxyType(
    {
        "xgboost": ("xgboost.XGBClassifier or XGBRegressor", LIBRARIES["xgboost"][1]),
        "lightgbm": ("lightgbm.Booster(model_file=...)", "onnxmltools.convert_lightgbm(booster, initial_types=...)"),
        "catboost": ("CatBoost().load_model(...)", 'model.save_model("model.onnx", format="onnx")'),
        "keras": ("keras.models.load_model(...)", LIBRARIES["keras"][1]),
    }
)
HINTS: Final = MappingProxyType(
    {
        **{
            library: f"load it in Python with {load}, export it by {export}, and pack that file; {_PAGE} says more"
            for library, (load, export) in _LOAD.items()
        },
        "old_xgboost": "load it with the version of XGBoost that wrote it (3.0 at most), save it as model.ubj, and convert that; "
        f"{_PAGE} says more",
        "mojo": "take boosterBytes out of it, load that with XGBoost 3.0 at most, save it as model.ubj, and convert that; "
        f"{_PAGE} says more",
        "torch": f"where the module's code is, load the weights, export it by {LIBRARIES['torch'][1]}, and pack that file; "
        f"{_PAGE} says more",
        "torchscript": f"load it with torch.jit.load, export it by {LIBRARIES['torch'][1]}, and pack that file",
        "saved_model": f"export it by {LIBRARIES['tensorflow'][1]}, and pack that file; {_PAGE} says more",
        "graph_def": "export it by python -m tf2onnx.convert --graphdef FILE --inputs ... --outputs ... --output model.onnx, "
        "and pack that file",
        "tflite": "export it by python -m tf2onnx.convert --tflite FILE --output model.onnx, and pack that file",
        "spark": f"load it in Spark, export it by {LIBRARIES['pyspark'][1]}, and pack that file; {_PAGE} says more",
        "weights": "weights are no model without a graph: load them into the module that they belong to, export it by "
        f"{LIBRARIES['torch'][1]}, and pack that file",
        "gguf": "weights for one runtime, without a graph: export the checkpoint that they were made from by "
        f"{LIBRARIES['torch'][1]}, and pack that file",
        "native": "nothing exports this format to ONNX: export the model from the library that trained it, and pack that file; "
        f"{_PAGE} says more",
        "r": 'save the model from R in the format of its library, xgb.save(model, "model.ubj") or lgb.save(model, "model.txt"), '
        f"and convert that; {_PAGE} says more",
        "java": "save the model from the JVM in the format of its library, for instance booster.saveModel, and convert that; "
        f"{_PAGE} says more",
        "pt2": 'load it with torch.export.load, export it by torch.onnx.export(program, f="model.onnx"), and pack that file',
        "packed": "if joblib wrote it, it is a pickle, a program that runs when it is loaded: export the model where it was trained "
        f"({_PAGE} says more); if it is a packed ONNX file, unpack it; then pack the ONNX file",
        "unpack": "name the ONNX file itself, taken out of the archive where it is in one",
        "lfs": "fetch the model with git lfs pull, and pack it",
        "package": "it is packed already: mlsign sign and mlsign verify take it as it is",
    }
)
"""What to do with a file or a folder of another format."""


def describe_pickle(modules: Sequence[str]) -> str:
    """``a Python pickle`` and whose: the first library that it names, others in it, and what wrote it."""
    names = [LIBRARIES[module][0] for module in _libraries(modules)]
    what = "a Python pickle" + (f" of {names[0]}" if names else "")
    what += f" with {' and '.join(names[1:])} in it" if len(names) > 1 else ""
    saver = next((SAVERS[module] for module in modules if module in SAVERS), "")
    return f"{what}, written by {saver}" if saver else what


def hint_for_pickle(modules: Sequence[str]) -> str:
    """Why a pickle is not opened, and the export of the library that it is of."""
    why = "a pickle is a program that runs when it is loaded, so it is never loaded here: where the model was trained, "
    first, *others = _libraries(modules) or ("",)
    if not first:
        return f"{why}export it to ONNX and pack that file; {_PAGE} says more"
    name, export = LIBRARIES[first]
    if not export:
        return f"{why}write what it computes with onnxscript, since {name} has no export to ONNX, and pack that file"
    if first == "sklearn" and others:
        export += f", after skl2onnx.update_registered_converter for {' and '.join(LIBRARIES[other][0] for other in others)}"
    return f"{why}export it by {export}, and pack that file; {_PAGE} says more"


def _libraries(modules: Sequence[str]) -> tuple[str, ...]:
    """The libraries among ``modules``, each once."""
    return tuple(dict.fromkeys(name for module in modules if (name := _RELATIVES.get(module, module)) in LIBRARIES))
