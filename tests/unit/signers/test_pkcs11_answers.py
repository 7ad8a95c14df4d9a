"""What tokens answer: every name that is sorted is one of the binding, and each sort has its code and family."""

import pytest

from mlsign.errors import InputError, OutsideError
from mlsign.signers import pkcs11_answers as answers
from mlsign.signers.pkcs11_answers import explain_answer

SORTS = {
    "pkcs11.pin_wrong": (answers.PIN_WRONG, InputError),
    "pkcs11.pin_locked": (answers.PIN_LOCKED, InputError),
    "pkcs11.pin_unset": (answers.PIN_UNSET, InputError),
    "pkcs11.key_usage": (answers.UNUSABLE, InputError),
    "pkcs11.busy": (answers.BUSY, OutsideError),
    "pkcs11.removed": (answers.REMOVED, OutsideError),
}


@pytest.mark.parametrize("code", SORTS)
def test_each_answer_has_its_code(code):
    names, family = SORTS[code]
    for name in names:
        error = explain_answer(name, detail="", where="token a")
        assert (error.code, type(error), error.where) == (code, family, "token a")


def test_whatever_else_is_a_failure_of_the_token():
    error = explain_answer("GeneralError", detail="", where="token a")
    assert (error.code, type(error)) == ("pkcs11.failed", OutsideError)
    assert "GeneralError" in str(error)
    assert "\x1b" not in str(explain_answer("PKCS11Error", detail="\x1b[31mUnmapped", where="token a"))


def test_a_wrong_pin_comes_with_a_warning():
    assert "lock after a few wrong PINs" in explain_answer("PinIncorrect", detail="", where="token a").hint


def test_no_name_is_in_two_sorts_and_all_are_of_the_binding():
    every = [name for names, _ in SORTS.values() for name in names]
    assert len(every) == len(set(every))
    exceptions = pytest.importorskip("pkcs11.exceptions", reason="python-pkcs11 is not installed")
    for name in every:
        assert issubclass(getattr(exceptions, name), exceptions.PKCS11Error)
