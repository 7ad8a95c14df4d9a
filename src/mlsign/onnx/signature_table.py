"""Inputs, outputs and attributes of every operator of ONNX at every version, generated from onnx 1.23.2 by
``policies/build_operators.py``.

A line is an operator, and after it each of its versions: ``since inputs outputs attributes``, or ``since`` alone where
the signature is that of the version before.
``S`` is a single value that must be there, ``O`` an optional one, ``V`` any number, followed by the least number of
values. An attribute is ``name:type``, with ``!`` where it must be there. ``-`` is a version from which on the operator
is withdrawn.
"""

from typing import Final

NEWEST: Final = {"ai.onnx": 28, "ai.onnx.ml": 5, "ai.onnx.preview": 1, "ai.onnx.preview.training": 1}
"""The newest version of each domain that the table knows."""

TABLE: Final = """\
ai.onnx:Abs|1 S1 S1 consumed_inputs:7|6 S1 S1|13
ai.onnx:Acos|7 S1 S1|22
ai.onnx:Acosh|9 S1 S1|22
ai.onnx:Add|1 SS2 S1 axis:2,broadcast:2,consumed_inputs:7|6 SS2 S1 axis:2,broadcast:2|7 SS2 S1|13|14
ai.onnx:AffineGrid|20 SS2 S1 align_corners:2
ai.onnx:And|1 SS2 S1 axis:2,broadcast:2|7 SS2 S1
ai.onnx:ArgMax|1 S1 S1 axis:2,keepdims:2|11|12 S1 S1 axis:2,keepdims:2,select_last_index:2|13
ai.onnx:ArgMin|1 S1 S1 axis:2,keepdims:2|11|12 S1 S1 axis:2,keepdims:2,select_last_index:2|13
ai.onnx:Asin|7 S1 S1|22
ai.onnx:Asinh|9 S1 S1|22
ai.onnx:Atan|7 S1 S1|22
ai.onnx:Atanh|9 S1 S1|22
ai.onnx:Attention|23 SSSOOO3 SOOO1 is_causal:2,kv_num_heads:2,q_num_heads:2,qk_matmul_output_mode:2,scale:1,softcap:1,softmax_precision:2|24 SSSOOOO3 SOOO1 is_causal:2,kv_num_heads:2,q_num_heads:2,qk_matmul_output_mode:2,scale:1,softcap:1,softmax_precision:2|25 SSSOOOO3 SOOO1 is_causal:2,kv_num_heads:2,left_window_size:2,q_num_heads:2,qk_matmul_output_mode:2,right_window_size:2,scale:1,softcap:1,softmax_precision:2
ai.onnx:AveragePool|1 S1 S1 auto_pad:3,kernel_shape:7!,pads:7,strides:7|7 S1 S1 auto_pad:3,count_include_pad:2,kernel_shape:7!,pads:7,strides:7|10 S1 S1 auto_pad:3,ceil_mode:2,count_include_pad:2,kernel_shape:7!,pads:7,strides:7|11|19 S1 S1 auto_pad:3,ceil_mode:2,count_include_pad:2,dilations:7,kernel_shape:7!,pads:7,strides:7|22
ai.onnx:BatchNormalization|1 SSSSS5 SOOOO1 consumed_inputs:7!,epsilon:1,is_test:2,momentum:1,spatial:2|6 SSSSS5 SOOOO1 epsilon:1,is_test:2,momentum:1,spatial:2|7 SSSSS5 SOOOO1 epsilon:1,momentum:1,spatial:2|9 SSSSS5 SOOOO1 epsilon:1,momentum:1|14 SSSSS5 SOO1 epsilon:1,momentum:1,training_mode:2|15
ai.onnx:Bernoulli|15 S1 S1 dtype:2,seed:1|22
ai.onnx:BitCast|26 S1 S1 to:2!
ai.onnx:BitShift|11 SS2 S1 direction:3!|28
ai.onnx:BitwiseAnd|18 SS2 S1
ai.onnx:BitwiseNot|18 S1 S1
ai.onnx:BitwiseOr|18 SS2 S1
ai.onnx:BitwiseXor|18 SS2 S1
ai.onnx:BlackmanWindow|17 S1 S1 output_datatype:2,periodic:2
ai.onnx:Cast|1 S1 S1 to:3!|6 S1 S1 to:2!|9|13|19 S1 S1 saturate:2,to:2!|21|23|24 S1 S1 round_mode:3,saturate:2,to:2!|25|28
ai.onnx:CastLike|15 SS2 S1|19 SS2 S1 saturate:2|21|23|24 SS2 S1 round_mode:3,saturate:2|25
ai.onnx:CausalConvWithState|27 SSOO2 SS2 activation:3
ai.onnx:Ceil|1 S1 S1 consumed_inputs:7|6 S1 S1|13
ai.onnx:Celu|12 S1 S1 alpha:1|28
ai.onnx:CenterCropPad|18 SS2 S1 axes:7
ai.onnx:Clip|1 S1 S1 consumed_inputs:7,max:1,min:1|6 S1 S1 max:1,min:1|11 SOO1 S1|12|13
ai.onnx:Col2Im|18 SSS3 S1 dilations:7,pads:7,strides:7
ai.onnx:Compress|9 SS2 S1 axis:2|11|28
ai.onnx:Concat|1 V1 S1 axis:2|4 V1 S1 axis:2!|11|13
ai.onnx:ConcatFromSequence|11 S1 S1 axis:2!,new_axis:2
ai.onnx:Constant|1 0 S1 value:4!|9|11 0 S1 sparse_value:11,value:4|12 0 S1 sparse_value:11,value:4,value_float:1,value_floats:6,value_int:2,value_ints:7,value_string:3,value_strings:8|13|19|21|23|24|25
ai.onnx:ConstantOfShape|9 S1 S1 value:4|20|21|23|24|25
ai.onnx:Conv|1 SSO2 S1 auto_pad:3,dilations:7,group:2,kernel_shape:7,pads:7,strides:7|11|22
ai.onnx:ConvInteger|10 SSOO2 S1 auto_pad:3,dilations:7,group:2,kernel_shape:7,pads:7,strides:7
ai.onnx:ConvTranspose|1 SSO2 S1 auto_pad:3,dilations:7,group:2,kernel_shape:7,output_padding:7,output_shape:7,pads:7,strides:7|11|22
ai.onnx:Cos|7 S1 S1|22
ai.onnx:Cosh|9 S1 S1|22
ai.onnx:CumProd|26 SS2 S1 exclusive:2,reverse:2
ai.onnx:CumSum|11 SS2 S1 exclusive:2,reverse:2|14
ai.onnx:DFT|17 SO1 S1 axis:2,inverse:2,onesided:2|20 SOO1 S1 inverse:2,onesided:2
ai.onnx:DeformConv|19 SSSOO3 S1 dilations:7,group:2,kernel_shape:7,offset_group:2,pads:7,strides:7|22
ai.onnx:DepthToSpace|1 S1 S1 blocksize:2!|11 S1 S1 blocksize:2!,mode:3|13|28
ai.onnx:DequantizeLinear|10 SSO2 S1|13 SSO2 S1 axis:2|19|21 SSO2 S1 axis:2,block_size:2|23 SSO2 S1 axis:2,block_size:2,output_dtype:2|24|25|28
ai.onnx:Det|11 S1 S1|22
ai.onnx:Div|1 SS2 S1 axis:2,broadcast:2,consumed_inputs:7|6 SS2 S1 axis:2,broadcast:2|7 SS2 S1|13|14
ai.onnx:Dropout|1 S1 SO1 consumed_inputs:7,is_test:2,ratio:1|6 S1 SO1 is_test:2,ratio:1|7 S1 SO1 ratio:1|10|12 SOO1 SO1 seed:2|13|22
ai.onnx:DynamicQuantizeLinear|11 S1 SSS3
ai.onnx:Einsum|12 V1 S1 equation:3!|28
ai.onnx:Elu|1 S1 S1 alpha:1,consumed_inputs:7|6 S1 S1 alpha:1|22
ai.onnx:Equal|1 SS2 S1 axis:2,broadcast:2|7 SS2 S1|11|13|19
ai.onnx:Erf|9 S1 S1|13
ai.onnx:Exp|1 S1 S1 consumed_inputs:7|6 S1 S1|13
ai.onnx:Expand|8 SS2 S1|13
ai.onnx:EyeLike|9 S1 S1 dtype:2,k:2|22
ai.onnx:Flatten|1 S1 S1 axis:2|9|11|13|21|23|24|25
ai.onnx:Floor|1 S1 S1 consumed_inputs:7|6 S1 S1|13
ai.onnx:GRU|1 SSSOOO3 OS2 activation_alpha:6,activation_beta:6,activations:8,clip:1,direction:3,hidden_size:2,output_sequence:2|3 SSSOOO3 OO0 activation_alpha:6,activation_beta:6,activations:8,clip:1,direction:3,hidden_size:2,linear_before_reset:2,output_sequence:2|7 SSSOOO3 OO0 activation_alpha:6,activation_beta:6,activations:8,clip:1,direction:3,hidden_size:2,linear_before_reset:2|14 SSSOOO3 OO0 activation_alpha:6,activation_beta:6,activations:8,clip:1,direction:3,hidden_size:2,layout:2,linear_before_reset:2|22
ai.onnx:Gather|1 SS2 S1 axis:2|11|13
ai.onnx:GatherElements|11 SS2 S1 axis:2|13
ai.onnx:GatherND|11 SS2 S1|12 SS2 S1 batch_dims:2|13
ai.onnx:Gelu|20 S1 S1 approximate:3
ai.onnx:Gemm|1 SSS3 S1 alpha:1,beta:1,broadcast:2,transA:2,transB:2|6|7 SSS3 S1 alpha:1,beta:1,transA:2,transB:2|9|11 SSO2 S1 alpha:1,beta:1,transA:2,transB:2|13
ai.onnx:GlobalAveragePool|1 S1 S1|22
ai.onnx:GlobalLpPool|1 S1 S1 p:1|2 S1 S1 p:2|22
ai.onnx:GlobalMaxPool|1 S1 S1|22
ai.onnx:Greater|1 SS2 S1 axis:2,broadcast:2|7 SS2 S1|9|13
ai.onnx:GreaterOrEqual|12 SS2 S1|16
ai.onnx:GridSample|16 SS2 S1 align_corners:2,mode:3,padding_mode:3|20|22
ai.onnx:GroupNormalization|18 -|21 SSS3 S1 epsilon:1,num_groups:2!,stash_type:2
ai.onnx:HammingWindow|17 S1 S1 output_datatype:2,periodic:2
ai.onnx:HannWindow|17 S1 S1 output_datatype:2,periodic:2
ai.onnx:HardSigmoid|1 S1 S1 alpha:1,beta:1,consumed_inputs:7|6 S1 S1 alpha:1,beta:1|22
ai.onnx:HardSwish|14 S1 S1|22
ai.onnx:Hardmax|1 S1 S1 axis:2|11|13
ai.onnx:Identity|1 S1 S1|13|14|16|19|21|23|24|25
ai.onnx:If|1 S1 V1 else_branch:5!,then_branch:5!|11|13|16|19|21|23|24|25
ai.onnx:ImageDecoder|20 S1 S1 pixel_format:3
ai.onnx:InstanceNormalization|1 SSS3 S1 consumed_inputs:7,epsilon:1|6 SSS3 S1 epsilon:1|22
ai.onnx:IsInf|10 S1 S1 detect_negative:2,detect_positive:2|20
ai.onnx:IsNaN|9 S1 S1|13|20
ai.onnx:LRN|1 S1 S1 alpha:1,beta:1,bias:1,size:2!|13
ai.onnx:LSTM|1 SSSOOOOO3 OOO0 activation_alpha:6,activation_beta:6,activations:8,clip:1,direction:3,hidden_size:2,input_forget:2,output_sequence:2|7 SSSOOOOO3 OOO0 activation_alpha:6,activation_beta:6,activations:8,clip:1,direction:3,hidden_size:2,input_forget:2|14 SSSOOOOO3 OOO0 activation_alpha:6,activation_beta:6,activations:8,clip:1,direction:3,hidden_size:2,input_forget:2,layout:2|22
ai.onnx:LayerNormalization|17 SSO2 SOO1 axis:2,epsilon:1,stash_type:2
ai.onnx:LeakyRelu|1 S1 S1 alpha:1,consumed_inputs:7|6 S1 S1 alpha:1|16
ai.onnx:Less|1 SS2 S1 axis:2,broadcast:2|7 SS2 S1|9|13
ai.onnx:LessOrEqual|12 SS2 S1|16
ai.onnx:LinearAttention|27 SSSOOO3 SS2 chunk_size:2,kv_num_heads:2!,q_num_heads:2!,scale:1,update_rule:3
ai.onnx:Log|1 S1 S1 consumed_inputs:7|6 S1 S1|13
ai.onnx:LogSoftmax|1 S1 S1 axis:2|11|13
ai.onnx:Loop|1 OOV3 V1 body:5!|11 OOV2 V1 body:5!|13|16|19|21|23|24|25
ai.onnx:LpNormalization|1 S1 S1 axis:2,p:2|22
ai.onnx:LpPool|1 S1 S1 auto_pad:3,kernel_shape:7,p:1,pads:7,strides:7|2 S1 S1 auto_pad:3,kernel_shape:7!,p:2,pads:7,strides:7|11|18 S1 S1 auto_pad:3,ceil_mode:2,dilations:7,kernel_shape:7!,p:2,pads:7,strides:7|22
ai.onnx:MatMul|1 SS2 S1|9|13
ai.onnx:MatMulInteger|10 SSOO2 S1
ai.onnx:Max|1 V1 S1 consumed_inputs:7|6 V1 S1|8|12|13
ai.onnx:MaxPool|1 S1 S1 auto_pad:3,kernel_shape:7!,pads:7,strides:7|8 S1 SO1 auto_pad:3,kernel_shape:7!,pads:7,storage_order:2,strides:7|10 S1 SO1 auto_pad:3,ceil_mode:2,dilations:7,kernel_shape:7!,pads:7,storage_order:2,strides:7|11|12|22
ai.onnx:MaxRoiPool|1 SS2 S1 pooled_shape:7!,spatial_scale:1|22
ai.onnx:MaxUnpool|9 SSO2 S1 kernel_shape:7!,pads:7,strides:7|11|22
ai.onnx:Mean|1 V1 S1 consumed_inputs:7|6 V1 S1|8|13
ai.onnx:MeanVarianceNormalization|9 S1 S1 axes:7|13
ai.onnx:MelWeightMatrix|17 SSSSS5 S1 output_datatype:2
ai.onnx:Min|1 V1 S1 consumed_inputs:7|6 V1 S1|8|12|13
ai.onnx:Mish|18 S1 S1|22
ai.onnx:Mod|10 SS2 S1 fmod:2|13|28
ai.onnx:Mul|1 SS2 S1 axis:2,broadcast:2,consumed_inputs:7|6 SS2 S1 axis:2,broadcast:2|7 SS2 S1|13|14
ai.onnx:Multinomial|7 S1 S1 dtype:2,sample_size:2,seed:1|22
ai.onnx:Neg|1 S1 S1 consumed_inputs:7|6 S1 S1|13
ai.onnx:NegativeLogLikelihoodLoss|12 SSO2 S1 ignore_index:2,reduction:3|13|22
ai.onnx:NonMaxSuppression|10 SSOOO2 S1 center_point_box:2|11
ai.onnx:NonZero|9 S1 S1|13
ai.onnx:Not|1 S1 S1
ai.onnx:OneHot|9 SSS3 S1 axis:2|11|28
ai.onnx:Optional|15 O0 S1 type:13|28
ai.onnx:OptionalGetElement|15 S1 S1|18|28
ai.onnx:OptionalHasElement|15 S1 S1|18 O0 S1|28
ai.onnx:Or|1 SS2 S1 axis:2,broadcast:2|7 SS2 S1
ai.onnx:PRelu|1 SS2 S1 consumed_inputs:7|6 SS2 S1|7|9|16
ai.onnx:Pad|1 S1 S1 mode:3,paddings:7!,value:1|2 S1 S1 mode:3,pads:7!,value:1|11 SSO2 S1 mode:3|13|18 SSOO2 S1 mode:3|19|21|23|24|25
ai.onnx:Pow|1 SS2 S1 axis:2,broadcast:2|7 SS2 S1|12|13|15
ai.onnx:QLinearConv|10 SSSSSSSSO8 S1 auto_pad:3,dilations:7,group:2,kernel_shape:7,pads:7,strides:7
ai.onnx:QLinearMatMul|10 SSSSSSSS8 S1|21
ai.onnx:QuantizeLinear|10 SSO2 S1|13 SSO2 S1 axis:2|19 SSO2 S1 axis:2,saturate:2|21 SSO2 S1 axis:2,block_size:2,output_dtype:2,saturate:2|23 SSO2 S1 axis:2,block_size:2,output_dtype:2,precision:2,saturate:2|24|25|28
ai.onnx:RMSNormalization|23 SS2 S1 axis:2,epsilon:1,stash_type:2
ai.onnx:RNN|1 SSSOOO3 OO0 activation_alpha:6,activation_beta:6,activations:8,clip:1,direction:3,hidden_size:2,output_sequence:2|7 SSSOOO3 OO0 activation_alpha:6,activation_beta:6,activations:8,clip:1,direction:3,hidden_size:2|14 SSSOOO3 OO0 activation_alpha:6,activation_beta:6,activations:8,clip:1,direction:3,hidden_size:2,layout:2|22
ai.onnx:RandomNormal|1 0 S1 dtype:2,mean:1,scale:1,seed:1,shape:7!|22
ai.onnx:RandomNormalLike|1 S1 S1 dtype:2,mean:1,scale:1,seed:1|22
ai.onnx:RandomUniform|1 0 S1 dtype:2,high:1,low:1,seed:1,shape:7!|22
ai.onnx:RandomUniformLike|1 S1 S1 dtype:2,high:1,low:1,seed:1|22
ai.onnx:Range|11 SSS3 S1|27 SSS3 S1 stash_type:2
ai.onnx:Reciprocal|1 S1 S1 consumed_inputs:7|6 S1 S1|13
ai.onnx:ReduceL1|1 S1 S1 axes:7,keepdims:2|11|13|18 SO1 S1 keepdims:2,noop_with_empty_axes:2
ai.onnx:ReduceL2|1 S1 S1 axes:7,keepdims:2|11|13|18 SO1 S1 keepdims:2,noop_with_empty_axes:2
ai.onnx:ReduceLogSum|1 S1 S1 axes:7,keepdims:2|11|13|18 SO1 S1 keepdims:2,noop_with_empty_axes:2|28
ai.onnx:ReduceLogSumExp|1 S1 S1 axes:7,keepdims:2|11|13|18 SO1 S1 keepdims:2,noop_with_empty_axes:2|28
ai.onnx:ReduceMax|1 S1 S1 axes:7,keepdims:2|11|12|13|18 SO1 S1 keepdims:2,noop_with_empty_axes:2|20
ai.onnx:ReduceMean|1 S1 S1 axes:7,keepdims:2|11|13|18 SO1 S1 keepdims:2,noop_with_empty_axes:2
ai.onnx:ReduceMin|1 S1 S1 axes:7,keepdims:2|11|12|13|18 SO1 S1 keepdims:2,noop_with_empty_axes:2|20
ai.onnx:ReduceProd|1 S1 S1 axes:7,keepdims:2|11|13|18 SO1 S1 keepdims:2,noop_with_empty_axes:2
ai.onnx:ReduceSum|1 S1 S1 axes:7,keepdims:2|11|13 SO1 S1 keepdims:2,noop_with_empty_axes:2
ai.onnx:ReduceSumSquare|1 S1 S1 axes:7,keepdims:2|11|13|18 SO1 S1 keepdims:2,noop_with_empty_axes:2
ai.onnx:RegexFullMatch|20 S1 S1 pattern:3
ai.onnx:Relu|1 S1 S1 consumed_inputs:7|6 S1 S1|13|14
ai.onnx:Reshape|1 S1 S1 consumed_inputs:7,shape:7|5 SS2 S1|13|14 SS2 S1 allowzero:2|19|21|23|24|25
ai.onnx:Resize|10 SS2 S1 mode:3|11 SSSO3 S1 coordinate_transformation_mode:3,cubic_coeff_a:1,exclude_outside:2,extrapolation_value:1,mode:3,nearest_mode:3|13 SOOO1 S1 coordinate_transformation_mode:3,cubic_coeff_a:1,exclude_outside:2,extrapolation_value:1,mode:3,nearest_mode:3|18 SOOO1 S1 antialias:2,axes:7,coordinate_transformation_mode:3,cubic_coeff_a:1,exclude_outside:2,extrapolation_value:1,keep_aspect_ratio_policy:3,mode:3,nearest_mode:3|19
ai.onnx:ReverseSequence|10 SS2 S1 batch_axis:2,time_axis:2|28
ai.onnx:RoiAlign|10 SSS3 S1 mode:3,output_height:2,output_width:2,sampling_ratio:2,spatial_scale:1|16 SSS3 S1 coordinate_transformation_mode:3,mode:3,output_height:2,output_width:2,sampling_ratio:2,spatial_scale:1|22
ai.onnx:RotaryEmbedding|23 SSSO3 S1 interleaved:2,num_heads:2,rotary_embedding_dim:2
ai.onnx:Round|11 S1 S1|22
ai.onnx:STFT|17 SSOO2 S1 onesided:2
ai.onnx:Scan|8 OV2 V1 body:5!,directions:7,num_scan_inputs:2!|9 V1 V1 body:5!,num_scan_inputs:2!,scan_input_axes:7,scan_input_directions:7,scan_output_axes:7,scan_output_directions:7|11|16|19|21|23|24|25
ai.onnx:Scatter|9 SSS3 S1 axis:2|11 -
ai.onnx:ScatterElements|11 SSS3 S1 axis:2|13|16 SSS3 S1 axis:2,reduction:3|18
ai.onnx:ScatterND|11 SSS3 S1|13|16 SSS3 S1 reduction:3|18
ai.onnx:Selu|1 S1 S1 alpha:1,consumed_inputs:7,gamma:1|6 S1 S1 alpha:1,gamma:1|22
ai.onnx:SequenceAt|11 SS2 S1
ai.onnx:SequenceConstruct|11 V1 S1
ai.onnx:SequenceEmpty|11 0 S1 dtype:2
ai.onnx:SequenceErase|11 SO1 S1
ai.onnx:SequenceInsert|11 SSO2 S1
ai.onnx:SequenceLength|11 S1 S1
ai.onnx:SequenceMap|17 SV1 V1 body:5!
ai.onnx:Shape|1 S1 S1|13|15 S1 S1 end:2,start:2|19|21|23|24|25
ai.onnx:Shrink|9 S1 S1 bias:1,lambd:1
ai.onnx:Sigmoid|1 S1 S1 consumed_inputs:7|6 S1 S1|13
ai.onnx:Sign|9 S1 S1|13
ai.onnx:Sin|7 S1 S1|22
ai.onnx:Sinh|9 S1 S1|22
ai.onnx:Size|1 S1 S1|13|19|21|23|24|25
ai.onnx:Slice|1 S1 S1 axes:7,ends:7!,starts:7!|10 SSSOO3 S1|11|13
ai.onnx:Softmax|1 S1 S1 axis:2|11|13
ai.onnx:SoftmaxCrossEntropyLoss|12 SSO2 SO1 ignore_index:2,reduction:3|13
ai.onnx:Softplus|1 S1 S1|22
ai.onnx:Softsign|1 S1 S1|22
ai.onnx:SpaceToDepth|1 S1 S1 blocksize:2!|13|28 S1 S1 blocksize:2!,mode:3
ai.onnx:Split|1 SO1 V1 axis:2,split:7|2 S1 V1 axis:2,split:7|11|13 SO1 V1 axis:2|18 SO1 V1 axis:2,num_outputs:2
ai.onnx:SplitToSequence|11 SO1 S1 axis:2,keepdims:2|24
ai.onnx:Sqrt|1 S1 S1 consumed_inputs:7|6 S1 S1|13
ai.onnx:Squeeze|1 S1 S1 axes:7|11|13 SO1 S1|21|23|24|25
ai.onnx:StringConcat|20 SS2 S1
ai.onnx:StringNormalizer|10 S1 S1 case_change_action:3,is_case_sensitive:2,locale:3,stopwords:8
ai.onnx:StringSplit|20 S1 SS2 delimiter:3,maxsplit:2
ai.onnx:Sub|1 SS2 S1 axis:2,broadcast:2,consumed_inputs:7|6 SS2 S1 axis:2,broadcast:2|7 SS2 S1|13|14
ai.onnx:Sum|1 V1 S1 consumed_inputs:7|6 V1 S1|8|13
ai.onnx:SwiGLU|28 SS2 S1 alpha:1
ai.onnx:Swish|24 S1 S1 alpha:1
ai.onnx:Tan|7 S1 S1|22
ai.onnx:Tanh|1 S1 S1 consumed_inputs:7|6 S1 S1|13
ai.onnx:TensorScatter|24 SSO2 S1 axis:2,mode:3
ai.onnx:TfIdfVectorizer|9 S1 S1 max_gram_length:2!,max_skip_count:2!,min_gram_length:2!,mode:3!,ngram_counts:7!,ngram_indexes:7!,pool_int64s:7,pool_strings:8,weights:6
ai.onnx:ThresholdedRelu|10 S1 S1 alpha:1|22
ai.onnx:Tile|1 SSS3 S1|6 SS2 S1|13
ai.onnx:TopK|1 S1 SS2 axis:2,k:2!|10 SS2 SS2 axis:2|11 SS2 SS2 axis:2,largest:2,sorted:2|24
ai.onnx:Transpose|1 S1 S1 perm:7|13|21|23|24|25
ai.onnx:Trilu|14 SO1 S1 upper:2
ai.onnx:Unique|11 S1 SOOO1 axis:2,sorted:2|28
ai.onnx:Unsqueeze|1 S1 S1 axes:7!|11|13 SS2 S1|21|23|24|25
ai.onnx:Upsample|1 S1 S1 height_scale:1!,mode:3,width_scale:1!|7 S1 S1 mode:3,scales:6!|9 SS2 S1 mode:3|10 -
ai.onnx:Where|9 SSS3 S1|16
ai.onnx:Xor|1 SS2 S1 axis:2,broadcast:2|7 SS2 S1
ai.onnx.ml:ArrayFeatureExtractor|1 SS2 S1
ai.onnx.ml:Binarizer|1 S1 S1 threshold:1
ai.onnx.ml:CastMap|1 S1 S1 cast_to:3,map_form:3,max_map:2
ai.onnx.ml:CategoryMapper|1 S1 S1 cats_int64s:7,cats_strings:8,default_int64:2,default_string:3
ai.onnx.ml:DictVectorizer|1 S1 S1 int64_vocabulary:7,string_vocabulary:8
ai.onnx.ml:FeatureVectorizer|1 V1 S1 inputdimensions:7
ai.onnx.ml:Imputer|1 S1 S1 imputed_value_floats:6,imputed_value_int64s:7,replaced_value_float:1,replaced_value_int64:2
ai.onnx.ml:LabelEncoder|1 S1 S1 classes_strings:8,default_int64:2,default_string:3|2 S1 S1 default_float:1,default_int64:2,default_string:3,keys_floats:6,keys_int64s:7,keys_strings:8,values_floats:6,values_int64s:7,values_strings:8|4 S1 S1 default_float:1,default_int64:2,default_string:3,default_tensor:4,keys_floats:6,keys_int64s:7,keys_strings:8,keys_tensor:4,values_floats:6,values_int64s:7,values_strings:8,values_tensor:4
ai.onnx.ml:LinearClassifier|1 S1 SS2 classlabels_ints:7,classlabels_strings:8,coefficients:6!,intercepts:6,multi_class:2,post_transform:3
ai.onnx.ml:LinearRegressor|1 S1 S1 coefficients:6,intercepts:6,post_transform:3,targets:2
ai.onnx.ml:Normalizer|1 S1 S1 norm:3
ai.onnx.ml:OneHotEncoder|1 S1 S1 cats_int64s:7,cats_strings:8,zeros:2
ai.onnx.ml:SVMClassifier|1 S1 SS2 classlabels_ints:7,classlabels_strings:8,coefficients:6,kernel_params:6,kernel_type:3,post_transform:3,prob_a:6,prob_b:6,rho:6,support_vectors:6,vectors_per_class:7
ai.onnx.ml:SVMRegressor|1 S1 S1 coefficients:6,kernel_params:6,kernel_type:3,n_supports:2,one_class:2,post_transform:3,rho:6,support_vectors:6
ai.onnx.ml:Scaler|1 S1 S1 offset:6,scale:6
ai.onnx.ml:TreeEnsemble|5 S1 S1 aggregate_function:2,leaf_targetids:7!,leaf_weights:4!,membership_values:4,n_targets:2,nodes_falseleafs:7!,nodes_falsenodeids:7!,nodes_featureids:7!,nodes_hitrates:4,nodes_missing_value_tracks_true:7,nodes_modes:4!,nodes_splits:4!,nodes_trueleafs:7!,nodes_truenodeids:7!,post_transform:2,tree_roots:7!
ai.onnx.ml:TreeEnsembleClassifier|1 S1 SS2 base_values:6,class_ids:7,class_nodeids:7,class_treeids:7,class_weights:6,classlabels_int64s:7,classlabels_strings:8,nodes_falsenodeids:7,nodes_featureids:7,nodes_hitrates:6,nodes_missing_value_tracks_true:7,nodes_modes:8,nodes_nodeids:7,nodes_treeids:7,nodes_truenodeids:7,nodes_values:6,post_transform:3|3 S1 SS2 base_values:6,base_values_as_tensor:4,class_ids:7,class_nodeids:7,class_treeids:7,class_weights:6,class_weights_as_tensor:4,classlabels_int64s:7,classlabels_strings:8,nodes_falsenodeids:7,nodes_featureids:7,nodes_hitrates:6,nodes_hitrates_as_tensor:4,nodes_missing_value_tracks_true:7,nodes_modes:8,nodes_nodeids:7,nodes_treeids:7,nodes_truenodeids:7,nodes_values:6,nodes_values_as_tensor:4,post_transform:3|5 -
ai.onnx.ml:TreeEnsembleRegressor|1 S1 S1 aggregate_function:3,base_values:6,n_targets:2,nodes_falsenodeids:7,nodes_featureids:7,nodes_hitrates:6,nodes_missing_value_tracks_true:7,nodes_modes:8,nodes_nodeids:7,nodes_treeids:7,nodes_truenodeids:7,nodes_values:6,post_transform:3,target_ids:7,target_nodeids:7,target_treeids:7,target_weights:6|3 S1 S1 aggregate_function:3,base_values:6,base_values_as_tensor:4,n_targets:2,nodes_falsenodeids:7,nodes_featureids:7,nodes_hitrates:6,nodes_hitrates_as_tensor:4,nodes_missing_value_tracks_true:7,nodes_modes:8,nodes_nodeids:7,nodes_treeids:7,nodes_truenodeids:7,nodes_values:6,nodes_values_as_tensor:4,post_transform:3,target_ids:7,target_nodeids:7,target_treeids:7,target_weights:6,target_weights_as_tensor:4|5 -
ai.onnx.ml:ZipMap|1 S1 S1 classlabels_int64s:7,classlabels_strings:8
ai.onnx.preview:FlexAttention|1 SSS3 S1 prob_mod:5,scale:1,score_mod:5,softmax_precision:2
ai.onnx.preview.training:Adagrad|1 SSV3 V1 decay_factor:1,epsilon:1,norm_coefficient:1
ai.onnx.preview.training:Adam|1 SSV3 V1 alpha:1,beta:1,epsilon:1,norm_coefficient:1,norm_coefficient_post:1
ai.onnx.preview.training:Gradient|1 V1 V1 xs:8!,y:3!,zs:8
ai.onnx.preview.training:Momentum|1 SSV3 V1 alpha:1!,beta:1!,mode:3!,norm_coefficient:1!
"""
