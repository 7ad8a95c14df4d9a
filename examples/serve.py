"""A scoring service: the model passes the gate when the service starts, and answers from a confined process.

    MLSIGN_POLICY=policy.yaml MLSIGN_PACKAGE=iris-1.0.0 uvicorn --app-dir examples serve:app

POST {"inputs": {"measurements": [[5.1, 3.5, 1.4, 0.2]]}} to /score. Needs fastapi and uvicorn.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel

from mlsign import Gate, InputError, JailError, Scorer

DTYPES = {"float": np.float32, "double": np.float64, "int64": np.int64, "int32": np.int32, "bool": np.bool_, "string": np.str_}


class Rows(BaseModel):
    inputs: dict[str, list[Any]]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Nothing is served before the policy has let the package in; a denial ends the start with its reason."""
    with Gate.load(os.environ["MLSIGN_POLICY"]).admit(os.environ["MLSIGN_PACKAGE"]) as model, Scorer(model) as scorer:
        app.state.scorer = scorer
        app.state.takes = {value.name: value.type for value in model.summary.inputs}
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/score")
def score(rows: Rows, request: Request) -> dict[str, Any]:
    """Outputs by name. 422 says what the model takes; 503 means that there is no answer and the worker may be gone."""
    takes = request.app.state.takes
    try:
        # Fractions for a model that takes integers, or numbers beyond its floats, are mistakes: nothing is bent to fit.
        with np.errstate(over="raise"):
            wanted = {name: DTYPES.get(takes[name].element) if name in takes else None for name in rows.inputs}
            feeds = {name: np.asarray(v).astype(wanted[name], casting="same_kind") for name, v in rows.inputs.items()}
        outputs = request.app.state.scorer.run(feeds)
    except InputError as err:
        raise HTTPException(422, str(err)) from err
    except (TypeError, ValueError, ArithmeticError) as err:
        raise HTTPException(422, f"the model takes {', '.join(f'{name}: {kind}' for name, kind in takes.items())}") from err
    except JailError as err:
        raise HTTPException(503, str(err)) from err
    return {"outputs": {name: np.asarray(values).tolist() for name, values in outputs.items()}}
