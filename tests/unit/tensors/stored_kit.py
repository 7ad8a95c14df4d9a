"""Tensors that are stored as a model stores them, for tests of what reads their values."""

from onnx import TensorProto

from mlsign.limits import DEFAULT
from mlsign.onnx import schema
from mlsign.onnx.records import Stored, StoredOutside, TensorRecord
from mlsign.onnx.scan import Scan
from mlsign.source import MemorySource
from mlsign.tensors.elements import ELEMENTS
from mlsign.tensors.stored import StoredTensor, no_files

PAYLOADS = (4, 5, 6, 7, 9, 10, 11)


def record(element, shape, values, *, name="w"):
    count = 1
    for dim in shape:
        count *= dim
    size = ELEMENTS[element].bytes_of(count) if element in ELEMENTS else 0
    return TensorRecord(name=name, element=element, shape=tuple(shape), count=count, size=size, values=values)


def of_parts(element, shape, field, *parts, model=b"", name="w"):
    return StoredTensor(record=record(element, shape, Stored(field=field, parts=parts), name=name), model=MemorySource(model))


def of_array(array, *, element=None, shape=None):
    """The array as ``raw_data``; ``element`` where numpy has another name for it."""
    names = {"float32": "float", "float64": "double"}
    element = element or names.get(array.dtype.name, array.dtype.name)
    return of_parts(element, array.shape if shape is None else shape, 9, array.tobytes())


def outside(element, shape, *, files, offset=0, length=None, location="w.bin"):
    place = StoredOutside(location=location, offset=offset, length=length)
    find = {name: MemorySource(data) for name, data in files.items()}.get
    return StoredTensor(record=record(element, shape, place), model=MemorySource(b""), outside=find)


def of_proto(proto: TensorProto):
    """A tensor as the wire reader finds it in a model: large payloads are regions nobody has read."""
    data = b"\x0a" + _varint(proto.ByteSize()) + proto.SerializeToString()
    source = MemorySource(data)
    scan = Scan(source, limits=DEFAULT)
    message = scan.wire.whole()
    body = scan.wire.fields(message, None, heavy=frozenset((10,)))[10][0]
    fields = scan.fields(body, schema.TENSOR, None)
    field = next((number for number in PAYLOADS if number in fields), None)
    values = None if field is None else Stored(field=field, parts=tuple(fields[field]))
    found = record(schema.ELEMENTS[proto.data_type].name, tuple(proto.dims), values, name=proto.name)
    return StoredTensor(record=found, model=source, outside=no_files)


def _varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes((value & 127 | 128,)), value >> 7
    return out + bytes((value,))
