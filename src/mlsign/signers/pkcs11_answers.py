"""What a token or its module answers, as errors that say who must act. Pure: answers come in by the names of the binding."""

from __future__ import annotations

from typing import Final

from mlsign.errors import InputError, MlsignError, OutsideError, shown

PIN_WRONG: Final = frozenset({"PinIncorrect", "PinInvalid", "PinLenRange"})
PIN_LOCKED: Final = frozenset({"PinLocked"})
PIN_UNSET: Final = frozenset({"PinExpired", "UserPinNotInitialized"})
BUSY: Final = frozenset({"UserAlreadyLoggedIn", "AnotherUserAlreadyLoggedIn", "UserTooManyTypes", "SessionCount"})
UNUSABLE: Final = frozenset({"MechanismInvalid", "KeyTypeInconsistent", "KeySizeRange", "FunctionNotSupported"})
REMOVED: Final = frozenset(
    {
        "DeviceRemoved",
        "DeviceError",
        "TokenNotPresent",
        "TokenNotRecognised",
        "SessionHandleInvalid",
        "SessionClosed",
        "KeyHandleInvalid",
        "ObjectHandleInvalid",
        "UserNotLoggedIn",
    }
)


def explain_answer(name: str, *, detail: str, where: str) -> MlsignError:
    """The error to raise for the exception of this name; what nobody foresaw is a failure of the token."""
    if name in PIN_WRONG:
        return InputError(
            "the PIN is wrong",
            code="pkcs11.pin_wrong",
            where=where,
            hint="nothing was tried again, since tokens lock after a few wrong PINs; check it before you repeat the command",
        )
    if name in PIN_LOCKED:
        return pin_is_locked(where=where)
    if name in PIN_UNSET:
        return pin_is_unset(where=where)
    if name in BUSY:
        return OutsideError(
            "the token has a session of this process, or as many sessions as it can have",
            code="pkcs11.busy",
            where=where,
            found=name,
            hint="close the other session first",
        )
    if name in UNUSABLE:
        return InputError("the token does not sign a hash with this key", code="pkcs11.key_usage", where=where, found=name)
    if name in REMOVED:
        return OutsideError(
            "the token was removed, or its session ended",
            code="pkcs11.removed",
            where=where,
            found=name,
            hint="insert the token again and repeat the command; nothing was signed",
        )
    said = f"{name}: {shown(detail)}" if detail else name
    return OutsideError(f"the token or its module failed with {said}", code="pkcs11.failed", where=where)


def pin_is_locked(*, where: str) -> InputError:
    return InputError(
        "the PIN is locked",
        code="pkcs11.pin_locked",
        where=where,
        hint="unlock it with the tool of the token, which takes the security officer's PIN or a PUK",
    )


def pin_is_unset(*, where: str) -> InputError:
    return InputError(
        "the user PIN has expired or was never set",
        code="pkcs11.pin_unset",
        where=where,
        hint="set one with the tool of the token",
    )
