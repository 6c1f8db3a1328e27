"""One vocabulary of operators for all runtimes; their own names of types are kept beside it."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["OpKind", "kind_of"]


class OpKind(StrEnum):
    """What an operator does, whatever its runtime calls it."""

    MATMUL = "matmul"
    ATTENTION = "attention"
    CONVOLUTION = "convolution"
    NORMALIZATION = "normalization"
    ACTIVATION = "activation"
    ELEMENTWISE = "elementwise"
    REDUCTION = "reduction"
    EMBEDDING = "embedding/gather"
    COPY = "reshape/copy"
    QUANTIZATION = "quantize/dequantize"
    CONTROL = "control"
    OTHER = "other"


_WORDS: dict[OpKind, str] = {
    OpKind.MATMUL: """addbmm addmm addmv baddbmm bmm dynamicquantizematmul einsum fullyconnected
        fullyconnectedcompressed fusedgemm fusedmatmul gemm gru gruseq gatemlp linear llmmlp lstm
        lstmseq matmul matmulinteger matmulintegertofloat matmulnbits mkllinear mm mv qgemm
        qkvproj qkvprojection qlinearmatmul rnn rnnseq tensordot dynamicquantizelstm
        linearpointwise mklreorderlinearweight quantizedlinear""",
    OpKind.ATTENTION: """attention decodermaskedmultiheadattention groupqueryattention mha
        multiheadattention nativemultiheadattention pagedattention qattention
        scaleddotproductattention scaleddotproductattentionwithkvcache
        scaleddotproductflashattention scaleddotproductflashattentionforcpu
        scaleddotproductefficientattention""",
    OpKind.CONVOLUTION: """conv conv1d conv2d conv3d convinteger convolution convolutionpointwise
        convtranspose convtranspose1d convtranspose2d deconvolution deformableconvolution fusedconv
        groupconvolution nhwcfusedconv qlinearconv mkldnnconvolution""",
    OpKind.NORMALIZATION: """batchnorm batchnormalization embedlayernormalization groupnorm
        groupnormalization instancenormalization layernorm layernormalization lpnormalization lrn
        mvn nativelayernorm normalizel2 rmsnorm rmsnormalization simplifiedlayernormalization
        skiplayernormalization skipsimplifiedlayernormalization""",
    OpKind.ACTIVATION: """biasgelu celu elu fastgelu fusedgelu gelu hardsigmoid hardswish hardtanh
        leakyrelu logsoftmax mish prelu quickgelu relu relu6 selu sigmoid silu softmax softplus
        softsign swish tanh thresholdedrelu""",
    OpKind.ELEMENTWISE: """abs add and bitwiseand bitwisenot bitwiseor bitwisexor ceil clamp clip
        cos cumsum div divide eltwise eq equal erf exp floor fma ge greater greaterequal
        greaterorequal gt isinf isnan le less lessequal lessorequal log logicaland logicalnot
        logicalor lt maskedfill max maximum min minimum mod mul muladd multiply ne neg negative not
        notequal or pow power prelu reciprocal rope rotaryembedding round rsqrt rsub select sign
        sin sqrt squareddifference sub subtract sum2 tril triu trilu where xor
        isnonzero bitwiseor logicalxor""",
    OpKind.REDUCTION: """all amax amin any argmax argmin averagepool avgpool avgpool2d
        adaptiveavgpool2d globalaveragepool globalmaxpool linalgvectornorm maxpool maxpool2d mean
        norm pooling prod reduce reducel1 reducel2 reducemax reducemean reducemin reduceprod
        reducesum reducesumsquare sort std sum topk var""",
    OpKind.EMBEDDING: """embedding embeddingbag gather gatherblockquantized gatherelements gathernd
        index indexselect oldembedding onehot scatterelements scatternd scatterupdate take""",
    OpKind.COPY: """aliasasstrided asstrided broadcast broadcastto cast castlike cat chunk clone
        concat constantofshape contiguous convert convertlike copy depthtospace detach dropout
        expand eyelike flatten full identity interpolate liftfresh narrow ones oneslike pad permute
        reorder repeat reshape resize resolveconj resolveneg scalartensor shape shapeof size slice
        spacetodepth split splitwithsizes squeeze stack stridedslice t tile to tocopy transpose
        unbind unsqueeze variadicsplit view viewas zeros zeroslike range arange empty emptylike
        expandas fill nonzero upsamplenearest2d item localscalardense alias lift newones newzeros
        reshapealias memcpyfromhost memcpytohost""",
    OpKind.QUANTIZATION: """dequantizelinear dequantize dynamicquantizelinear fakequantize
        quantize quantizelinear quantizeperchannel quantizepertensor""",
    OpKind.CONTROL: """if loop scan tensoriterator assign readvalue memoryinput memoryoutput
        optionalgetelement sequenceat sequenceconstruct assert""",
}  # fmt: skip
_KINDS = {word: kind for kind, words in _WORDS.items() for word in words.split()}


def kind_of(op_type: str) -> OpKind:
    """The kind of an operator type of any runtime.

    `OTHER` for one that is not listed, and for what fuses several kinds, such as OpenVINO's
    ``Subgraph``.

    Example:
        >>> kind_of("aten::_scaled_dot_product_attention"), kind_of("FullyConnected")
        (<OpKind.ATTENTION: 'attention'>, <OpKind.MATMUL: 'matmul'>)
    """
    word = op_type.rpartition("::")[2].replace("_", "").lower()
    return _KINDS.get(word, OpKind.OTHER)
