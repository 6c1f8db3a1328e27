"""What the instruction sets of a processor mean for the formats it multiplies natively."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.hardware.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["describe", "known_features", "precisions_of"]

# Linux' spelling (/proc/cpuinfo) → ours; everything else in the flags line is left out.
# Source: Linux arch/x86/include/asm/cpufeatures.h and Documentation/arch/arm64/elf_hwcaps.rst.
_X86 = {
    name: name
    for name in (
        "sse4_2",
        "avx",
        "avx2",
        "fma",
        "f16c",
        "avx512f",
        "avx512bw",
        "avx512cd",
        "avx512dq",
        "avx512vl",
        "avx512_vnni",
        "avx512_bf16",
        "avx512_fp16",
        "avx512_vbmi",
        "avx512_vbmi2",
        "avx_vnni",
        "avx_vnni_int8",
        "amx_tile",
        "amx_int8",
        "amx_bf16",
        "amx_fp16",
    )
}
_X86["avx10_1"] = "avx10_1"
_X86["avx10_2"] = "avx10_2"
_ARM = {
    "asimd": "neon",
    "neon": "neon",
    **{
        name: name
        for name in ("asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "svei8mm", "svebf16")
    },
    "sme": "sme",
    "sme2": "sme2",
}
# Apple's and Intel Macs' spelling (sysctl) → ours. Source: sysctl(3) of macOS 14.
_DARWIN = {
    "FEAT_FP16": "asimdhp",
    "FEAT_DotProd": "asimddp",
    "FEAT_I8MM": "i8mm",
    "FEAT_BF16": "bf16",
    "FEAT_SME": "sme",
    "FEAT_SME2": "sme2",
    "AdvSIMD": "neon",
    "neon": "neon",
    "SSE4.2": "sse4_2",
    "AVX1.0": "avx",
    "AVX2": "avx2",
    "FMA": "fma",
    "F16C": "f16c",
    "AVX512F": "avx512f",
    "AVX512BW": "avx512bw",
    "AVX512CD": "avx512cd",
    "AVX512DQ": "avx512dq",
    "AVX512VL": "avx512vl",
    "AVX512VNNI": "avx512_vnni",
}
_KNOWN = _X86 | _ARM | _DARWIN

_NATIVE = {
    Precision.BF16: {"avx512_bf16", "amx_bf16", "avx10_2", "bf16", "svebf16", "sme"},
    Precision.FP16: {"avx512_fp16", "amx_fp16", "avx10_1", "avx10_2", "asimdhp"},
    Precision.INT8: {
        "avx2",
        "avx512_vnni",
        "avx_vnni",
        "avx_vnni_int8",
        "amx_int8",
        "asimddp",
        "i8mm",
        "svei8mm",
        "sme",
    },
}

# Shown best first; a set named later in the same row is only shown when the former is absent.
_SHOWN = (
    (("amx_tile", "AMX"),),
    (("avx512_fp16", "AVX-512 FP16"),),
    (("avx512_bf16", "AVX-512 BF16"),),
    (("avx512_vnni", "AVX-512 VNNI"), ("avx512f", "AVX-512"), ("avx2", "AVX2"), ("avx", "AVX")),
    (("avx_vnni", "AVX-VNNI"),),
    (("sme2", "SME2"), ("sme", "SME")),
    (("sve2", "SVE2"), ("sve", "SVE")),
    (("neon", "NEON"),),
    (("i8mm", "I8MM"), ("asimddp", "dot product")),
    (("bf16", "BF16"),),
    (("asimdhp", "FP16"),),
)


def known_features(names: Iterable[str]) -> frozenset[str]:
    """The instruction sets that matter to models, under one spelling for all systems."""
    return frozenset(_KNOWN[name] for name in names if name in _KNOWN)


def precisions_of(features: frozenset[str]) -> frozenset[Precision]:
    """Formats multiplied natively; f32 and f64 always, others only with an instruction set.

    Source: Intel SDM vol. 1 chapters 14-18; Arm ARM DDI 0487 A2.2 (FEAT_FP16, FEAT_DotProd,
    FEAT_BF16).
    """
    native = {precision for precision, sets in _NATIVE.items() if sets & features}
    return frozenset({Precision.FP32, Precision.FP64} | native)


def describe(features: frozenset[str]) -> str:
    """The instruction sets in a few words, best first; empty when none is known."""
    shown = (next((text for name, text in row if name in features), "") for row in _SHOWN)
    return ", ".join(filter(None, shown))
