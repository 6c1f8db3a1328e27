"""Sound in, text out: waveforms, spectrograms, and the two kinds of recognisers."""

from ipfs_accelerate.inference.speech.mel import MelSettings, log_mel
from ipfs_accelerate.inference.speech.waveform import as_waveforms

__all__ = ["MelSettings", "as_waveforms", "log_mel"]
