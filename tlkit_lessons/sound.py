"""Recordings: how a saved model loads a WAV file."""

import warnings

import numpy as np
import torch

from tlkit.errors import UserError
from tlkit.tasks.readers import READERS, Reader


def register() -> None:
    """Register the reader `wav:RATE`; an entry point of this package."""
    READERS.register("wav:", wav, ["wav:RATE"])


def wav(rate: str) -> Reader:
    """A recording as N float32 samples in [-1, 1], its channels' mean, at `rate` samples a second."""

    def read(path: str) -> torch.Tensor:
        from scipy.io import wavfile
        from scipy.signal import resample_poly

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", wavfile.WavFileWarning)  # the file is truncated
                warnings.filterwarnings("ignore", "Chunk", wavfile.WavFileWarning)  # metadata
                found, samples = wavfile.read(path)
            if not 0.01 <= found / int(rate) <= 100:  # resampling would need too much memory
                raise ValueError(f"{found} samples a second")
            if samples.dtype.kind in "iu":
                middle = 128 if samples.dtype == np.uint8 else 0
                samples = (samples.astype(np.float64) - middle) / 2.0 ** (8 * samples.dtype.itemsize - 1)
            mono = resample_poly(samples.reshape(len(samples), -1).mean(1), int(rate), found)
        except Exception as error:
            raise UserError(f"{path} does not open as a WAV file ({error}): save it again as one.") from error
        return torch.from_numpy(mono.astype(np.float32))

    return Reader(read, "FILE.wav")
