"""The messages and element types of ONNX, as tables.

Source: ``onnx.proto`` and, for values in files of their own, ``onnx-data.proto`` of ONNX IR version 14, every field of every
message (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). A field that is not here is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

IR_VERSION: Final = 14
"""The newest version of the format that these tables know."""

_WIRE_TYPES: Final = MappingProxyType({"int64": 0, "int32": 0, "uint64": 0, "enum": 0, "double": 1, "float": 5})


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field: ``kind`` is its type in the schema; ``single`` unless ``repeated``."""

    name: str
    number: int
    kind: str
    single: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message type. ``by_tag`` has every tag that may stand in it, packed and unpacked form alike."""

    name: str
    by_tag: MappingProxyType[int, Field]
    names: MappingProxyType[int, str]
    heavy: frozenset[int]


def _message(name: str, text: str) -> Message:
    by_tag: dict[int, Field] = {}
    names: dict[int, str] = {}
    heavy: set[int] = set()
    for line in text.split(","):
        number_text, label, kind = line.split()
        number = int(number_text)
        base = kind.rstrip("*!")
        field = Field(name=label, number=number, kind=base, single="*" not in kind)
        names[number] = label
        wire = _WIRE_TYPES.get(base, 2)
        by_tag[number << 3 | wire] = field
        if "*" in kind:  # readers must take a repeated number packed and unpacked
            by_tag[number << 3 | 2] = field
        if "!" in kind:  # may hold weights
            heavy.add(number << 3 | 2)
    return Message(name=name, by_tag=MappingProxyType(by_tag), names=MappingProxyType(names), heavy=frozenset(heavy))


MODEL: Final = _message(
    "ModelProto",
    "1 ir_version int64, 2 producer_name string, 3 producer_version string, 4 domain string, 5 model_version int64,"
    "6 doc_string string, 7 graph message, 8 opset_import message*, 14 metadata_props message*, 20 training_info message*,"
    "25 functions message*, 26 configuration message*",
)
GRAPH: Final = _message(
    "GraphProto",
    "1 node message*!, 2 name string, 5 initializer message*!, 10 doc_string string, 11 input message*, 12 output message*,"
    "13 value_info message*, 14 quantization_annotation message*, 15 sparse_initializer message*!, 16 metadata_props message*",
)
NODE: Final = _message(
    "NodeProto",
    "1 input string*, 2 output string*, 3 name string, 4 op_type string, 5 attribute message*!, 6 doc_string string,"
    "7 domain string, 8 overload string, 9 metadata_props message*, 10 device_configurations message*",
)
ATTRIBUTE: Final = _message(
    "AttributeProto",
    "1 name string, 2 f float, 3 i int64, 4 s bytes, 5 t message!, 6 g message, 7 floats float*!, 8 ints int64*!,"
    "9 strings bytes*, 10 tensors message*!, 11 graphs message*, 13 doc_string string, 14 tp message,"
    "15 type_protos message*, 20 type enum, 21 ref_attr_name string, 22 sparse_tensor message!, 23 sparse_tensors message*!",
)
FUNCTION: Final = _message(
    "FunctionProto",
    "1 name string, 4 input string*, 5 output string*, 6 attribute string*, 7 node message*!, 8 doc_string string,"
    "9 opset_import message*, 10 domain string, 11 attribute_proto message*!, 12 value_info message*, 13 overload string,"
    "14 metadata_props message*",
)
TENSOR: Final = _message(
    "TensorProto",
    "1 dims int64*, 2 data_type int32, 3 segment message, 4 float_data float*!, 5 int32_data int32*!, 6 string_data bytes*!,"
    "7 int64_data int64*!, 8 name string, 9 raw_data bytes!, 10 double_data double*!, 11 uint64_data uint64*!,"
    "12 doc_string string, 13 external_data message*, 14 data_location enum, 16 metadata_props message*",
)
SEGMENT: Final = _message("TensorProto.Segment", "1 begin int64, 2 end int64")
SPARSE_TENSOR: Final = _message("SparseTensorProto", "1 values message!, 2 indices message!, 3 dims int64*")
VALUE_INFO: Final = _message("ValueInfoProto", "1 name string, 2 type message, 3 doc_string string, 4 metadata_props message*")
TYPE: Final = _message(
    "TypeProto",
    "1 tensor_type message, 4 sequence_type message, 5 map_type message, 6 denotation string, 7 opaque_type message,"
    "8 sparse_tensor_type message, 9 optional_type message",
)
TENSOR_TYPE: Final = _message("TypeProto.Tensor", "1 elem_type int32, 2 shape message")
ELEMENT_TYPE: Final = _message("TypeProto.Sequence", "1 elem_type message")
MAP_TYPE: Final = _message("TypeProto.Map", "1 key_type int32, 2 value_type message")
OPAQUE_TYPE: Final = _message("TypeProto.Opaque", "1 domain string, 2 name string")
SHAPE: Final = _message("TensorShapeProto", "1 dim message*")
DIMENSION: Final = _message("TensorShapeProto.Dimension", "1 dim_value int64, 2 dim_param string, 3 denotation string")
ENTRY: Final = _message("StringStringEntryProto", "1 key string, 2 value string")
OPSET: Final = _message("OperatorSetIdProto", "1 domain string, 2 version int64")
TRAINING: Final = _message(
    "TrainingInfoProto",
    "1 initialization message, 2 algorithm message, 3 initialization_binding message*, 4 update_binding message*",
)
ANNOTATION: Final = _message("TensorAnnotation", "1 tensor_name string, 2 quant_parameter_tensor_names message*")
CONFIGURATION: Final = _message("DeviceConfigurationProto", "1 name string, 2 num_devices int32, 3 device string*")
NODE_CONFIGURATION: Final = _message(
    "NodeDeviceConfigurationProto", "1 configuration_id string, 2 sharding_spec message*, 3 pipeline_stage int32"
)
SHARDING: Final = _message(
    "ShardingSpecProto",
    "1 tensor_name string, 2 device int64*, 3 index_to_device_group_map message*, 4 sharded_dim message*",
)
SEQUENCE: Final = _message(
    "SequenceProto",
    "1 name string, 2 elem_type int32, 3 tensor_values message*, 4 sparse_tensor_values message*, 5 sequence_values message*,"
    "6 map_values message*, 7 optional_values message*",
)
MAP: Final = _message("MapProto", "1 name string, 2 key_type int32, 3 keys int64*, 4 string_keys bytes*, 5 values message")
OPTIONAL: Final = _message(
    "OptionalProto",
    "1 name string, 2 elem_type int32, 3 tensor_value message, 4 sparse_tensor_value message, 5 sequence_value message,"
    "6 map_value message, 7 optional_value message",
)
INT_LIST: Final = _message("IntIntListEntryProto", "1 key int64, 2 value int64*")
SHARDED_DIM: Final = _message("ShardedDimProto", "1 axis int64, 2 simple_sharding message*")
SIMPLE_SHARDED_DIM: Final = _message("SimpleShardedDimProto", "1 dim_value int64, 2 dim_param string, 3 num_shards int64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """An element type of tensors: its size in bits, and how its typed payload field holds it.

    ``per_entry`` elements share one entry of ``field`` (sub-byte types), or one element takes ``entries``
    of them (complex types). Strings have no fixed size: ``bits`` is 0.
    """

    name: str
    bits: int
    field: str
    per_entry: int = 1
    entries: int = 1


def _elements() -> MappingProxyType[int, Element]:
    rows = (
        "1 float 32 float_data, 2 uint8 8 int32_data, 3 int8 8 int32_data, 4 uint16 16 int32_data, 5 int16 16 int32_data,"
        "6 int32 32 int32_data, 7 int64 64 int64_data, 8 string 0 string_data, 9 bool 8 int32_data, 10 float16 16 int32_data,"
        "11 double 64 double_data, 12 uint32 32 uint64_data, 13 uint64 64 uint64_data, 14 complex64 64 float_data,"
        "15 complex128 128 double_data, 16 bfloat16 16 int32_data, 17 float8e4m3fn 8 int32_data,"
        "18 float8e4m3fnuz 8 int32_data, 19 float8e5m2 8 int32_data, 20 float8e5m2fnuz 8 int32_data, 21 uint4 4 int32_data,"
        "22 int4 4 int32_data, 23 float4e2m1 4 int32_data, 24 float8e8m0 8 int32_data, 25 uint2 2 int32_data,"
        "26 int2 2 int32_data, 27 float6e2m3 6 int32_data, 28 float6e3m2 6 int32_data"
    )
    out: dict[int, Element] = {}
    for row in rows.split(","):
        number, name, bits_text, field = row.split()
        bits = int(bits_text)
        out[int(number)] = Element(
            name=name,
            bits=bits,
            field=field,
            per_entry={4: 2, 2: 4}.get(bits, 1),
            entries=2 if name.startswith("complex") else 1,
        )
    return MappingProxyType(out)


ELEMENTS: Final = _elements()
"""Element types by number (``TensorProto.DataType``)."""
